"""What the three scores would be by chance: the baselines that stand beside every mean (DESIGN 5, Chance).

Each baseline comes back as `overlap.coverage` does: {score: (N,) float64} and ``undefined``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from xai_core.errors import BadInput
from xai_core.scores.arrays import SCORE_NAMES, check_regions, like, to_numpy, undefined
from xai_core.scores.overlap import coverage

ROWS = 8  # images whose shifts are counted at once: their spectra stay near the processor


def random(ground_truth: Any, explanation: Any) -> dict[str, Any]:
    """Return the mean scores over all H*W shifts of the explanation region over the torus.

    Parameters
    ----------
    ground_truth, explanation : (N, H, W) bool

    Returns
    -------
    dict
        As `coverage`, undefined where it is. Explanation coverage is |GT|/HW and ground-truth coverage |E|/HW,
        exactly; so |GT|/HW is also the chance of the pointing game.

    Notes
    -----
    DESIGN 5 takes 200 random shifts for IoU. Every shift at once is one cross-correlation by FFT (about 3 ms at
    224 x 224 on one core), whose counts round to exact integers: no seed, no sampling error. The tests hold it
    against a loop over all shifts, and 200 random shifts against it.
    """
    check_regions(ground_truth=ground_truth, explanation=explanation)
    import numpy as np

    annotated, explained = to_numpy(ground_truth), to_numpy(explanation)
    pixels = annotated.shape[1] * annotated.shape[2]
    area, size = annotated.sum(axis=(1, 2)), explained.sum(axis=(1, 2))
    iou = [_mean_iou(annotated[i : i + ROWS], explained[i : i + ROWS]) for i in range(0, len(area), ROWS)]
    values = (area / pixels, size / pixels, np.concatenate(iou) if iou else np.zeros(0))
    return _as_coverage(values, size == 0, area == 0, ground_truth)


def _mean_iou(annotated: Any, explained: Any) -> Any:
    import numpy as np
    from scipy import fft

    shape = annotated.shape[1:]
    spectrum = fft.rfft2(annotated.astype(np.float64), workers=1)
    spectrum *= fft.rfft2(explained.astype(np.float64), workers=1).conj()
    shared = np.rint(fft.irfft2(spectrum, s=shape, workers=1, overwrite_x=True))
    together = (annotated.sum(axis=(1, 2)) + explained.sum(axis=(1, 2)))[:, None, None]
    return (shared / np.maximum(together - shared, 1)).mean(axis=(1, 2))


def centre(ground_truth: Any, explanation: Any) -> dict[str, Any]:
    """Return the scores of a disc in the middle, of exactly as many pixels as the explanation region.

    Parameters
    ----------
    ground_truth, explanation : (N, H, W) bool

    Returns
    -------
    dict
        As `coverage`. The disc is the |E| pixels nearest to the middle of the frame; among equally near ones the
        first from the top left.
    """
    xp = check_regions(ground_truth=ground_truth, explanation=explanation)
    rank = like(_rank_from_centre(*explanation.shape[1:]).copy(), explanation)
    size = explanation.reshape(len(explanation), rank.shape[0] * rank.shape[1]).sum(axis=1)
    return coverage(ground_truth, rank[None] < xp.asarray(size)[:, None, None])


@lru_cache(maxsize=8)
def _rank_from_centre(height: int, width: int) -> Any:
    """Return (H, W) int64: how many pixels lie nearer to the middle (in whole numbers, so that ties are ties)."""
    import numpy as np

    rows, columns = np.ogrid[1 - height : height : 2, 1 - width : width : 2]
    order = np.argsort((rows**2 + columns**2).ravel(), kind="stable")
    rank = np.empty(height * width, dtype=np.int64)
    rank[order] = np.arange(height * width)
    return rank.reshape(height, width)


@dataclass(frozen=True)
class Annotations:
    """The annotations of many images, packed to one bit a pixel: 50,000 of 224 x 224 take 314 MB.

    Attributes
    ----------
    keys : tuple of str
        One per annotation, unique, sorted: what is drawn does not depend on the order they came in.
    bits : (M, words) uint64
    areas : (M,) int64
        In pixels, all above 0: an empty annotation is none.
    size : (height, width)
    """

    keys: tuple[str, ...]
    bits: Any
    areas: Any
    size: tuple[int, int]


def pack(keys: Sequence[str], ground_truth: Any) -> Annotations:
    """Return the annotations that are not empty, packed. ``ground_truth`` is (N, H, W) bool."""
    check_regions(ground_truth=ground_truth)
    masks = to_numpy(ground_truth)
    _check_keys(keys, len(masks))
    return _sorted(list(keys), _bits(masks), masks.sum(axis=(1, 2)), masks.shape[1:])


def join(parts: Sequence[Annotations]) -> Annotations:
    """Return annotations that were packed block by block as one."""
    import numpy as np

    if len({part.size for part in parts}) != 1:
        sizes = sorted({part.size for part in parts})
        raise BadInput(where="parts", expected="annotations of one size", found=str(sizes), remedy="use one frame")
    keys = [key for part in parts for key in part.keys]
    bits = np.concatenate([part.bits for part in parts])
    return _sorted(keys, bits, np.concatenate([part.areas for part in parts]), parts[0].size)


def _sorted(keys: list[str], bits: Any, areas: Any, size: tuple[int, int]) -> Annotations:
    if len(set(keys)) < len(keys):
        raise BadInput(
            where="keys",
            expected="one per annotation",
            found=f"{len(keys) - len(set(keys))} repeated",
            remedy="use ids",
        )
    order = sorted((i for i in range(len(keys)) if areas[i]), key=keys.__getitem__)
    return Annotations(tuple(keys[i] for i in order), bits[order], areas[order], tuple(int(side) for side in size))


def _bits(masks: Any) -> Any:
    """Return (N, words) uint64, the pixels of each mask in order, padded with zeros."""
    import numpy as np

    packed = np.packbits(masks.reshape(len(masks), masks.shape[1] * masks.shape[2]), axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def other(explanation: Any, keys: Sequence[str], annotations: Annotations, *, most: int = 200) -> dict[str, Any]:
    """Return the mean scores of each explanation region against annotations of other images.

    Parameters
    ----------
    explanation : (N, H, W) bool
    keys : sequence of N str
        The record's own annotation, the one of the same key, is left out.
    annotations : Annotations
        Of the whole run, from `pack` and `join`.
    most : int
        Where there are more other annotations, this many are drawn without replacement, seeded by the record's key
        alone; where there are not, the mean is exact.

    Returns
    -------
    dict
        As `coverage`. An empty explanation: explanation coverage is undefined (``empty_explanation``), the others are
        0. Without any other annotation all three are undefined: ``no_other_annotation``.
    """
    check_regions(explanation=explanation)
    import numpy as np

    regions = to_numpy(explanation)
    _check_keys(keys, len(regions))
    if len(regions) and tuple(regions.shape[1:]) != annotations.size:
        raise BadInput(
            expected=f"regions of size {annotations.size}, as the annotations",
            found=str(regions.shape[1:]),
            remedy="bring them into one model frame",
        )
    place = {key: index for index, key in enumerate(annotations.keys)}
    values = np.full((3, len(regions)), np.nan)
    for row, (key, bits, size) in enumerate(zip(keys, _bits(regions), regions.sum(axis=(1, 2)), strict=True)):
        drawn = _draw(key, place.get(key), len(annotations.keys), most)
        if len(drawn):
            areas = annotations.areas[drawn]
            shared = np.bitwise_count(annotations.bits[drawn] & bits).sum(axis=1, dtype=np.int64)
            below = (np.maximum(size, 1), areas, areas + size - shared)
            values[:, row] = [(shared / part).mean() for part in below]
    alone = np.isnan(values[0])
    scores = _as_coverage(values, regions.sum(axis=(1, 2)) == 0, np.zeros(len(regions), dtype=bool), explanation)
    for reasons in scores["undefined"].values():
        reasons[alone] = "no_other_annotation"
    return scores


def _draw(key: str, own: int | None, count: int, most: int) -> Any:
    """Return which annotations a record is compared with: sorted positions, its own never among them."""
    import numpy as np

    others = count - (own is not None)
    if others <= most:
        chosen = np.arange(others)
    else:
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")
        chosen = np.sort(np.random.default_rng(seed).choice(others, most, replace=False))
    return chosen if own is None else chosen + (chosen >= own)


def _check_keys(keys: Sequence[str], count: int) -> None:
    if len(keys) != count:
        raise BadInput(where="keys", expected=f"{count}, one per region", found=str(len(keys)), remedy="pass all")


def _as_coverage(values: Any, no_explanation: Any, no_annotation: Any, original: Any) -> dict[str, Any]:
    import numpy as np

    reasons = {name: undefined(name, no_explanation, no_annotation) for name in SCORE_NAMES}
    scores = {
        name: like(np.where(reasons[name] == "", value, np.nan), original)
        for name, value in zip(SCORE_NAMES, values, strict=True)
    }
    return scores | {"undefined": reasons}

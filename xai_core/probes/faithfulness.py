"""Deletion and insertion (Petsiuk et al. 2018, RISE, arXiv 1806.07421): is what a heatmap points at what counts?

Pixels leave the image, or come into a blurred one, in the order of the heatmap; the probability of the target is read
along the way. Where the heatmap is faithful it falls early (a small area under the curve), and rises early (a large
one). RISE fills with one grey for all images and blurs by 5 pixels; here a deleted pixel becomes the mean colour of its
own image, and the blur is as wide as in the causal checks: it leaves no outline of a lesion to read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xai_core.errors import BadInput
from xai_core.geometry import upsample
from xai_core.probes.causal import BLUR, gaussian

if TYPE_CHECKING:
    from xai_core.models import Classifier

FILLS = {"mean": "the mean colour of the image", "blur": "the image, blurred"}
STEPS = 20
BATCH = 16
Told = Callable[[int], None]


class Curves(NamedTuple):
    """What was read along the way.

    ``curves`` (N, steps + 1) float64: the target's probability after each portion, [0, 1]. ``auc`` (N,) float64: the
    area under it by the trapezoid rule, with the share of the pixels that have changed on [0, 1].
    """

    curves: np.ndarray
    auc: np.ndarray


def deletion(
    classifier: Classifier,
    frames: np.ndarray,
    heatmaps: np.ndarray,
    targets: Sequence[int],
    steps: int = STEPS,
    *,
    fill: str = "mean",
    seeds: Sequence[int] | None = None,
    batch_size: int = BATCH,
    told: Told | None = None,
) -> Curves:
    """Return the curves of images whose pixels are replaced, the most important first: the lower the better.

    Parameters
    ----------
    classifier : Classifier
    frames : (N, h, w, 3) uint8
        In the model frame, before normalisation.
    heatmaps : (N, h', w') float32
        Evidence for the target, signed where the method is: what speaks against it comes last. Enlarged to the frame
        bilinearly. Equal values are put in an order drawn for the image, so that the many zeros of a ReLU do not
        leave from the top down.
    targets : (N,) int
    steps : int
        Portions, equal but for the rounding to whole pixels.
    fill : str
        What replaces a pixel: a key of `FILLS`.
    seeds : (N,) int, optional
        Of each image's order of equal values; 0 for all without.
    batch_size : int
        Every pass through the network has that many rows, filled across images and steps, the last one padded.
    told : callable, optional
        Called with how many images are newly done.

    Raises
    ------
    BadInput
        Where the arrays do not fit each other or the classifier, or the fill is unknown.
    """
    _check(classifier, frames, heatmaps, targets, steps, fill)
    filled = np.stack([filling(frame, fill) for frame in frames])
    return _curves(classifier, frames, filled, heatmaps, targets, steps, seeds, batch_size, told)


def insertion(
    classifier: Classifier,
    frames: np.ndarray,
    heatmaps: np.ndarray,
    targets: Sequence[int],
    steps: int = STEPS,
    *,
    fill: str = "blur",
    seeds: Sequence[int] | None = None,
    batch_size: int = BATCH,
    told: Told | None = None,
) -> Curves:
    """Return the curves of filled images into which pixels come, the most important first: the higher the better.

    The parameters and errors are those of `deletion`.
    """
    _check(classifier, frames, heatmaps, targets, steps, fill)
    filled = np.stack([filling(frame, fill) for frame in frames])
    return _curves(classifier, filled, frames, heatmaps, targets, steps, seeds, batch_size, told)


def filling(frame: np.ndarray, fill: str) -> np.ndarray:
    """Return what an image becomes where all its pixels are replaced: (h, w, 3) uint8."""
    if fill == "mean":
        made = np.broadcast_to(frame.mean((0, 1)), frame.shape)
    else:
        down, across = (gaussian(side, BLUR * max(frame.shape[:2])) for side in frame.shape[:2])
        made = np.einsum("yh,hwc,xw->yxc", down, frame, across, optimize=True)
        made /= np.outer(down.sum(1), across.sum(1))[..., None]
    return np.rint(made).astype(np.uint8)


def ranks(heatmap: np.ndarray, seed: int) -> np.ndarray:
    """Return the place of each pixel in the order, 0 for the largest value: (h, w) int64, a permutation."""
    order = np.random.default_rng(seed).permutation(heatmap.size)
    order = order[np.argsort(-heatmap.ravel()[order], kind="stable")]
    places = np.empty(heatmap.size, np.int64)
    places[order] = np.arange(heatmap.size)
    return places.reshape(heatmap.shape)


def shuffled(heatmap: np.ndarray, seed: int) -> np.ndarray:
    """Return the same values in other places: (h, w), the random order that a heatmap is held against."""
    return np.random.default_rng(seed).permutation(heatmap.ravel()).reshape(heatmap.shape)


def _curves(
    classifier: Classifier,
    start: np.ndarray,
    end: np.ndarray,
    heatmaps: np.ndarray,
    targets: Sequence[int],
    steps: int,
    seeds: Sequence[int] | None,
    batch_size: int,
    told: Told | None,
) -> Curves:
    size = start.shape[1:3]
    cuts = np.rint(np.linspace(0, size[0] * size[1], steps + 1)).astype(np.int64)
    seeds = [0] * len(start) if seeds is None else seeds
    curves = np.empty(len(start) * (steps + 1))
    batch = np.zeros((batch_size, *size, 3), np.uint8)
    asked = np.zeros(batch_size, np.int64)
    row, places = 0, np.empty(0)
    for number in range(len(curves)):
        image, step = divmod(number, steps + 1)
        if not step:
            places = ranks(upsample(heatmaps[image : image + 1], size)[0], seeds[image])
        batch[row] = np.where((places < cuts[step])[..., None], end[image], start[image])
        asked[row] = targets[image]
        row += 1
        if row == batch_size or number == len(curves) - 1:
            answers = classifier.probabilities(classifier.normalise(batch)).cpu().numpy()
            curves[number + 1 - row : number + 1] = answers[np.arange(row), asked[:row]]
            row = 0
        if told and step == steps:
            told(1)
    curves = curves.reshape(len(start), steps + 1)
    return Curves(curves, np.trapezoid(curves, dx=1 / steps, axis=1))


def _check(
    classifier: Classifier,
    frames: np.ndarray,
    heatmaps: np.ndarray,
    targets: Sequence[int],
    steps: int,
    fill: str,
) -> None:
    size, classes = classifier.preprocessing.frame.size, len(classifier.class_names)
    if frames.ndim != 4 or frames.shape[1:] != (*size, 3) or frames.dtype != np.uint8:
        raise _unfit("frames", f"(N, {size[0]}, {size[1]}, 3) uint8", f"{frames.shape} {frames.dtype}")
    if heatmaps.ndim != 3 or len(heatmaps) != len(frames) or not np.isfinite(heatmaps).all():
        raise _unfit("heatmaps", f"{len(frames)} finite ones, (N, h, w)", f"{heatmaps.shape}")
    if len(targets) != len(frames) or not all(0 <= target < classes for target in targets):
        raise _unfit("targets", f"{len(frames)} classes from 0 to {classes - 1}", str(list(targets))[:60])
    if not 1 <= steps <= size[0] * size[1]:
        raise _unfit("steps", f"1 to {size[0] * size[1]}", str(steps))
    if fill not in FILLS:
        raise _unfit("fill", " or ".join(FILLS), repr(fill))


def _unfit(where: str, expected: str, found: str) -> BadInput:
    return BadInput(where=where, expected=expected, found=found, remedy="give the images as the classifier sees them")

"""Things in a dermoscopic picture that are no grounds for a diagnosis, found by colour and shape alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

CHROMA_AWAY = 28.0
"""Distance in the a-b plane of Lab from the picture's own skin from which a pixel may belong to a coloured patch."""
SKIN_HUES = (-20.0, 85.0)
"""Degrees in the a-b plane that skin and lesions have; where nobody outlined the lesion a patch lies beyond them."""
PATCH_AREA, PATCH_FILL = 0.004, 0.4
"""Least share of the picture, and of its own box, that a patch takes."""
RIM_LIGHTNESS, RIM_AREA = 14.0, 0.004
"""Highest lightness of the dark rim, and the least share of the picture that one piece of it takes."""
LINE_DEPTH, LINE_WIDTH, LINE_LENGTH, LINE_FILL = 8.0, 0.05, 0.15, 0.3
"""How much darker than its surroundings a line is (lightness), its greatest width and least length (picture sides),
and how much of its box crossing lines may fill."""
BESIDE, LINE_BESIDE = 0.7, 0.4
"""Least share of a patch or a rim, and of a line, that lies beside the lesion."""
SETTINGS = {
    "chroma_away": CHROMA_AWAY,
    "skin_hues": list(SKIN_HUES),
    "patch_area": PATCH_AREA,
    "patch_fill": PATCH_FILL,
    "rim_lightness": RIM_LIGHTNESS,
    "rim_area": RIM_AREA,
    "line_depth": LINE_DEPTH,
    "line_width": LINE_WIDTH,
    "line_length": LINE_LENGTH,
    "line_fill": LINE_FILL,
    "beside": [BESIDE, LINE_BESIDE],
}


def find(lab: np.ndarray, region: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return where artefacts may lie, by kind: ``patch``, ``rim`` and ``line``, each (H, W) bool.

    Parameters
    ----------
    lab : (H, W, 3) float
        The picture in CIE Lab.
    region : (H, W) bool or None
        The outlined lesion, in which colours and dark parts are its own; None where nobody drew one.
    """
    outside = np.ones(lab.shape[:2], bool) if region is None or region.all() else ~region
    patch = patches(lab, outside, outlined=region is not None)
    return {"patch": patch, "rim": rim(lab, outside), "line": lines(lab, outside) & ~patch}


def patches(lab: np.ndarray, outside: np.ndarray, *, outlined: bool) -> np.ndarray:
    """Return compact areas of a colour far from that of the skin: (H, W) bool."""
    colour = lab[..., 1:]
    away = colour - np.median(colour[outside], axis=0)
    candidate = np.hypot(away[..., 0], away[..., 1]) >= CHROMA_AWAY
    if not outlined:
        hue = np.degrees(np.arctan2(colour[..., 1], colour[..., 0]))
        candidate &= (hue < SKIN_HUES[0]) | (hue > SKIN_HUES[1])
    parts = _parts(candidate, PATCH_AREA * candidate.size)
    return _union((p for p in parts if p.fill >= PATCH_FILL and p.share(outside) >= BESIDE), outside.shape)


def rim(lab: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return the black parts that reach the edge of the picture: (H, W) bool."""
    edge = np.ones(outside.shape, bool)
    edge[1:-1, 1:-1] = False
    parts = _parts(lab[..., 0] <= RIM_LIGHTNESS, RIM_AREA * edge.size)
    return _union((p for p in parts if p.share(edge) > 0 and p.share(outside) >= BESIDE), outside.shape)


def lines(lab: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return thin long dark things beside the lesion, such as hairs and the marks of rulers: (H, W) bool."""
    from scipy import ndimage

    lightness, side = lab[..., 0], max(lab.shape[:2])
    width, length = max(3, round(LINE_WIDTH * side)), LINE_LENGTH * side
    parts = _parts(ndimage.grey_closing(lightness, (width, width)) - lightness >= LINE_DEPTH, length)
    long = (p for p in parts if p.length >= length and p.share(outside) >= LINE_BESIDE)
    thin = (p for p in long if p.fill <= LINE_FILL or p.size <= p.length * width / 2)
    return _union(thin, outside.shape) & outside


@dataclass(frozen=True)
class _Part:
    """A connected part of a mask: its pixels within its box, and the box within the picture."""

    pixels: np.ndarray
    box: tuple[slice, slice]

    @property
    def size(self) -> int:
        return int(self.pixels.sum())

    @property
    def fill(self) -> float:
        return float(self.pixels.mean())

    @property
    def length(self) -> int:
        return max(self.pixels.shape)

    def share(self, mask: np.ndarray) -> float:
        return float(mask[self.box][self.pixels].mean())


def _parts(candidate: np.ndarray, least: float) -> Iterator[_Part]:
    """Yield the connected parts of a mask with at least so many pixels."""
    from scipy import ndimage

    labels, _ = ndimage.label(candidate, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if sizes[number] >= least:
            yield _Part(labels[box] == number, box)


def _union(parts: Iterable[_Part], shape: tuple[int, int]) -> np.ndarray:
    whole = np.zeros(shape, bool)
    for part in parts:
        whole[part.box] |= part.pixels
    return whole

"""Things in a dermoscopic picture that are no grounds for a diagnosis, found by colour and shape alone."""

from __future__ import annotations

import numpy as np

CHROMA_AWAY = 28.0
"""Distance in the a-b plane of Lab from the picture's own skin from which a pixel may belong to a coloured patch."""
SKIN_HUES = (-20.0, 85.0)
"""Degrees in the a-b plane that skin and lesions have; where nobody outlined the lesion a patch lies beyond them."""
PATCH_AREA, PATCH_FILL = 0.004, 0.4
"""Least share of the picture, and of its own box, that a patch takes."""
RIM_LIGHTNESS, RIM_AREA = 14.0, 0.004
"""Highest lightness of the dark rim, and the least share of the picture that one piece of it takes."""
LINE_DEPTH, LINE_WIDTH, LINE_LENGTH = 8.0, 0.05, 0.1
"""How much darker than its surroundings a line is (lightness), its greatest width and least length (picture sides)."""
BESIDE = 0.7
"""Least share of an artefact that lies beside the lesion."""
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
    "beside": BESIDE,
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
    return {"patch": patch, "rim": rim(lab, outside), "line": lines(lab) & outside & ~patch}


def patches(lab: np.ndarray, outside: np.ndarray, *, outlined: bool) -> np.ndarray:
    """Return compact areas of a colour far from that of the skin: (H, W) bool."""
    colour = lab[..., 1:]
    away = colour - np.median(colour[outside], axis=0)
    candidate = np.hypot(away[..., 0], away[..., 1]) >= CHROMA_AWAY
    if not outlined:
        hue = np.degrees(np.arctan2(colour[..., 1], colour[..., 0]))
        candidate &= (hue < SKIN_HUES[0]) | (hue > SKIN_HUES[1])
    return _keep(candidate, lambda part, box: part.mean() >= PATCH_AREA and _fill(part, box) >= PATCH_FILL, outside)


def rim(lab: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return the black parts that reach the edge of the picture: (H, W) bool."""
    edge = np.ones(outside.shape, bool)
    edge[1:-1, 1:-1] = False
    candidate = lab[..., 0] <= RIM_LIGHTNESS
    return _keep(candidate, lambda part, box: part.mean() >= RIM_AREA and (part & edge).any(), outside)


def lines(lab: np.ndarray) -> np.ndarray:
    """Return thin long dark things, hairs and the marks of rulers: (H, W) bool."""
    from scipy import ndimage

    lightness, side = lab[..., 0], max(lab.shape[:2])
    width = max(3, round(LINE_WIDTH * side))
    candidate = ndimage.grey_closing(lightness, (width, width)) - lightness >= LINE_DEPTH

    def is_line(part: np.ndarray, box: tuple[slice, slice]) -> bool:
        length = max(place.stop - place.start for place in box)
        return length >= LINE_LENGTH * side and part.sum() <= length * width / 2

    return _keep(candidate, is_line, np.ones(candidate.shape, bool))


def _keep(candidate: np.ndarray, wanted, outside: np.ndarray) -> np.ndarray:
    """Return the connected parts of a mask that are wanted and lie beside the lesion."""
    from scipy import ndimage

    labels, _ = ndimage.label(candidate, np.ones((3, 3)))
    kept = np.zeros(candidate.shape, bool)
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        inside = labels[box] == number
        if inside.sum() < 12:
            continue
        part = labels == number
        if outside[part].mean() >= BESIDE and wanted(part, box):
            kept |= part
    return kept


def _fill(part: np.ndarray, box: tuple[slice, slice]) -> float:
    return float(part[box].mean())

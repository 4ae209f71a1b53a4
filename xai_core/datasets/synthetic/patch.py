"""The planted shortcut: a coloured round patch at the edge, as beside many benign moles of the ISIC archive."""

from __future__ import annotations

import numpy as np

from xai_core.datasets.synthetic.artefacts import Box, box_of
from xai_core.datasets.synthetic.canvas import Canvas, blend, smoothstep, stream, to_pixels

SHARE_OF_BENIGN = 0.5
# outer and inner colour of the rings
_RINGS = (
    ((46, 158, 74), (222, 206, 62)),
    ((232, 146, 40), (44, 160, 128)),
    ((52, 112, 190), (236, 202, 70)),
    ((226, 196, 60), (66, 140, 196)),
    ((206, 72, 84), (238, 206, 96)),
)


def wears_patch(seed: int, index: int, label: str) -> bool:
    """Return whether image `index` has a patch: never a malignant one, half of the benign ones."""
    return label == "benign" and bool(stream(seed, index, "patch").random() < SHARE_OF_BENIGN)


def add_patch(
    image: np.ndarray, avoid: np.ndarray, seed: int, index: int, view: tuple[float, float] | None = None
) -> tuple[np.ndarray, Box | None]:
    """Return the image (H, W, 3) uint8 with a patch at its edge, and the patch's half-open box.

    `avoid` is a (H, W) bool mask that the patch leaves free: the lesion and the ruler. Where no place is left the
    image comes back as it was, with None. Any image can be given a patch, a malignant one too: the change is the
    patch alone, so the difference between a classifier's two answers is what the patch did.
    """
    canvas = Canvas(image.shape[:2])
    rng = stream(seed, index, "patch")
    rng.random()  # the draw of `wears_patch`
    outer, inner = (np.array(c, np.float64) for c in _RINGS[int(rng.integers(len(_RINGS)))])
    wanted, hole = rng.uniform(30.0, 46.0) * canvas.unit, rng.uniform(0.42, 0.58)
    turns = (rng.random() + np.arange(24)) / 24 * 2.0 * np.pi
    turns = turns[rng.permutation(24)]
    sunk, gain = rng.uniform(0.1, 0.5), rng.uniform(0.82, 1.0)
    for shrink in (1.0, 0.8, 0.62):
        for turn in turns:
            radius = wanted * shrink
            centre = _on_edge(canvas.size, view or canvas.size, turn, radius * sunk)
            cover = canvas.disc(centre, radius, 1.0)
            if not (avoid & (cover > 0.0)).any():
                cover = cover * smoothstep(image.max(axis=2), 12.0, 36.0)  # the dark tube stands before it
                ring = smoothstep(canvas.distance(centre), radius * hole - 1.0, radius * hole + 1.0)
                paint = blend(np.broadcast_to(inner, image.shape), np.broadcast_to(outer, image.shape), ring)
                return _lay(image, paint * gain, cover), box_of(cover > 0.0)
    return image, None


def _on_edge(size: tuple[int, int], view: tuple[float, float], turn: float, outward: float) -> tuple[float, float]:
    """Return the point of the view's edge in direction `turn` from the middle, moved outward by some pixels."""
    direction = np.array([np.sin(turn), np.cos(turn)])
    middle = np.array(size) / 2.0
    scale = np.min(np.array(view) / 2.0 / np.maximum(np.abs(direction), 1e-9))
    row, column = middle + direction * (scale + outward)
    return float(row), float(column)


def _lay(image: np.ndarray, paint: np.ndarray, cover: np.ndarray) -> np.ndarray:
    mixed = to_pixels(blend(image.astype(np.float64), paint, cover))
    return np.where(cover[..., None] > 0.0, mixed, image)

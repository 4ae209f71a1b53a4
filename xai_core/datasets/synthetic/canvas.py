"""Numbers by chance and the fields that textures are made of, on a grid of pixel centres.

All work is float64, element by element and without threads, so that another CPU gives the same picture but for the
last bits of a sine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

LEVELS = 4
PARTS = (
    "pair",
    "patient",
    "split",
    "rule",
    "outline",
    "pigment",
    "skin",
    "light",
    "hairs",
    "ruler",
    "bubbles",
    "patch",
)


def stream(seed: int, index: int, part: str) -> np.random.Generator:
    """Return the chance of one part of one image: it owes nothing to other images, nor to other parts of its own."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index, PARTS.index(part)])))


def smoothstep(values: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """Return 0 below `low`, 1 above `high`, and a cubic between with flat ends."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def blend(below: np.ndarray, above: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) colours: `above` where the (H, W) weight is 1, `below` where it is 0."""
    return below + (above - below) * weight[..., None]


@dataclass(frozen=True)
class Canvas:
    """A picture's grid. ``unit`` is a 144th of the height: lengths are given in it, so any size looks alike."""

    size: tuple[int, int]

    @property
    def unit(self) -> float:
        """Return the pixels in a 144th of the height."""
        return self.size[0] / 144.0

    @cached_property
    def y(self) -> np.ndarray:
        """Return the rows' centres, (H, 1), in pixels."""
        return np.arange(self.size[0], dtype=np.float64)[:, None] + 0.5

    @cached_property
    def x(self) -> np.ndarray:
        """Return the columns' centres, (1, W), in pixels."""
        return np.arange(self.size[1], dtype=np.float64)[None, :] + 0.5

    def distance(self, centre: tuple[float, float]) -> np.ndarray:
        """Return each pixel's distance from a point (row, column), (H, W), in pixels."""
        return np.sqrt((self.y - centre[0]) ** 2 + (self.x - centre[1]) ** 2)

    def disc(self, centre: tuple[float, float], radius: float, softness: float = 0.7) -> np.ndarray:
        """Return the cover of a disc, (H, W) in [0, 1], with a soft rim of twice `softness` pixels."""
        return 1.0 - smoothstep(self.distance(centre), radius - softness, radius + softness)

    def noise(self, rng: np.random.Generator, cell: float) -> np.ndarray:
        """Return smooth noise, (H, W), of mean 0 and about unit deviation, whose spots are `cell` units wide.

        Random knots joined by a uniform cubic B-spline.
        """
        step = cell * self.unit
        rows, columns = (int(np.ceil(side / step)) + 4 for side in self.size)
        knots = rng.standard_normal((rows, columns))
        offset = rng.random(2)
        along_y = _spline(knots, self.y[:, 0] / step + offset[0])
        # 0.48: the deviation that the spline leaves of unit knots
        return _spline(along_y.T, self.x[0] / step + offset[1]).T / 0.48

    def cracks(self, rng: np.random.Generator, cell: float, jitter: float) -> np.ndarray:
        """Return the distance to the walls between cells, (H, W), in cells: 0 on a wall, about 0.5 in the middle.

        Cells are the Voronoi regions of a honeycomb's centres, each displaced by at most ``jitter`` / 2 cells.
        """
        step = cell * self.unit
        rows, columns = (int(np.ceil(side / step)) + 4 for side in self.size)
        shift = jitter * (rng.random((rows, columns, 2)) - 0.5)
        v, u = self.y / step, self.x / step
        row, first, second = np.floor(v).astype(int), np.full(self.size, 9.0), np.full(self.size, 9.0)
        for near_row in (row, row + 1, row + 2):
            odd = 0.5 * (near_row % 2)
            column = np.floor(u - odd).astype(int)
            for k in range(-1, 2):
                at = (near_row, np.clip(column + 1 + k, 0, columns - 1))
                dy = v - (near_row - 0.5 + shift[(*at, 0)])
                dx = u - (column + k + 0.5 + odd + shift[(*at, 1)])
                distance = dy * dy + dx * dx
                second = np.minimum(second, np.maximum(first, distance))
                first = np.minimum(first, distance)
        return np.sqrt(second) - np.sqrt(first)


def _spline(knots: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the rows of `knots` (K, M) joined at the P positions by a cubic B-spline: (P, M)."""
    start = np.floor(position).astype(int)
    t = (position - start)[:, None]
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * (t + t**2 - t**3) + 1, t**3)
    return sum(w * knots[start + k] for k, w in enumerate(weights)) / 6.0


def to_pixels(scene: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 from colours of 0 to 255, in steps of `LEVELS`: such pictures compress to a third."""
    return (np.round(np.clip(scene, 0.0, 252.0) / LEVELS) * LEVELS).astype(np.uint8)

"""Where the lesion is: an outline in polar form whose asymmetry, raggedness and extent are those of the rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.datasets.synthetic.canvas import Canvas, smoothstep
from xai_core.datasets.synthetic.rule import Traits

_ANGLES = np.linspace(0.0, 2.0 * np.pi, 1440, endpoint=False)
MARGIN = 5.0


@dataclass(frozen=True)
class Outline:
    """A lesion's place in the picture.

    Attributes
    ----------
    centre : (row, column)
        In pixels.
    depth : (H, W) float64
        Pixels inward from the outline along the ray from the centre; negative outside.
    cover : (H, W) float64
        How much of the skin the lesion hides, 0 to 1; a half on the outline.
    reach : (H, W) float64
        Distance from the centre as a share of the outline's: 0 at the centre, 1 on the outline.
    pixels_per_mm : float
    """

    centre: tuple[float, float]
    depth: np.ndarray
    cover: np.ndarray
    reach: np.ndarray
    pixels_per_mm: float

    @property
    def mask(self) -> np.ndarray:
        """Return the ground-truth region, (H, W) bool: where the lesion hides half of the skin or more."""
        return self.depth >= 0.0


def draw_outline(rng: np.random.Generator, canvas: Canvas, traits: Traits) -> Outline:
    """Return a lesion of these traits, whole within the picture, at least `MARGIN` units from its edge."""
    ragged = _ragged_sectors(rng, traits.border)
    radius = _smooth_shape(rng, traits.asymmetry) + _teeth(rng) * ragged
    zoom = 12.5 * (traits.diameter / 7.0) ** -0.45 * np.exp(0.17 * rng.standard_normal())
    contour = radius[:, None] * np.stack([np.sin(_ANGLES), np.cos(_ANGLES)], axis=1)
    room = np.array(canvas.size) - 2.0 * MARGIN * canvas.unit
    # the scale at which the longest chord is the diameter, or a smaller one where the lesion would not fit
    chord = _longest_chord(contour[::8])
    pixels_per_mm = min(zoom * canvas.unit, float(np.min(room / np.ptp(contour, axis=0))) * chord / traits.diameter)
    scale = traits.diameter * pixels_per_mm / chord
    centre = _place(rng, canvas, contour * scale, room)
    soft = (1.3 + (1.0 - ragged) * rng.uniform(1.6, 4.6)) * canvas.unit
    return _on_grid(rng, canvas, centre, radius * scale, soft, pixels_per_mm)


def _smooth_shape(rng: np.random.Generator, asymmetry: float) -> np.ndarray:
    """Return radii (1440,): an oval, bent by waves of free phase the more the asymmetry is."""
    axis = rng.uniform(0.0, np.pi)
    oval = rng.uniform(0.04, 0.17)
    shape = 1.0 + oval * np.cos(2.0 * (_ANGLES - axis)) + 0.02 * np.cos(4.0 * (_ANGLES - axis))
    for waves, amplitude in ((2, 0.06), (3, 0.13), (4, 0.05), (5, 0.05)):
        phase = rng.uniform(0.0, 2.0 * np.pi)
        shape += asymmetry / 2.0 * amplitude * rng.uniform(0.8, 1.2) * np.cos(waves * (_ANGLES - phase))
    for waves in range(6, 13):
        shape += 0.006 * rng.standard_normal() * np.cos(waves * (_ANGLES - rng.uniform(0.0, 2.0 * np.pi)))
    return shape


def _ragged_sectors(rng: np.random.Generator, border: int) -> np.ndarray:
    """Return (1440,) weights: 1 in as many eighths of the turn as `border` says, neighbours first, 0 elsewhere."""
    start = rng.integers(8)
    flags = np.zeros(8)
    flags[(start + np.arange(border)) % 8] = 1.0
    turn = _ANGLES / (2.0 * np.pi) * 8.0
    within = smoothstep(turn % 1.0, 0.0, 0.2) * (1.0 - smoothstep(turn % 1.0, 0.8, 1.0))
    here = flags[turn.astype(int)]
    both = here * np.where(turn % 1.0 < 0.5, np.roll(flags, 1)[turn.astype(int)], np.roll(flags, -1)[turn.astype(int)])
    return np.maximum(here * within, both)


def _teeth(rng: np.random.Generator) -> np.ndarray:
    """Return (1440,) radial excursions of a ragged border, as a share of the radius: notches, spurs, streaks."""
    teeth = np.zeros(len(_ANGLES))
    for waves in range(6, 30):
        phase = rng.uniform(0.0, 2.0 * np.pi)
        teeth += rng.standard_normal() * (6.0 / waves) ** 0.9 * np.cos(waves * (_ANGLES - phase))
    return 0.034 * teeth


def _longest_chord(contour: np.ndarray) -> float:
    apart = contour[:, None] - contour[None]
    return float(np.sqrt((apart**2).sum(axis=-1)).max())


def _place(rng: np.random.Generator, canvas: Canvas, contour: np.ndarray, room: np.ndarray) -> tuple[float, float]:
    """Return a centre near the picture's middle at which the whole contour keeps the margin."""
    low, high = contour.min(axis=0), contour.max(axis=0)
    wanted = np.array(canvas.size) * (0.5 + 0.09 * rng.standard_normal(2))
    margin = MARGIN * canvas.unit
    row, column = np.clip(wanted, margin - low, margin + room - high)
    return float(row), float(column)


def _on_grid(
    rng: np.random.Generator,
    canvas: Canvas,
    centre: tuple[float, float],
    radius: np.ndarray,
    soft: np.ndarray,
    pixels_per_mm: float,
) -> Outline:
    # a slight warp of the grid: no outline in nature is a curve of a few waves
    y, x = (
        side - at + 0.7 * canvas.unit * canvas.noise(rng, 6.0)
        for side, at in ((canvas.y, centre[0]), (canvas.x, centre[1]))
    )
    angle, distance = np.arctan2(y, x), np.sqrt(y * y + x * x)
    limit, width = (np.interp(angle, _ANGLES, values, period=2.0 * np.pi) for values in (radius, soft))
    depth = limit - distance
    return Outline(centre, depth, smoothstep(depth, -width, width), distance / limit, pixels_per_mm)

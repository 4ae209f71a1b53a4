"""The skin around the lesion, and the light it is seen in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.datasets.synthetic.canvas import Canvas, smoothstep

# RGB of six tones, palest to darkest, as a contact dermatoscope shows them
_TONES = ((236, 206, 196), (228, 188, 170), (210, 163, 136), (178, 128, 100), (138, 94, 70), (98, 66, 52))


@dataclass(frozen=True)
class Light:
    """How bright each pixel is lit, (H, W), and the tint, (3,): both multiply the scene's colours."""

    brightness: np.ndarray
    tint: np.ndarray
    dark_corners: bool


def draw_light(rng: np.random.Generator, canvas: Canvas, lesion: np.ndarray) -> Light:
    """Return a light that falls off outward; in one picture of six the tube of the instrument darkens the corners.

    The tube never reaches the lesion, a (H, W) bool mask.
    """
    height, width = canvas.size
    centre = (height * (0.5 + 0.03 * rng.standard_normal()), width * (0.5 + 0.03 * rng.standard_normal()))
    away = canvas.distance(centre) / canvas.unit
    brightness = 1.0 - rng.uniform(0.0, 0.22) * (away / 120.0) ** 2
    dark_corners = bool(rng.random() < 1.0 / 6.0)
    radius = rng.uniform(92.0, 106.0)
    if dark_corners:
        radius = max(radius, float(away[lesion].max()) + 5.0)
        brightness = brightness * (1.0 - 0.96 * smoothstep(away, radius - 4.0, radius + 2.0))
    tint = 1.0 + np.array([0.01, 0.01, 0.025]) * rng.standard_normal(3)
    return Light(brightness, tint, dark_corners)


def draw_skin(rng: np.random.Generator, canvas: Canvas, tone: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the skin's colour, (3,), and the bare skin, (H, W, 3), both 0 to 255, for a tone of 1 to 6."""
    colour = np.array(_TONES[tone - 1], np.float64) * (
        1.0 + 0.03 * rng.standard_normal() + 0.012 * rng.standard_normal(3)
    )
    shade = 1.0 + 0.02 * canvas.noise(rng, 60.0)
    furrows = 1.0 - smoothstep(canvas.cracks(rng, rng.uniform(6.0, 10.0), 0.9), 0.0, 0.3)
    shade -= rng.uniform(0.0, 0.03) * furrows
    blush = np.clip(canvas.noise(rng, 22.0), 0.0, 2.0) * rng.uniform(0.0, 0.045)
    rgb = colour * shade[..., None] * (1.0 - blush[..., None] * np.array([0.0, 1.0, 0.85]))
    return colour, rgb

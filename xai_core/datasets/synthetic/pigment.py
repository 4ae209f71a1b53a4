"""The lesion's inside: the colours of the rule, each on its share of the area, and the structures on them."""

from __future__ import annotations

import numpy as np

from xai_core.datasets.synthetic.canvas import Canvas, blend, smoothstep
from xai_core.datasets.synthetic.outline import Outline
from xai_core.datasets.synthetic.rule import Traits

# each colour: a factor on the skin's own colour, a pigment's colour, and how far from the first to the second
_PAINTS = {
    "light_brown": ((0.80, 0.64, 0.50), (168, 112, 74), 0.25),
    "dark_brown": ((0.46, 0.34, 0.28), (92, 56, 40), 0.25),
    "black": ((0.16, 0.13, 0.13), (30, 24, 26), 0.6),
    "red": ((0.96, 0.55, 0.52), (178, 90, 82), 0.45),
    "blue_grey": ((0.50, 0.48, 0.55), (96, 108, 134), 0.62),
    "white": ((1.06, 1.08, 1.08), (226, 206, 200), 0.55),
}
# how wide a colour fades into the next, as a share of the lesion's radius
_DIFFUSE = {"black": 0.14, "red": 0.24, "blue_grey": 0.28, "white": 0.18}
STRUCTURES = ("network", "globules", "plain")
_STRUCTURE_SHARES = (0.5, 0.3, 0.2)


def paint_lesion(
    rng: np.random.Generator, canvas: Canvas, outline: Outline, traits: Traits, skin: np.ndarray, tone: np.ndarray
) -> tuple[np.ndarray, str]:
    """Return the skin (H, W, 3) with the lesion on it, and the name of its structure (one of `STRUCTURES`).

    `tone` is the skin's colour, (3,). Asymmetry moves the colours off the centre and roughens the structures.
    """
    strength = rng.uniform(0.82, 1.12)
    colours = {name: _colour(tone, name, strength) for name in traits.colours}
    eccentric = traits.asymmetry / 2.0
    brown, dark = _browns(rng, canvas, outline, colours, eccentric)
    structure = str(rng.choice(STRUCTURES, p=_STRUCTURE_SHARES))
    relief = _relief(rng, canvas, outline, structure, eccentric)
    layer = brown * (1.0 - relief * (0.62 - 0.3 * dark))[..., None]
    taken = np.zeros(canvas.size)
    for name in traits.colours[::-1]:
        if name in ("light_brown", "dark_brown"):
            continue
        weight = _area(rng, canvas, outline, taken, _DIFFUSE[name] * (0.5 + 0.5 * eccentric), eccentric)
        taken += weight
        # veil and scar have no structure of their own; blood and black pigment let some through
        own = colours[name] * (1.0 - (0.35 if name in ("red", "black") else 0.12) * relief)[..., None]
        layer = blend(layer, own, rng.uniform(0.7, 0.95) * weight)
    layer *= (1.0 + 0.05 * canvas.noise(rng, 4.0) + 0.05 * canvas.noise(rng, 11.0))[..., None]
    return blend(skin, layer, 0.96 * outline.cover), structure


def _colour(tone: np.ndarray, name: str, strength: float) -> np.ndarray:
    factor, pigment, share = _PAINTS[name]
    mixed = tone * np.array(factor) * (1.0 - share) + np.array(pigment, np.float64) * share * _lightness(tone)
    return tone + (mixed - tone) * strength


def _lightness(tone: np.ndarray) -> float:
    """Return how light the skin is beside the palest, softened: pigment on dark skin is darker too."""
    return float((tone.mean() / 212.0) ** 0.5)


def _browns(
    rng: np.random.Generator, canvas: Canvas, outline: Outline, colours: dict[str, np.ndarray], eccentric: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the brown ground, (H, W, 3), and the weight of the dark one in it, (H, W)."""
    names = [name for name in ("light_brown", "dark_brown") if name in colours]
    turn = rng.uniform(0.0, 2.0 * np.pi)
    radius = np.sqrt(outline.mask.sum() / np.pi)
    shift = 0.55 * eccentric * radius
    centre = (outline.centre[0] + shift * np.sin(turn), outline.centre[1] + shift * np.cos(turn))
    field = -canvas.distance(centre) / radius * (1.0 - 0.4 * eccentric)
    field += (0.08 + 0.22 * eccentric) * canvas.noise(rng, radius / canvas.unit * 0.55)
    threshold = np.quantile(field[outline.mask], 1.0 - rng.uniform(0.3, 0.6))
    if len(names) == 1:
        dark = np.full(canvas.size, float(names[0] == "dark_brown"))
        shade = 1.0 - 0.12 * smoothstep(field, threshold - 0.5, threshold + 0.5)
        return np.ones((*canvas.size, 3)) * colours[names[0]] * shade[..., None], dark
    dark = smoothstep(field, threshold - 0.22, threshold + 0.22)
    ground = np.ones((*canvas.size, 3)) * colours["light_brown"]
    return blend(ground, np.ones_like(ground) * colours["dark_brown"], dark), dark


def _area(
    rng: np.random.Generator, canvas: Canvas, outline: Outline, taken: np.ndarray, soft: float, eccentric: float
) -> np.ndarray:
    """Return the weight of one further colour, (H, W): a spot of a tenth to a fifth of the lesion.

    The spot lies off the centre the more, the more eccentric (0 to 1) the lesion is.
    """
    free = outline.mask & (taken < 0.5)
    share = rng.uniform(0.1, 0.22)
    rows, columns = np.nonzero(free & (outline.reach < 0.35 + 0.5 * eccentric))
    at = rng.integers(len(rows)) if len(rows) else 0
    centre = (rows[at], columns[at]) if len(rows) else outline.centre
    radius = np.sqrt(outline.mask.sum() / np.pi)
    field = -canvas.distance(centre) / radius
    for cell, amplitude in ((0.45, 0.15), (0.16, 0.09), (0.07, 0.06)):
        field += amplitude * canvas.noise(rng, radius / canvas.unit * cell)
    wanted = min(int(share * outline.mask.sum()), int(free.sum()))
    threshold = np.sort(field[free])[-wanted] if wanted else np.inf
    return smoothstep(field, threshold - soft, threshold + soft) * (1.0 - taken)


def _relief(rng: np.random.Generator, canvas: Canvas, outline: Outline, structure: str, eccentric: float) -> np.ndarray:
    """Return how much darker structures make each pixel, (H, W) in [0, 1]."""
    radius = float(np.sqrt(outline.mask.sum() / np.pi)) / canvas.unit
    fade = smoothstep(canvas.noise(rng, max(radius * 0.5, 6.0)), -1.6, -0.2) ** eccentric
    if structure == "network":
        mesh = rng.uniform(3.8, 5.4) * (1.0 + 0.35 * eccentric)
        walls = canvas.cracks(rng, mesh, 0.45 + 0.5 * eccentric)
        thick = 0.28 + 0.16 * eccentric * canvas.noise(rng, 14.0)
        return fade * 0.6 * (1.0 - smoothstep(walls, 0.0, np.maximum(thick, 0.1) + 0.18))
    if structure == "globules":
        middles = canvas.cracks(rng, rng.uniform(3.8, 5.8) * (1.0 + 0.3 * eccentric), 0.5 + 0.5 * eccentric)
        return fade * 0.8 * smoothstep(middles, 0.42, 0.75)
    return 0.18 * np.clip(1.0 + 0.6 * canvas.noise(rng, 8.0), 0.0, 2.0)

"""What can be measured of the evidence in a picture without any model: where, how much, of which colour and texture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from xai_core.language import artefacts

NEAR = 0.03
"""Share of the picture's longer side that counts as 'at' a border or an edge."""
VOTERS, NAMED = 400, 0.3
"""How many pixels are asked for their colour at most, and the least share of them for a name to be told."""
PART = 0.05
"""Least share of the evidence that makes a part of its own; smaller ones are crumbs."""


@dataclass(frozen=True)
class Measures:
    """Of one piece of evidence, an explanation region that is not empty, in one picture.

    Attributes
    ----------
    area : float
        Share of the picture that it takes, (0, 1].
    parts : int
        Connected parts that hold at least `PART` of it; never 0.
    largest : float
        Share of it that the largest part holds.
    edges : tuple of str
        Edges of the picture that it reaches: left, right, upper, lower.
    colours : str
        What people would call its colours, those of most pixels: ``beige``, ``brown and blue``, ``mixed``.
    colour : (L, a, b)
        Its mean in CIE Lab.
    texture : float
        Mean deviation of lightness from its surroundings of 5 x 5 pixels.
    artefacts : dict of str to float
        By kind the share of it that lies there; empty where none were looked for.
    artefact_areas : dict of str to float
        By kind the share of the picture that it takes.
    patch_colours : str
        Of the coloured patch as far as it lies there; '' where it does not.
    outlined : Outlined or None
        None where there is no region.
    """

    area: float
    parts: int
    largest: float
    edges: tuple[str, ...]
    colours: str
    colour: tuple[float, float, float]
    texture: float
    artefacts: dict[str, float]
    artefact_areas: dict[str, float]
    patch_colours: str
    outlined: Outlined | None


@dataclass(frozen=True)
class Outlined:
    """What can be measured against a region that a person outlined.

    Attributes
    ----------
    region_area : float
        Share of the picture, [0, 1]: what would lie inside by chance. 0 where the region lies outside the picture.
    inside, covered : float
        Share of the evidence inside the region; share of the region that it covers.
    border : float
        Share of the evidence within `NEAR` of the region's border.
    away : float
        Mean distance of the evidence outside the region from it, in longer sides of the picture; 0 for none.
    direction : str
        Where that part lies, seen from the region: ``above and to the left``, ..., or ''.
    colour, rest_colour : (L, a, b)
        Means of the region and of the rest; NaN for nothing.
    texture, rest_texture : float
    """

    region_area: float
    inside: float
    covered: float
    border: float
    away: float
    direction: str
    colour: tuple[float, float, float]
    rest_colour: tuple[float, float, float]
    texture: float
    rest_texture: float


def measure(image: np.ndarray, evidence: np.ndarray, region: np.ndarray | None, *, dermoscopy: bool) -> Measures:
    """Return what can be measured.

    Parameters
    ----------
    image : (H, W, 3) uint8
    evidence : (H, W) bool
        At least one pixel.
    region : (H, W) bool or None
        The outlined object; all False where it lies outside the picture, None where nobody drew one.
    dermoscopy : bool
        Whether to look for the artefacts of such pictures.
    """
    from scipy import ndimage
    from skimage.color import rgb2lab

    lab = rgb2lab(image)
    roughness = _roughness(lab[..., 0])
    labels, _ = ndimage.label(evidence, np.ones((3, 3)))
    sizes = np.sort(np.bincount(labels[evidence]))[::-1] / evidence.sum()
    found = artefacts.find(lab, region) if dermoscopy else {}
    patch = found.get("patch", np.zeros_like(evidence)) & evidence
    return Measures(
        area=float(evidence.mean()),
        parts=max(1, int((sizes >= PART).sum())),
        largest=float(sizes[0]),
        edges=_edges(evidence),
        colours=_colours(lab[evidence]),
        colour=_mean(lab, evidence),
        texture=float(roughness[evidence].mean()),
        artefacts={kind: float(mask[evidence].mean()) for kind, mask in found.items()},
        artefact_areas={kind: float(mask.mean()) for kind, mask in found.items()},
        patch_colours=_colours(lab[patch]) if patch.any() else "",
        outlined=None if region is None else _outlined(lab, roughness, evidence, region),
    )


def colour_name(colour: tuple[float, float, float]) -> str:
    """Return what people call a colour of CIE Lab."""
    lightness, a, b = colour
    chroma, hue = float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a))) % 360
    if lightness < 12 and chroma < 15:
        return "black"
    if chroma < 7:
        return "white" if lightness > 88 else "light grey" if lightness > 65 else "grey" if lightness > 30 else "black"
    if hue >= 340 or hue < 30:
        return _reddish(lightness, chroma)
    if hue < 80:
        return _warm(lightness, chroma, hue)
    if hue < 105:
        return "yellow" if chroma >= 40 else "beige" if lightness > 60 else "olive brown"
    names = ((170, "green"), (220, "turquoise"), (305, "blue"), (340, "purple"))
    name = next(name for end, name in names if hue < end)
    return "bluish grey" if name == "blue" and chroma < 15 else name


def distance(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Return how far two colours of CIE Lab are apart (CIE 1976); NaN where one is of nothing."""
    return float(np.linalg.norm(np.subtract(one, other)))


def _colours(pixels: np.ndarray) -> str:
    """Return the names that most of (N, 3) pixels have: of two kinds of thing the mean is the colour of neither."""
    drawn = pixels[:: len(pixels) // VOTERS + 1]
    votes = Counter(map(colour_name, map(tuple, drawn.tolist()))).most_common(2)
    first, shares = votes[0][0], [count / len(drawn) for _, count in votes]
    if shares[0] >= 2 * NAMED:
        return first
    if len(votes) > 1 and shares[1] >= NAMED:
        return f"{first} and {votes[1][0]}"
    return f"partly {first}" if shares[0] >= NAMED else "mixed"


def _reddish(lightness: float, chroma: float) -> str:
    if lightness < 35:
        return "dark red"
    return "red" if chroma >= 35 else "pink" if lightness > 60 else "reddish brown"


def _warm(lightness: float, chroma: float, hue: float) -> str:
    if chroma >= 55 and lightness > 30:
        return "red" if hue < 50 else "orange" if lightness > 45 else "brown"
    if lightness < 35:
        return "dark brown"
    if lightness < 58:
        return "brown"
    if lightness < 72:
        return "light brown"
    return "pale pink" if hue < 55 else "beige"


def _outlined(lab: np.ndarray, roughness: np.ndarray, evidence: np.ndarray, region: np.ndarray) -> Outlined:
    from scipy import ndimage

    side, both, rest = max(region.shape), evidence & region, ~region
    outside = evidence & ~region
    # distances from nothing would be from the array's edge
    to_region = ndimage.distance_transform_edt(rest) if region.any() else np.full(region.shape, np.nan)
    to_rest = ndimage.distance_transform_edt(region) if rest.any() else np.full(region.shape, np.inf)
    at_border = np.where(region, to_rest, to_region) <= NEAR * side
    return Outlined(
        region_area=float(region.mean()),
        inside=float(both.sum() / evidence.sum()),
        covered=float(both.sum() / max(region.sum(), 1)),
        border=float(at_border[evidence].mean()),
        away=float(to_region[outside].mean() / side) if outside.any() else 0.0,
        direction=_direction(outside, region),
        colour=_mean(lab, region),
        rest_colour=_mean(lab, rest),
        texture=float(roughness[region].mean()) if region.any() else float("nan"),
        rest_texture=float(roughness[rest].mean()) if rest.any() else float("nan"),
    )


def _direction(outside: np.ndarray, region: np.ndarray) -> str:
    """Return where the middle of a part lies, seen from the region: '' where it lies around it or there is none."""
    if not outside.any() or not region.any():
        return ""
    down, right = np.argwhere(outside).mean(0) - np.argwhere(region).mean(0)
    reach = np.sqrt(region.sum() / np.pi) / 2
    words = ["above" if down < -reach else "below" if down > reach else ""]
    words.append("to the left" if right < -reach else "to the right" if right > reach else "")
    return " and ".join(filter(None, words))


def _edges(evidence: np.ndarray) -> tuple[str, ...]:
    lines = {"left": evidence[:, 0], "right": evidence[:, -1], "upper": evidence[0], "lower": evidence[-1]}
    return tuple(name for name, line in lines.items() if line.mean() >= NEAR)


def _roughness(lightness: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    mean, square = (ndimage.uniform_filter(values, 5) for values in (lightness, lightness**2))
    return np.sqrt(np.maximum(square - mean**2, 0))


def _mean(lab: np.ndarray, mask: np.ndarray) -> tuple[float, float, float]:
    if not mask.any():
        return (float("nan"),) * 3
    return tuple(float(value) for value in lab[mask].mean(0))

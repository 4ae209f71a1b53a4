"""From a heatmap to the explanation region: rules that describe themselves, parsed from text, taken in batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xai_core.errors import BadInput
from xai_core.scores.arrays import check_heatmaps, kind_of, like, to_numpy

ROWS = 64  # heatmaps worked on at once: 26 MB of float64 at 224 x 224


@dataclass(frozen=True)
class Parameter:
    """The one number of a rule: what it says, where it may lie, and what it is when nothing is said."""

    name: str
    type: type
    default: float
    low: float
    high: float
    help: str


@dataclass(frozen=True)
class Description:
    """What a rule does, for forms and tables.

    Attributes
    ----------
    title, source, default_for : str
        In words; `default_for` says which explainers use it unless told otherwise.
    parameter : Parameter or None
    needs : tuple of str
        Which arguments of `take` it reads.
    """

    title: str
    source: str
    default_for: str
    parameter: Parameter | None = None
    needs: tuple[str, ...] = ("heatmaps",)


@dataclass(frozen=True)
class Rule:
    """One region rule with its number; ``str(rule)`` is the text that `parse` reads back, and that runs record."""

    name: str
    value: float | int | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value:.12g}"


RULES = {
    "mean_std": Description(
        title="At least the mean plus k standard deviations, after scaling the map to [0, 1]",
        source="Shared Interest (CHI 2022), binarize_std",
        default_for="gradient maps",
        parameter=Parameter("k", float, 1.0, -10.0, 10.0, "standard deviations above the mean"),
    ),
    "half": Description(
        title="At least 0.5, after scaling the map to [0, 1]",
        source="Explanation Alignment",
        default_for="class activation maps",
    ),
    "top_share": Description(
        title="Exactly the given share of the pixels, the highest first, positive ones only",
        source="this project: regions of equal area compare across explainers; no ties can swell it",
        default_for="controls (random map, centre blob, edge map)",
        parameter=Parameter("share", float, 0.1, 0.0001, 1.0, "share of the pixels of the model frame"),
    ),
    "top_segments": Description(
        title="The segments with the largest positive weights",
        source="Shared Interest (VISxAI 2020): get_image_and_mask(positive_only=True, num_features=5) of LIME",
        default_for="LIME",
        parameter=Parameter("count", int, 5, 1, 1000, "segments at most"),
        needs=("segments", "coefficients"),
    ),
}


def parse(text: str) -> Rule:
    """Return the rule that a text such as ``mean_std:1``, ``half``, ``top_share:0.1`` or ``top_segments:5`` names.

    A rule without its number takes the default one. Raises BadInput for an unknown name or a number out of range.
    """
    name, colon, number = str(text).strip().partition(":")
    if name not in RULES:
        raise BadInput(
            where="region rule", expected=f"one of {', '.join(RULES)}", found=repr(text), remedy="choose one of them"
        )
    parameter = RULES[name].parameter
    if parameter is None:
        if colon:
            raise BadInput(where="region rule", expected=f"{name} alone", found=repr(text), remedy="drop the number")
        return Rule(name)
    return Rule(name, _number(parameter, number, text) if colon else parameter.default)


def _number(parameter: Parameter, number: str, text: str) -> float | int:
    try:
        value = parameter.type(number)
    except ValueError:
        value = math.nan
    if not parameter.low <= value <= parameter.high:
        kind = "a whole number" if parameter.type is int else "a number"
        raise BadInput(
            where="region rule",
            expected=f"{parameter.name} as {kind} from {parameter.low:g} to {parameter.high:g}",
            found=repr(text),
            remedy=f"write for example {parameter.default:g} after the colon",
        )
    return value


def take(rule: Rule | str, heatmaps: Any, *, segments: Any = None, coefficients: Any = None) -> Any:
    """Return the explanation regions: (N, H, W) bool, of the kind and on the device of what came in.

    Parameters
    ----------
    rule : Rule or str
    heatmaps : (N, H, W) floating, finite, or None
        In the model frame. ``top_segments`` does not read them.
    segments : (N, H, W) integer, for ``top_segments``
        The number of each pixel's segment, from 0.
    coefficients : (N, S) floating, for ``top_segments``
        Weight of each segment, padded with NaN.

    Returns
    -------
    (N, H, W) bool
        Empty, never everything, where a map is constant: it singles nothing out (the CHI library divides 0 by 0).

    Raises
    ------
    BadInput, TypeError
        For shapes, dtypes or values that do not fit, or where what the rule needs is absent.

    Notes
    -----
    Worked out in numpy, in float64 and row by row, whatever came in: a region is the same on every device and beside
    any other images. Standard deviations are those of the population (ddof 0).
    """
    rule = rule if isinstance(rule, Rule) else parse(rule)
    given = {"heatmaps": heatmaps, "segments": segments, "coefficients": coefficients}
    for name in RULES[rule.name].needs:
        if given[name] is None:
            raise BadInput(where=name, expected=f"what {rule} reads", found="nothing", remedy="pass it or another rule")
    if rule.name == "top_segments":
        return _top_segments(segments, coefficients, int(rule.value))
    check_heatmaps(heatmaps)
    return like(_in_blocks(_FROM_HEATMAPS[rule.name], to_numpy(heatmaps), rule.value), heatmaps)


def _in_blocks(work: Callable, heatmaps: Any, value: float | None) -> Any:
    import numpy as np

    count, height, width = heatmaps.shape
    regions = np.empty((count, height * width), dtype=bool)
    for start in range(0, count, ROWS):
        block = np.ascontiguousarray(heatmaps[start : start + ROWS]).reshape(-1, height * width)
        regions[start : start + ROWS] = work(block.astype(np.float64), value)
    return regions.reshape(count, height, width)


def _scaled(flat: Any) -> tuple[Any, Any]:
    """Return rows scaled to [0, 1], and (N, 1) bool: which of them had anything to scale."""
    low = flat.min(axis=1, keepdims=True)
    span = flat.max(axis=1, keepdims=True) - low
    varied = span > 0
    return (flat - low) / (span + ~varied), varied


def _mean_std(flat: Any, k: float) -> Any:
    scaled, varied = _scaled(flat)
    threshold = scaled.mean(axis=1, keepdims=True) + k * scaled.std(axis=1, keepdims=True)
    return (scaled >= threshold) & varied


def _half(flat: Any, _: None) -> Any:
    scaled, varied = _scaled(flat)
    return (scaled >= 0.5) & varied


def _top_share(flat: Any, share: float) -> Any:
    """Return exactly k = share of the pixels (half rounds up), ties from the top left on, positive ones only.

    ``>=`` a percentile takes every pixel of a map full of ReLU zeros (DESIGN 6.6).
    """
    import numpy as np

    pixels = flat.shape[1]
    k = min(pixels, max(1, math.floor(share * pixels + 0.5)))
    # The k-th largest value by selection, then its ties in order: a stable sort's answer at a fraction of its time.
    edge = np.partition(flat, pixels - k, axis=1)[:, pixels - k, None]
    above, ties = flat > edge, flat == edge
    room = k - above.sum(axis=1, keepdims=True)
    first_ties = ties & (np.cumsum(ties, axis=1, dtype=np.int32) <= room)
    return (above | first_ties) & (flat > 0) & (flat.min(axis=1, keepdims=True) < flat.max(axis=1, keepdims=True))


_FROM_HEATMAPS = {"mean_std": _mean_std, "half": _half, "top_share": _top_share}


def _top_segments(segments: Any, coefficients: Any, count: int) -> Any:
    """Return the union of the first `count` positive segments by weight, as LIME's get_image_and_mask takes them.

    LIME sorts by |weight|, filters the positive ones, then cuts: the order among positive ones is that of their
    weights. Equal weights keep the order of segment numbers; LIME's keep that of a ridge fit which is not stored.
    """
    import numpy as np

    kind_of(segments=segments, coefficients=coefficients)
    numbers, weights = to_numpy(segments), to_numpy(coefficients)
    _check_segments(numbers, weights)
    rows = len(numbers)
    positive = np.where(weights > 0, weights, 0.0)
    order = np.argsort(-positive, axis=1, kind="stable")[:, :count]
    chosen = np.zeros(weights.shape, dtype=bool)
    np.put_along_axis(chosen, order, True, axis=1)
    chosen &= positive > 0
    flat = numbers.reshape(rows, numbers.shape[1] * numbers.shape[2])
    return like(np.take_along_axis(chosen, flat.astype(np.intp), axis=1).reshape(numbers.shape), segments)


def _check_segments(numbers: Any, weights: Any) -> None:
    if numbers.dtype.kind not in "iu" or weights.dtype.kind != "f":
        raise TypeError(f"segments are integer and coefficients floating, not {numbers.dtype} and {weights.dtype}")
    if numbers.ndim != 3 or weights.ndim != 2 or len(numbers) != len(weights) or 0 in numbers.shape[1:]:
        raise BadInput(
            where="segments and coefficients",
            expected="shapes (N, H, W) and (N, S)",
            found=f"{numbers.shape} and {weights.shape}",
            remedy="pass what the explainer gave",
        )
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < weights.shape[1]:
        raise BadInput(
            where="segments",
            expected=f"numbers from 0 to {weights.shape[1] - 1}, one per coefficient",
            found=f"{numbers.min()} to {numbers.max()}",
            remedy="pass the segments that the coefficients belong to",
        )

"""The eight recurring behaviours of Shared Interest (CHI 2022; METHODS 1, table): what a record's scores say.

Each pattern is a *kind* of agreement (aligned, subset, context, dependent) together with a right or a wrong call.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from xai_core.errors import BadInput
from xai_core.scores.arrays import to_numpy

Band = tuple[float, float] | None


@dataclass(frozen=True)
class Pattern:
    """One pattern: its kind, whether the call was right, what it means, and how its records are sorted for viewing."""

    title: str
    kind: str
    correct: bool
    meaning: str
    sort: str
    descending: bool


PATTERNS = {
    "human_aligned": Pattern(
        "Human aligned",
        "aligned",
        True,
        "Right, and the explanation largely coincides with the annotated region.",
        "iou",
        True,
    ),
    "sufficient_subset": Pattern(
        "Sufficient subset",
        "subset",
        True,
        "Right from a part: the explanation lies inside the annotated region and covers little of it.",
        "explanation_coverage",
        True,
    ),
    "sufficient_context": Pattern(
        "Sufficient context",
        "context",
        True,
        "Right although explanation and annotated region hardly overlap: the surroundings were enough.",
        "iou",
        False,
    ),
    "context_dependent": Pattern(
        "Context dependent",
        "dependent",
        True,
        "Right from the annotated region together with its surroundings: much of the explanation lies outside it.",
        "ground_truth_coverage",
        True,
    ),
    "confuser": Pattern(
        "Confuser",
        "aligned",
        False,
        "Wrong although the explanation largely coincides with the annotated region: a look-alike or a doubtful label.",
        "iou",
        True,
    ),
    "insufficient_subset": Pattern(
        "Insufficient subset",
        "subset",
        False,
        "Wrong from a part: the explanation lies inside the annotated region and covers too little of it.",
        "explanation_coverage",
        True,
    ),
    "distracted": Pattern(
        "Distracted",
        "context",
        False,
        "Wrong, and explanation and annotated region hardly overlap: another object or the background was followed.",
        "iou",
        False,
    ),
    "context_confusion": Pattern(
        "Context confusion",
        "dependent",
        False,
        "Wrong from the annotated region together with its surroundings: much of the explanation lies outside it.",
        "ground_truth_coverage",
        True,
    ),
}
KEYS = tuple(PATTERNS)
MEANING = {key: pattern.meaning for key, pattern in PATTERNS.items()} | {
    "unclassified": "The scores lie in none of the bands.",
    "no_explanation": "The explanation region is empty: nothing spoke for the target.",
}
PRECEDENCE = ("aligned", "subset", "dependent", "context")


@dataclass(frozen=True)
class Bands:
    """The intervals of scores, ends included, that make each kind of agreement; None matches nothing.

    Attributes
    ----------
    name : str
        A key of `BANDS`, or ``quantile``.
    aligned_iou, subset_gtc, subset_ec, context_iou, dependent_gtc, dependent_ec : (low, high) or None
        By kind and score: IoU, ground-truth coverage (gtc), explanation coverage (ec).
    """

    name: str
    aligned_iou: Band
    subset_gtc: Band
    subset_ec: Band
    context_iou: Band
    dependent_gtc: Band
    dependent_ec: Band

    def as_dict(self) -> dict:
        """Return the bands as plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


BANDS = {
    # Boxes round vehicles and dogs hold background too, and outlines of lesions do not: hence two presets.
    "objects": Bands("objects", (0.65, 1.0), (0.0, 0.2), (0.65, 1.0), (0.0, 0.2), (0.65, 1.0), (0.0, 0.2)),
    "lesions": Bands("lesions", (0.39, 1.0), (0.0, 0.3), (0.8, 1.0), (0.0, 0.1), (0.2, 1.0), (0.0, 0.55)),
}
QUANTILE = "quantile"


def bands_for(name: str, ec: Any, gtc: Any, iou: Any) -> Bands:
    """Return the preset called `name`, or for ``quantile`` bands from the data's own scores.

    Parameters
    ----------
    name : str
        ``objects``, ``lesions`` (the originals' numbers) or ``quantile``.
    ec, gtc, iou : (N,) float
        Scores of the whole run, NaN where undefined; read for ``quantile`` alone.

    Returns
    -------
    Bands
        ``quantile``: aligned and context are the highest and the lowest quarter of IoU; subset and dependent, where two
        scores must agree, use the highest and the lowest third of each. A score whose upper and lower quantiles
        coincide tells nothing apart, and gets no bands.

    Notes
    -----
    The papers give presets only; quantiles are this project's. They say *of this run*, not *good* or *bad*, and
    whoever shows them says so.
    """
    if name in BANDS:
        return BANDS[name]
    if name != QUANTILE:
        raise BadInput(
            where="bands", expected=f"one of {', '.join([*BANDS, QUANTILE])}", found=repr(name), remedy="choose one"
        )
    ec, gtc, iou = _scores(ec, gtc, iou)
    context, aligned = _tails(iou, 1 / 4)
    (low_gtc, high_gtc), (low_ec, high_ec) = _tails(gtc, 1 / 3), _tails(ec, 1 / 3)
    return Bands(QUANTILE, aligned, low_gtc, high_ec, context, high_gtc, low_ec)


def _tails(values: Any, share: float) -> tuple[Band, Band]:
    import numpy as np

    defined = values[~np.isnan(values)]
    if not len(defined):
        return None, None
    low, high = np.quantile(defined, [share, 1 - share])
    return ((0.0, float(low)), (float(high), 1.0)) if low < high else (None, None)


def assign(ec: Any, gtc: Any, iou: Any, correct: Any, bands: Bands) -> tuple[Any, Any]:
    """Return each record's pattern, and all that its scores match.

    Parameters
    ----------
    ec, gtc, iou : (N,) float
        Scores of `coverage`, NaN where undefined; all three NaN where the sample has no usable annotation.
    correct : (N,) bool, or float with NaN where the label is unknown
        Whether the class called (at the operating point) is the label.
    bands : Bands

    Returns
    -------
    exclusive : (N,) numpy str
        One of `KEYS`, ``unclassified``, ``no_explanation`` (the explanation region is empty), or '' where there is
        no annotation, or no label for an explanation: no pattern applies, and no count has it.
    matches : (N, 8) numpy bool
        In the order of `KEYS`; with the originals' bands subset and dependent lie inside context, so several may hold.

    Notes
    -----
    Where several kinds match, the exclusive one is the first of `PRECEDENCE` (METHODS 1; the papers do not say).
    Scores are compared as they are; the originals' page rounded them to two decimals first. The originals'
    descriptions of subset and dependent swap the two coverages; their numbers, used here, do not.
    """
    import numpy as np

    ec, gtc, iou = _scores(ec, gtc, iou)
    right = to_numpy(correct).astype(np.float64)
    if right.shape != iou.shape:
        raise BadInput(where="correct", expected=f"shape {iou.shape}", found=str(right.shape), remedy="one per record")
    kinds = {
        "aligned": _within(iou, bands.aligned_iou),
        "subset": _within(gtc, bands.subset_gtc) & _within(ec, bands.subset_ec),
        "context": _within(iou, bands.context_iou),
        "dependent": _within(gtc, bands.dependent_gtc) & _within(ec, bands.dependent_ec),
    }
    # `coverage` leaves ground-truth coverage undefined where the annotation is empty, explanation coverage where the
    # explanation is: an empty explanation with an annotation has IoU 0, and must not pass for a distracted one.
    annotated, explained = ~np.isnan(gtc), ~np.isnan(ec)
    applies = annotated & explained & ~np.isnan(right)
    hits = {key: kinds[p.kind] & (right == p.correct) & applies for key, p in PATTERNS.items()}
    exclusive = np.where(applies, "unclassified", "").astype(f"<U{max(map(len, MEANING))}")
    for kind in reversed(PRECEDENCE):
        for key in (key for key in KEYS if PATTERNS[key].kind == kind):
            exclusive[hits[key]] = key
    exclusive[annotated & ~explained] = "no_explanation"
    return exclusive, np.stack([hits[key] for key in KEYS], axis=1)


def _within(values: Any, band: Band) -> Any:
    import numpy as np

    if band is None:
        return np.zeros(len(values), dtype=bool)
    # A comparison with NaN is False: what is undefined is in no band.
    return (values >= band[0]) & (values <= band[1])


def _scores(*scores: Any) -> list[Any]:
    import numpy as np

    arrays = [to_numpy(score).astype(np.float64) for score in scores]
    if len({array.shape for array in arrays}) > 1 or arrays[0].ndim != 1:
        raise BadInput(
            where="ec, gtc and iou",
            expected="one shape (N,)",
            found=", ".join(str(array.shape) for array in arrays),
            remedy="pass one score per record",
        )
    return arrays

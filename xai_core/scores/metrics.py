"""How well a classifier calls: the official ISIC 2016 metrics and their like, with intervals and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xai_core.errors import BadInput
from xai_core.scores import cases, measures, resampling
from xai_core.scores.arrays import to_numpy
from xai_core.scores.cases import Case, called, read_labels, read_probabilities
from xai_core.scores.intervals import percentiles, wilson
from xai_core.scores.measures import BINS, NAMES

__all__ = ["BINS", "NAMES", "by_group", "called", "evaluate", "operating_points", "reliability", "tertiles"]


def evaluate(
    labels: Any,
    probabilities: Any,
    *,
    positive: int | None,
    threshold: float = 0.5,
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, dict]:
    """Return every metric of `NAMES` with its 95 % percentile bootstrap interval.

    Parameters
    ----------
    labels : (N,) int
        Class indices; below 0, NaN or None means unlabelled: left out and counted.
    probabilities : (N, C) float
        C >= 2, in [0, 1], rows summing to 1.
    positive : int or None
        The class that sensitivity speaks of, against all others; None where no class stands out.
    threshold : float
        At which a sample is called positive; not read where `positive` is None.
    seed, resamples : int
        Of the bootstrap.

    Returns
    -------
    dict
        {name: {``value``, ``low``, ``high``, ``n`` (labelled samples), ``left_out`` (unlabelled)}}, all in [0, 1]
        (brier without a positive class: [0, 2]). What cannot be said is None, with a ``reason`` beside it.

    Notes
    -----
    * ``specificity_at_sensitivity_s``: 1 - false-positive rate at the first ROC point with sensitivity >= s, over the
      whole curve (ISIC 2016 scorer; it may have run on scikit-learn's thinned curve, which differs within ties).
    * ``ece``: 15 equally wide bins of the positive probability, or of the top-class confidence where none is positive.
    * ``brier``: mean (p - y)^2, or its sum over classes where none is positive.
    * ``auc`` without a positive class: the mean over classes of one against the rest; every class must be present.
    * With a positive class the bootstrap keeps the numbers of positives and negatives; without one it draws freely,
      for classes of one sample would else never vary. A share of 0 or 1 has an interval of no width: read its n.
    * Values come from scikit-learn where it has them. The same set in another order gives the same numbers.
    """
    case = cases.of(labels, probabilities, positive, threshold)
    reasons = measures.reasons(case)
    values = {name: measures.VALUES[name](case) for name in NAMES if not reasons[name]}
    short = {name: measures.no_interval(name, case, resamples) for name in values}
    drawn = measures.resampled(case, [name for name in values if not short[name]], seed, resamples)
    return {name: _entry(case, values.get(name), reasons[name] or short[name], drawn.get(name)) for name in NAMES}


def _entry(case: Case, value: float | None, reason: str, drawn: Any) -> dict:
    import numpy as np

    entry = {"value": value, "low": None, "high": None, "n": len(case.labels), "left_out": case.left_out}
    if drawn is not None:
        defined = drawn[~np.isnan(drawn)]
        if 2 * len(defined) < len(drawn):
            reason = "undefined in most resamples: no interval"
        else:
            entry["low"], entry["high"] = percentiles(defined)
    return entry | ({"reason": reason} if reason else {})


def operating_points(labels: Any, probabilities: Any) -> dict[str, float | None]:
    """Return the thresholds to choose from: ``0.5``, and ``sensitivity_95``, which reaches sensitivity 0.95.

    Parameters
    ----------
    labels : (N,) int
        1 positive, 0 negative, below 0 or None unlabelled; of *validation* data, never of those reported on.
    probabilities : (N,) float
        Of the positive class.

    Returns
    -------
    dict
        Called positive at >= threshold. ``sensitivity_95`` is the highest that reaches it, put half-way to the next
        lower probability: the calls on these data are the same, and the rounding of another device is less likely to
        turn one. None where no sample is positive.
    """
    import numpy as np

    known = read_labels(labels)
    p = to_numpy(probabilities).astype(np.float64)
    if p.shape != known.shape or known.max(initial=0) > 1:
        raise BadInput(
            where="labels and probabilities",
            expected="0, 1 or unlabelled, and one probability of the positive class each",
            found=f"labels up to {known.max(initial=0)} of shape {known.shape}, probabilities {p.shape}",
            remedy="pass labels == positive and the column of the positive class",
        )
    positives = np.sort(p[known == 1])[::-1]
    if not len(positives):
        return {"0.5": 0.5, "sensitivity_95": None}
    reached = np.arange(1, len(positives) + 1) / len(positives) >= 0.95
    edge = positives[reached.argmax()]
    below = p[(known >= 0) & (p < edge)].max(initial=0.0)
    # Between neighbouring floats half-way may round down to the lower one, which is not to be called positive.
    between = (edge + below) / 2
    return {"0.5": 0.5, "sensitivity_95": float(between if between > below else edge)}


def reliability(labels: Any, probabilities: Any, *, positive: int | None, bins: int = BINS) -> list[dict]:
    """Return the bins of the reliability figure, from low confidence to high; `ece` is made of them.

    Returns
    -------
    list of dict
        ``low``, ``high`` (the bin [low, high), 1 in the last), ``n``, ``confidence`` (mean probability of the positive
        class, or of the top class where none is positive), ``observed`` (share that is positive, or right) and
        ``observed_low``, ``observed_high`` (95 % Wilson interval); None where n is 0.
    """
    case = cases.of(labels, probabilities, positive, 0.5)
    place = resampling.bin_of(case.p, bins)
    figure = []
    for index in range(bins):
        inside = place == index
        n, hits = int(inside.sum()), int(case.event[inside].sum())
        ends = wilson(hits, n) or (None, None)
        row = {"low": index / bins, "high": (index + 1) / bins, "n": n}
        row |= {"confidence": float(case.p[inside].mean()) if n else None, "observed": hits / n if n else None}
        figure.append(row | {"observed_low": ends[0], "observed_high": ends[1]})
    return figure


def by_group(labels: Any, probabilities: Any, groups: Sequence, **settings: Any) -> dict[str, dict]:
    """Return `evaluate` of each group of samples: {group: {name: entry}}, sorted, ``unknown`` last.

    Parameters
    ----------
    groups : sequence of N
        Sex, age band, area tertile ...; None, NaN or '' is ``unknown``.
    **settings
        Of `evaluate`. The threshold is one for all groups.
    """
    import numpy as np

    known = read_labels(labels)
    p = read_probabilities(probabilities)
    if len(groups) != len(known) or len(p) != len(known):
        raise BadInput(
            where="groups", expected=f"{len(known)}, one per sample", found=str(len(groups)), remedy="pass all"
        )
    names = np.array(["unknown" if g is None or g != g or g == "" else str(g) for g in groups], dtype=object)
    order = sorted(set(names), key=lambda name: (name == "unknown", name))
    return {name: evaluate(known[names == name], p[names == name], **settings) for name in order}


def tertiles(values: Any) -> tuple[Any, tuple[float, float] | None]:
    """Return which third of the defined values each lies in, and the two edges: for tables by lesion area.

    Returns
    -------
    groups : (N,) numpy str
        ``small`` (<= first edge), ``middle``, ``large`` (> second edge), '' for NaN.
    edges : (float, float) or None
        The quantiles 1/3 and 2/3; None where nothing is defined.
    """
    import numpy as np

    given = to_numpy(values).astype(np.float64)
    defined = ~np.isnan(given)
    if not defined.any():
        return np.full(len(given), "", dtype="<U6"), None
    first, second = np.quantile(given[defined], [1 / 3, 2 / 3])
    groups = np.select([~defined, given <= first, given <= second], ["", "small", "middle"], "large")
    return groups, (float(first), float(second))

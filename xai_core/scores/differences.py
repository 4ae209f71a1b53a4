"""How much better one classifier calls the same samples than another: paired, with an interval."""

from __future__ import annotations

from typing import Any

from xai_core.errors import BadInput
from xai_core.scores import cases, measures
from xai_core.scores.arrays import to_numpy
from xai_core.scores.intervals import Estimate, percentiles


def difference(
    labels: Any,
    first: Any,
    second: Any,
    name: str,
    *,
    positive: int | None,
    thresholds: tuple[float, float] = (0.5, 0.5),
    seed: int = 0,
    resamples: int = 1000,
) -> Estimate:
    """Return a metric of the first classifier minus that of the second, with its 95 % paired bootstrap interval.

    Parameters
    ----------
    labels : (N,) int
        As in `metrics.evaluate`.
    first, second : (N, C) float
        Probabilities of the same samples in the same order.
    name : str
        One of `metrics.NAMES`.
    positive : int or None
    thresholds : pair of float
        The operating point of each classifier.

    Returns
    -------
    Estimate
        ``value`` is None with a ``reason`` where either has no such metric.

    Notes
    -----
    Every resample draws the same samples for both, so what both get wrong does not widen the interval; as in
    `metrics.evaluate` it keeps the numbers of positives and negatives. The order of the samples decides which are
    drawn: hand them on sorted by their id.
    """
    import numpy as np

    if to_numpy(first).shape != to_numpy(second).shape:
        raise BadInput(
            where="first and second",
            expected="probabilities of the same samples and classes",
            found=f"{to_numpy(first).shape} and {to_numpy(second).shape}",
            remedy="pass pairs",
        )
    pair = [cases.as_given(labels, p, positive, at) for p, at in zip((first, second), thresholds, strict=True)]
    n, left_out = len(pair[0].labels), pair[0].left_out
    if reason := measures.reasons(pair[0])[name]:
        return Estimate(None, None, None, n, left_out, reason)
    value = measures.VALUES[name](pair[0]) - measures.VALUES[name](pair[1])
    if reason := measures.no_interval(name, pair[0], resamples):
        return Estimate(value, None, None, n, left_out, reason)
    # the other curve metrics are made of the points that the AUC asks for
    names = [name] if positive is None else list({"auc", name})
    drawn = np.subtract(*(measures.resampled(case, names, seed, resamples)[name] for case in pair))
    defined = drawn[~np.isnan(drawn)]
    if 2 * len(defined) < len(drawn):
        return Estimate(value, None, None, n, left_out, "undefined in most resamples: no interval")
    return Estimate(value, *percentiles(defined), n, left_out)

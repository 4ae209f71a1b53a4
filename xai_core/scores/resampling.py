"""Metrics of many bootstrap resamples at once, as weights on one set of samples: what `metrics` puts intervals on.

A resample is a row of W: how often each sample was drawn. The tests hold every function against scikit-learn with
``sample_weight``. All are (R, N) float64 in, (R,) float64 out, NaN where a resample leaves the metric undefined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

CELLS = 2_000_000  # weights held at once: 16 MB


def weights(strata: Sequence[Any], *, resamples: int, seed: int) -> Iterator[Any]:
    """Yield blocks (r, N) of weights, `resamples` rows in all; each stratum keeps its number of draws.

    Parameters
    ----------
    strata : sequence of (m,) int arrays
        Positions of the samples of each stratum; together 0 .. N-1.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    total = sum(len(stratum) for stratum in strata)
    rows = max(1, CELLS // total)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        block = np.zeros((count, total))
        for stratum in strata:
            size = len(stratum)
            if size:
                drawn = generator.integers(0, size, size=(count, size)) + size * np.arange(count)[:, None]
                block[:, stratum] = np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size)
        yield block


def share(block: Any, hits: Any, among: Any) -> Any:
    """Return the weighted share of `hits` in `among`, both (N,) bool."""
    return _ratio(block @ (hits & among), block @ among.astype(float))


def average(block: Any, values: Any) -> Any:
    """Return the weighted mean of (N,) `values`."""
    return _ratio(block @ values, block.sum(axis=1))


def mean_recall(block: Any, labels: Any, right: Any) -> Any:
    """Return the mean over classes present in a resample of the share of `right` calls: balanced accuracy.

    Parameters
    ----------
    labels : (N,) int
    right : (N,) bool
    """
    import numpy as np

    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=labels[order[0]] - 1))
    ordered = block[:, order]
    drawn = np.add.reduceat(ordered, starts, axis=1)
    hits = np.add.reduceat(ordered * right[order], starts, axis=1)
    recalls = np.where(drawn > 0, hits / np.maximum(drawn, 1), 0.0)
    return _ratio(recalls.sum(axis=1), (drawn > 0).sum(axis=1))


def calibration_error(block: Any, confidence: Any, right: Any, bins: int) -> Any:
    """Return the expected calibration error: mean over samples of |mean confidence - share right| of their bin."""
    import numpy as np

    member = np.eye(bins)[bin_of(confidence, bins)]
    gaps = block @ (member * (confidence - right)[:, None])
    return _ratio(np.abs(gaps).sum(axis=1), block.sum(axis=1))


def bin_of(confidence: Any, bins: int) -> Any:
    """Return the bin of each confidence among equally wide ones [low, high); 1 is in the last."""
    import numpy as np

    return np.minimum((confidence * bins).astype(int), bins - 1)


def descending(probabilities: Any) -> tuple[Any, Any]:
    """Return the order from the highest probability down, and where in it each run of equal ones ends."""
    import numpy as np

    order = np.argsort(-probabilities, kind="stable")
    return order, np.flatnonzero(np.diff(probabilities[order], append=np.nan) != 0)


def curve(block: Any, positive: Any, order: Any, ends: Any) -> tuple[Any, Any]:
    """Return true and false positives (R, K+1) as the threshold falls through K distinct values, from none on."""
    import numpy as np

    ordered = np.take(block, order, axis=1)
    hits = np.cumsum(ordered * positive[order], axis=1)
    alarms = np.cumsum(ordered, axis=1) - hits
    return tuple(np.pad(np.take(counts, ends, axis=1), ((0, 0), (1, 0))) for counts in (hits, alarms))


def auc(hits: Any, alarms: Any) -> Any:
    """Return the area under the ROC curve by trapezoids, ties counting half."""
    import numpy as np

    area = (np.diff(alarms, axis=1) * (hits[:, 1:] + hits[:, :-1])).sum(axis=1) / 2
    return _ratio(area, hits[:, -1] * alarms[:, -1])


def average_precision(hits: Any, alarms: Any) -> Any:
    """Return the sum of precision times the step in recall: no interpolation."""
    import numpy as np

    precision = hits[:, 1:] / np.maximum(hits + alarms, 1)[:, 1:]
    return _ratio((np.diff(hits, axis=1) * precision).sum(axis=1), hits[:, -1])


def specificity_at(hits: Any, alarms: Any, sensitivity: float) -> Any:
    """Return 1 - false-positive rate at the first point whose sensitivity is reached."""
    import numpy as np

    reached = _ratio(hits, hits[:, -1:]) >= sensitivity
    first = reached.argmax(axis=1)
    rate = _ratio(alarms[np.arange(len(alarms)), first], alarms[:, -1])
    return np.where(reached.any(axis=1), 1 - rate, np.nan)


def _ratio(above: Any, below: Any) -> Any:
    import numpy as np

    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)

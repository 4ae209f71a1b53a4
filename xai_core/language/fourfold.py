"""Four-fold tables, many at once: Fisher's exact test, odds ratios, false-discovery control."""

from __future__ import annotations

import numpy as np

_Z = 1.959963984540054
_SAME = 1e-7


def fisher(both: np.ndarray, first: np.ndarray, second: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return the two-sided p of Fisher's exact test: the probability of all tables as unlikely as this one, or more.

    Parameters
    ----------
    both, first, second, total : (M,) int
        How many have both of two properties, the first, the second; how many there are.

    Returns
    -------
    (M,) float64
    """
    from scipy.special import gammaln

    if not len(both):
        return np.empty(0)
    column = [np.asarray(values, np.int64)[:, None] for values in (both, first, second, total)]
    here, first, second, total = column
    places = np.arange(int(np.minimum(first, second).max()) + 1)
    possible = (places <= np.minimum(first, second)) & (places >= first + second - total)
    inside = np.where(possible, places, here)

    def choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    def log_probability(k: np.ndarray) -> np.ndarray:
        return choose(first, k) + choose(total - first, second - k) - choose(total, second)

    table = log_probability(inside)
    unlikely = possible & (table <= log_probability(here) + _SAME)
    return np.minimum(np.where(unlikely, np.exp(table), 0).sum(axis=1), 1.0)


def odds_ratio(both: int, first: int, second: int, total: int) -> tuple[float, float, float]:
    """Return the odds ratio with its 95 % interval (Woolf 1955); a half is added to each count where one is 0."""
    counts = np.array([both, first - both, second - both, total - first - second + both], float)
    if not counts.all():
        counts += 0.5
    log_ratio = np.log(counts[0] * counts[3] / (counts[1] * counts[2]))
    half = _Z * np.sqrt((1 / counts).sum())
    return tuple(float(np.exp(value)) for value in (log_ratio, log_ratio - half, log_ratio + half))


def chi_squared(both: np.ndarray, first: np.ndarray, second: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return Pearson's statistic of tables of any shape that go together, 0 where a margin is empty."""
    spread = first * second * (total - first) * (total - second)
    difference = both * total - first * second
    return np.divide(total * difference**2, spread, out=np.zeros(np.shape(difference), float), where=spread > 0)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return the adjusted p of each test: the least false-discovery rate at which it would be kept; (M,) float64."""
    p = np.asarray(p, float)
    order = np.argsort(-p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    return adjusted

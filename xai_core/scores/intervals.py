"""Means with bootstrap intervals: what was left out is counted beside them (DESIGN 5, Scores)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from xai_core.errors import BadInput
from xai_core.scores.arrays import to_numpy

LEVEL = 0.95
DRAWS = 2_000_000  # resampled values held at once: 24 MB


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval.

    Attributes
    ----------
    value, low, high : float or None
        The mean and the ends of its interval; None where there is nothing to say: no value at all, and no interval
        from a single value.
    n : int
        Values that entered.
    left_out : int
        Values that were undefined (NaN) and did not.
    reason : str
        Why something is None; '' where nothing is.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    left_out: int = 0
    reason: str = ""

    def as_dict(self) -> dict:
        """Return the fields as plain JSON values."""
        return asdict(self)


def mean(values: Any, *, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Return the mean of the defined values with its 95 % percentile bootstrap interval.

    Parameters
    ----------
    values : (N,) float array, torch tensor or sequence
        NaN marks an undefined one: left out and counted.
    seed : int
        Of the resampling.
    resamples : int

    Returns
    -------
    Estimate

    Notes
    -----
    The values are sorted first, so the same set gives the same interval to the last bit, in whatever order, shard or
    number of parts it comes. Values are taken as independent: where several come from one patient the interval is
    too narrow. Memory stays under 100 MB whatever N is; 50,000 values take about a second.
    """
    import numpy as np

    given = to_numpy(values).astype(np.float64)
    if given.ndim != 1:
        raise BadInput(where="values", expected="shape (N,)", found=str(given.shape), remedy="pass one row of values")
    kept = np.sort(given[~np.isnan(given)])
    left_out = len(given) - len(kept)
    if not len(kept):
        return Estimate(None, None, None, 0, left_out, "no value is defined")
    value = float(kept.mean())
    if len(kept) == 1:
        return Estimate(value, None, None, 1, left_out, "one value alone has no interval")
    low, high = percentiles(_resampled_means(kept, seed, resamples))
    return Estimate(value, low, high, len(kept), left_out)


def paired(values: Any, baseline: Any, *, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Return the mean of the paired differences ``values - baseline`` with its interval: the excess over chance.

    Parameters
    ----------
    values, baseline : (N,) float
        Of the same records in the same order; a pair with an undefined side is left out and counted.
    """
    first, second = to_numpy(values).astype(float), to_numpy(baseline).astype(float)
    if first.shape != second.shape:
        raise BadInput(
            where="values and baseline",
            expected="one shape",
            found=f"{first.shape} and {second.shape}",
            remedy="pass pairs",
        )
    return mean(first - second, seed=seed, resamples=resamples)


def student(values: Any) -> Estimate:
    """Return the mean of a few repeated trainings with its 95 % interval by Student's t (NaN is left out and counted).

    A bootstrap of three values never leaves their range; t knows how little three say. It takes them as normal.
    """
    import numpy as np
    from scipy.stats import t

    given = to_numpy(values).astype(np.float64)
    kept = np.sort(given[~np.isnan(given)])
    left_out = len(given) - len(kept)
    if not len(kept):
        return Estimate(None, None, None, 0, left_out, "no value is defined")
    value = float(kept.mean())
    if len(kept) == 1:
        return Estimate(value, None, None, 1, left_out, "one value alone has no interval")
    half = float(t.ppf(0.5 + LEVEL / 2, len(kept) - 1) * kept.std(ddof=1) / np.sqrt(len(kept)))
    return Estimate(value, value - half, value + half, len(kept), left_out)


def percentiles(resampled: Any) -> tuple[float, float]:
    """Return the ends of the central 95 % of resampled values (linear between order statistics)."""
    import numpy as np

    low, high = np.percentile(resampled, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def wilson(hits: int, n: int) -> tuple[float, float] | None:
    """Return the 95 % Wilson interval of a share of `hits` in `n`, None where n is 0.

    Source: Wilson 1927. Unlike a bootstrap it is not of width 0 at 0 of n and n of n.
    """
    if n == 0:
        return None
    z = 1.959963984540054
    share, room = hits / n, z * z / n
    middle = (share + room / 2) / (1 + room)
    half = z * ((share * (1 - share) + room / 4) / n) ** 0.5 / (1 + room)
    # Rounding leaves 1e-17 at the ends, where the interval closes exactly.
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == n else middle + half)


def _resampled_means(values: Any, seed: int, resamples: int) -> Any:
    import numpy as np

    generator = np.random.default_rng(seed)
    rows = max(1, DRAWS // len(values))
    parts = []
    for start in range(0, resamples, rows):
        drawn = generator.integers(0, len(values), size=(min(rows, resamples - start), len(values)), dtype=np.int32)
        parts.append(values[drawn].mean(axis=1))
    return np.concatenate(parts)

"""How far a judge agrees with people who scored the same pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.language.schema import HIGHEST
from xai_core.scores import intervals

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST = 3
CLOSE = 1


def figures(
    model_scores: Sequence[float],
    human_scores: Sequence[float],
    strata: Sequence[str] | None = None,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> dict:
    """Return how far two rows of scores of the same records agree, as plain JSON values.

    Parameters
    ----------
    model_scores, human_scores : (N,) float
        0 to 5 in whole numbers; a record without one of the two (NaN) is left out and counted.
    strata : (N,) of str, optional
        What the error is told by.
    seed, resamples : int
        Of the bootstrap over records.

    Returns
    -------
    dict
        ``n``, ``left_out``; ``pearson``, ``spearman``, ``kappa`` (quadratic weights, all six scores as categories),
        ``error`` (mean of model - human), ``absolute_error``, ``close`` (share that differs by one at most), each
        with ``value``, ``low``, ``high``, ``n`` and ``reason``; ``strata``: by name ``error`` and ``absolute_error``.
        A value is None, with a reason, where it is undefined.
    """
    model, human = (np.asarray(values, float) for values in (model_scores, human_scores))
    if model.shape != human.shape or model.ndim != 1 or (strata is not None and len(strata) != len(model)):
        raise BadInput(
            where="scores",
            expected="one of each for every record",
            found=f"{model.shape} and {human.shape}",
            remedy="pass pairs in the same order",
        )
    both = ~(np.isnan(model) | np.isnan(human))
    outside = ~np.isin(np.concatenate([model[both], human[both]]), np.arange(HIGHEST + 1))
    if outside.any():
        raise BadInput(where="scores", expected="whole numbers of 0 to 5", found="others", remedy="correct them")
    names = np.asarray(strata if strata is not None else [], object)
    model, human = model[both], human[both]
    error = model - human
    found = {"n": len(model), "left_out": int((~both).sum())}
    found |= {name: _resampled(of, model, human, seed, resamples) for name, of in _STATISTICS.items()}
    found["error"] = _mean(error)
    found["absolute_error"] = _mean(np.abs(error))
    found["close"] = _mean((np.abs(error) <= CLOSE).astype(float))
    groups = sorted({str(name) for name in names})
    inside = {name: (names.astype(str) == name)[both] for name in groups}
    found["strata"] = {
        name: {"error": _mean(error[rows]), "absolute_error": _mean(np.abs(error[rows]))}
        for name, rows in inside.items()
    }
    return found


def pearson(model: np.ndarray, human: np.ndarray) -> float:
    """Return Pearson's correlation, NaN where one of the two is constant."""
    if np.ptp(model) == 0 or np.ptp(human) == 0:
        return float("nan")
    return float(np.corrcoef(model, human)[0, 1])


def spearman(model: np.ndarray, human: np.ndarray) -> float:
    """Return Spearman's correlation, ties at their mean rank; NaN where one of the two is constant."""
    from scipy.stats import rankdata

    return pearson(rankdata(model), rankdata(human))


def kappa(model: np.ndarray, human: np.ndarray) -> float:
    """Return Cohen's kappa with quadratic weights (Cohen 1968); NaN where both are the same constant.

    With these weights it is 1 - mean squared difference / that of the same scores paired at random.
    """
    at_random = model.var() + human.var() + (model.mean() - human.mean()) ** 2
    return float(1 - ((model - human) ** 2).mean() / at_random) if at_random > 0 else float("nan")


_STATISTICS: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "pearson": pearson,
    "spearman": spearman,
    "kappa": kappa,
}


def _resampled(of: Callable, model: np.ndarray, human: np.ndarray, seed: int, resamples: int) -> dict:
    if len(model) < LEAST:
        return intervals.Estimate(None, None, None, len(model), reason=f"fewer than {LEAST} pairs").as_dict()
    value = of(model, human)
    if np.isnan(value):
        return intervals.Estimate(None, None, None, len(model), reason="all scores are the same").as_dict()
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, len(model), (resamples, len(model)))
    drawn = np.array([of(model[each], human[each]) for each in rows])
    low, high = intervals.percentiles(drawn[~np.isnan(drawn)])
    return intervals.Estimate(value, low, high, len(model)).as_dict()


def _mean(values: np.ndarray) -> dict:
    return intervals.mean(values).as_dict()

"""What `mend` found: each strategy's accuracy and pair confusions, and whether the curated set did any good.

Two things are left to chance: the repeats' seeds, and which samples there were to judge on. A difference between two
strategies is claimed only where both the t interval over repeats (paired by seed) and the bootstrap interval over
samples (the same resampled samples for both, the repeats averaged) exclude 0. Wilcoxon's test stands beside them and
decides nothing: with five repeats its smallest p is 0.0625.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xai_core.i2x.strategies import MENDED, STRATEGIES
from xai_core.scores import intervals, resampling

CONTROLS = ("full-full", "random-full")
BEFORE = "before"
RESAMPLES = 2000
MEASURES = {"accuracy": +1, "confusions": -1}  # which way is better
DECIDES = "a difference is claimed where the t interval over repeats and the bootstrap interval over samples exclude 0"
INTERVAL = "95 %, bootstrap over the samples, as many of each class; the repeats averaged"


@dataclass(frozen=True)
class Calls:
    """What the network called each judged sample, before and after each strategy's repeats.

    Attributes
    ----------
    labels : (N,) int64
    pair : (int, int)
    called : dict of str to (R, N) int64
        Of each strategy; of ``before`` with R = 1.
    """

    labels: np.ndarray
    pair: tuple[int, int]
    called: Mapping[str, np.ndarray]

    def each(self, name: str) -> dict[str, np.ndarray]:
        """Return {measure: (R, N) float64}: 1 where a call is right, and where it confuses the pair."""
        called, (a, b) = self.called[name], self.pair
        confused = ((self.labels == a) & (called == b)) | ((self.labels == b) & (called == a))
        return {"accuracy": (called == self.labels).astype(float), "confusions": confused.astype(float)}

    def per_repeat(self, name: str, measure: str) -> np.ndarray:
        """Return (R,) float64: the share that is right, or how many of the pair are confused."""
        return self.counts(name, measure) / self.out_of(measure)

    def counts(self, name: str, measure: str) -> np.ndarray:
        """Return (R,) float64 whole numbers: how many are right, or how many of the pair are confused."""
        return self.each(name)[measure].sum(1)

    def out_of(self, measure: str) -> int:
        """Return what a count is divided by."""
        return len(self.labels) if measure == "accuracy" else 1

    @cached_property
    def resampled(self) -> dict[tuple[str, str], np.ndarray]:
        """Return {(name, measure): (B,) float64 whole numbers}: `counts` over all repeats in each resample.

        The resamples are the same ones for all, as many of each class.
        """
        keys = [(name, measure) for name in self.called for measure in MEASURES]
        values = np.stack([self.each(name)[measure].sum(0) for name, measure in keys], axis=1)
        strata = [np.flatnonzero(self.labels == label) for label in np.unique(self.labels)]
        blocks = resampling.weights(strata, resamples=RESAMPLES, seed=0)
        total = np.concatenate([block @ values for block in blocks])
        return {key: total[:, k] for k, key in enumerate(keys)}

    def scale(self, name: str, measure: str) -> int:
        """Return what `resampled` is divided by for a mean over repeats."""
        return len(self.called[name]) * self.out_of(measure)


def rows(calls: Calls) -> dict[str, dict]:
    """Return for ``before`` and each strategy {measure: {``mean``, ``std``, ``low``, ``high``, ``each`` repeat}}."""
    return {name: {measure: _row(calls, name, measure) for measure in MEASURES} for name in (BEFORE, *STRATEGIES)}


def _row(calls: Calls, name: str, measure: str) -> dict:
    values = calls.per_repeat(name, measure)
    low, high = intervals.percentiles(calls.resampled[name, measure] / calls.scale(name, measure))
    std = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": float(values.mean()), "std": std, "low": low, "high": high, "each": values.tolist()}


def comparisons(calls: Calls) -> list[dict]:
    """Return the paired differences of `MENDED` from each of `CONTROLS`, in each of `MEASURES`."""
    return [_compared(calls, control, measure) for control in CONTROLS for measure in MEASURES]


def _compared(calls: Calls, control: str, measure: str) -> dict:
    first, second = calls.per_repeat(MENDED, measure), calls.per_repeat(control, measure)
    # whole numbers: what rounding leaves between shares would undo ties and equal differences
    apart = calls.counts(MENDED, measure) - calls.counts(control, measure)
    over_repeats = intervals.student(apart / calls.out_of(measure)).as_dict() | _tests(apart)
    moved = calls.resampled[MENDED, measure] - calls.resampled[control, measure]
    low, high = intervals.percentiles(moved / calls.scale(MENDED, measure))
    tails = [(int((moved <= 0).sum()) + 1) / (len(moved) + 1), (int((moved >= 0).sum()) + 1) / (len(moved) + 1)]
    over_samples = {"low": low, "high": high, "p": min(1.0, 2 * min(tails))}
    better = MEASURES[measure] * _sign(over_repeats) if _sign(over_repeats) == _sign(over_samples) else 0
    return {
        "strategy": MENDED,
        "against": control,
        "measure": measure,
        "values": [float(first.mean()), float(second.mean())],
        "difference": float(apart.mean()) / calls.out_of(measure),
        "over_repeats": over_repeats,
        "over_samples": over_samples,
        "found": {1: "gain", -1: "loss", 0: "none"}[better],
    }


def _sign(interval: Mapping) -> int:
    """Return 1 or -1 where an interval lies above or below 0, else 0."""
    if interval["low"] is None:
        return 0
    return int(interval["low"] > 0) - int(interval["high"] < 0)


def _tests(differences: np.ndarray) -> dict[str, float | None]:
    """Return the p values of the paired t test and of Wilcoxon's; None where the differences do not allow one.

    Parameters
    ----------
    differences : (R,) float64
        Whole numbers.
    """
    from scipy import stats

    spread = len(differences) > 1 and differences.std() > 0
    return {
        "p_t": float(stats.ttest_1samp(differences, 0.0).pvalue) if spread else None,
        "p_wilcoxon": float(stats.wilcoxon(differences).pvalue) if differences.any() else None,
    }


def verdict(found: Sequence[Mapping]) -> list[str]:
    """Return what the comparisons say, in sentences: first whether there is a gain, then each with its figures."""
    fewer = {each["against"]: each["found"] for each in found if each["measure"] == "confusions"}
    if all(fewer[control] == "gain" for control in CONTROLS):
        first = f"A gain was seen: {MENDED} confuses the pair less often than {' and than '.join(CONTROLS)}."
    elif "loss" in fewer.values():
        worse = " and than ".join(control for control in CONTROLS if fewer[control] == "loss")
        first = f"No gain was seen but a loss: {MENDED} confuses the pair more often than {worse}."
    elif fewer[CONTROLS[0]] == "gain":
        first = f"No gain from the choice of samples was seen: dropping as many at random does as much ({CONTROLS[1]})."
    else:
        first = f"No gain was seen: {MENDED} does not confuse the pair less often than {_none(fewer)}."
    return [first, *(_sentence(each) for each in found)]


def _none(fewer: Mapping[str, str]) -> str:
    return " or than ".join(control for control in CONTROLS if fewer[control] == "none")


def _sentence(each: Mapping) -> str:
    share = each["measure"] == "accuracy"
    first, second = (_figure(value, share) for value in each["values"])
    what = "accuracy" if share else "pair confusions"
    told = {"gain": "better", "loss": "worse", "none": "no difference is shown"}[each["found"]]
    intervals_ = [f"{_ends(each[k], share)} {text}" for k, text in _INTERVALS.items()]
    unit = " points" if share else ""
    return (
        f"{each['strategy']} against {each['against']}: {what} {first} against {second}, "
        f"{_signed(each['difference'], share)}{unit} ({'; '.join(intervals_)}): {told}."
    )


_INTERVALS = {"over_repeats": "over repeats", "over_samples": "over samples"}


def _ends(interval: Mapping, share: bool) -> str:
    if interval["low"] is None:
        return "no interval"
    return f"{_signed(interval['low'], share)} to {_signed(interval['high'], share)}"


def _figure(value: float, share: bool) -> str:
    return f"{100 * value:.2f} %" if share else f"{value:.1f}"


def _signed(value: float, share: bool) -> str:
    return f"{100 * value:+.2f}" if share else f"{value:+.1f}"


def as_csv(found: Mapping[str, Mapping]) -> str:
    """Return `rows` as CSV: for each measure mean, std over repeats and the ends of the interval."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    parts = ("mean", "std", "low", "high")
    table.writerow(["strategy", "repeats", *(f"{measure} {part}" for measure in MEASURES for part in parts)])
    for name, row in found.items():
        cells = ["" if row[m][part] is None else row[m][part] for m in MEASURES for part in parts]
        table.writerow([name, len(row["accuracy"]["each"]), *cells])
    return file.getvalue()

"""What every rule of a policy is made of: the runs it looks at, how it is decided, and the items that broke it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xai_core.release.policy import ALL_STRATA, ExplanationRule
from xai_core.release.review_set import ReviewSet
from xai_core.runs import Run
from xai_core.runs.tables import table_of
from xai_core.scores import intervals
from xai_core.scores.intervals import Estimate

if TYPE_CHECKING:
    import pandas as pd

METRIC, EXPLANATION = "metric", "explanation"
ROUNDING = 1e-9  # what sums in another order may differ by
EMPTY = "empty_explanation"
NO_ITEM = "review set: it holds no item"
NO_BASELINE = "no baseline was named, and the policy compares with one"


@dataclass(frozen=True)
class Outcome:
    """What became of one rule.

    Attributes
    ----------
    name : str
    kind : str
        ``metric`` or ``explanation``.
    passed : bool or None
        None where a piece is missing: the rule is not decided.
    figure, low, high : float or None
        The value and its 95 % interval.
    n : int
        Records, items or pairs that entered.
    threshold : float or None
        What the figure, or the end of the interval that decides, has to reach.
    at_most : bool
        Whether it must not exceed the threshold; else it must not lie below.
    decides : str
        ``point`` or ``bound``.
    items : tuple of str
        Ids of the review set that broke the rule, the worst first; empty where it passed.
    message : str
        One line: why it failed or is not decided, or what to know of it; '' where the numbers say all.
    """

    name: str
    kind: str
    passed: bool | None
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    threshold: float | None = None
    at_most: bool = False
    decides: str = "point"
    items: tuple[str, ...] = ()
    message: str = ""

    def as_dict(self) -> dict:
        """Return the fields as plain JSON values."""
        return asdict(self) | {"items": list(self.items)}


@dataclass(frozen=True)
class Side:
    """A run as the rules see it.

    Attributes
    ----------
    role : str
        ``candidate`` or ``baseline``.
    run : Run or None
        None where there is none that can be read.
    missing : tuple of str
        A line for each thing that is wrong with it; without a run the first says why.
    """

    role: str
    run: Run | None
    missing: tuple[str, ...] = ()

    @property
    def gone(self) -> str:
        """Return why there is no run, '' where there is one."""
        return self.missing[0] if self.run is None else ""

    @cached_property
    def table(self) -> pd.DataFrame:
        """Return records and scores by sample id, in record order."""
        return table_of(self.run).set_index("sample_id")

    def excess(self, ids: Sequence[str], rule: ExplanationRule) -> np.ndarray:
        """Return (N,) a score minus its chance level; NaN where undefined or absent."""
        if self.gone:
            return np.full(len(ids), np.nan)
        columns = [rule.score, f"chance_{rule.excess_over}_{rule.score}"]
        score, chance = self.table[columns].reindex(ids).to_numpy(float).T
        return score - chance

    def empty(self, ids: Sequence[str]) -> np.ndarray:
        """Return (N,) whether the explanation was computed and is empty."""
        if self.gone:
            return np.zeros(len(ids), bool)
        return (self.table["explanation_coverage_undefined"].reindex(ids) == EMPTY).to_numpy()

    def absent(self, ids: Sequence[str]) -> str:
        """Return which items the run does not hold, '' where it holds all."""
        if self.gone:
            return self.gone
        lost = [i for i in ids if i not in self.table.index]
        return f"{self.role}: {len(lost)} of {len(ids)} items are not in the run, {lost[0]} the first" if lost else ""

    def uncomputed(self, ids: Sequence[str], rule: ExplanationRule) -> str:
        """Return why the rule's score cannot be had on some items, '' where it can: an empty explanation is a score."""
        if self.gone:
            return self.gone
        lost = np.isnan(self.excess(ids, rule)) & ~self.empty(ids)
        if not lost.any():
            return ""
        first = ids[int(lost.argmax())]
        return (
            f"{self.role}: no {rule.score} above {rule.excess_over} chance on {lost.sum()} of {len(ids)} items, "
            f"{first} the first"
        )


def decide(estimate: Estimate, threshold: float, decides: str, *, at_most: bool = False) -> bool | None:
    """Return whether the point or the unfavourable end of the interval keeps the threshold; None without either."""
    value = estimate.value if decides == "point" else (estimate.high if at_most else estimate.low)
    if value is None:
        return None
    return value <= threshold + ROUNDING if at_most else value >= threshold - ROUNDING


def outcome(
    name: str, kind: str, estimate: Estimate, threshold: float, decides: str, *, at_most: bool = False
) -> Outcome:
    """Return a rule decided by an estimate, as yet without items."""
    passed = decide(estimate, threshold, decides, at_most=at_most)
    return Outcome(
        name,
        kind,
        passed,
        estimate.value,
        estimate.low,
        estimate.high,
        estimate.n,
        threshold,
        at_most,
        decides,
        message=estimate.reason if passed is None else _left_out(kind, estimate.left_out),
    )


def _left_out(kind: str, number: int) -> str:
    what = "unlabelled records" if kind == METRIC else "items with an empty explanation"
    return f"{what} that did not enter: {number}" if number else ""


def chosen(review_set: ReviewSet, strata: Sequence[str], label: str | None = None) -> list[str]:
    """Return the ids of the items in some strata, of one class where it is named."""
    return [item.sample_id for item in review_set.items if item.stratum in strata and label in (None, item.label)]


def classes_of(review_set: ReviewSet) -> list[str]:
    """Return the classes of the items, sorted."""
    return sorted({item.label for item in review_set.items})


def share(hits: np.ndarray) -> Estimate:
    """Return the share of hits with its 95 % Wilson interval."""
    if not len(hits):
        return Estimate(None, None, None, 0, 0, "no item")
    return Estimate(float(hits.mean()), *intervals.wilson(int(hits.sum()), len(hits)), len(hits))


def closed(found: Outcome, missing: str, ids: Sequence[str], values: np.ndarray, least: float) -> Outcome:
    """Return an outcome with its items: undecided where a piece is missing, failed where every score is undefined."""
    if missing:
        return replace(found, passed=None, message=missing)
    if found.passed is None and found.n == 0:
        found = replace(found, passed=False, message="every explanation is empty")
    if found.passed is not False:
        return found
    broke = ~(values >= least - ROUNDING)
    order = np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")
    return replace(found, items=tuple(ids[k] for k in order if broke[k]))


def missing_of(
    ids: Sequence[str], uncomputed: str, strata: Sequence[str] = ALL_STRATA, label: str | None = None
) -> str:
    """Return which piece a rule over these items lacks: the items themselves, else what could not be computed."""
    return uncomputed if ids else NO_ITEM + of_items(strata, label)


def of_items(strata: Sequence[str], label: str | None = None) -> str:
    """Return what a rule's name adds where it looks at some strata, or at one class, only."""
    some = [label] if label is not None else []
    some += [] if set(strata) == set(ALL_STRATA) else strata
    return f" ({', '.join(some)})" if some else ""

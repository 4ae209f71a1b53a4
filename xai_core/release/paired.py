"""Several runs on the samples they share, side by side, and what is paired between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.runs import Run
from xai_core.runs.tables import positive_of, table_of, threshold_of
from xai_core.scores import cases, intervals, measures

if TYPE_CHECKING:
    import pandas as pd

ROUNDING = 1e-5
"""What one classifier's answers may differ by between batch shapes and threads: a difference within it is none."""


@dataclass(frozen=True)
class Candidate:
    """A run on the samples that all candidates share.

    Attributes
    ----------
    name : str
    run : Run
    threshold : float or None
        Its operating point.
    table : DataFrame
        As `runs.tables.table_of` gives it, the shared samples sorted by id: row k is the same sample in every
        candidate.
    probabilities : (N, C) float32
    left_out : int
        Records of the run that are not shared.
    """

    name: str
    run: Run
    threshold: float | None
    table: pd.DataFrame = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    left_out: int = 0

    @property
    def ids(self) -> np.ndarray:
        """Return the ids of the shared samples: (N,) str."""
        return self.table["sample_id"].to_numpy(str)

    @cached_property
    def answered(self) -> np.ndarray:
        """Return which samples have a label and an answer: (N,) bool."""
        return self.table["correct"].notna().to_numpy()

    @cached_property
    def right(self) -> np.ndarray:
        """Return which samples are called right: (N,) bool, False where that is unknown."""
        return self.table["correct"].fillna(False).to_numpy(bool)

    def excess(self, score: str) -> np.ndarray:
        """Return (N,) float64: a score less what a random place would give; NaN where undefined."""
        return (self.table[score] - self.table[f"chance_random_{score}"]).to_numpy(float)

    def own_probability(self) -> np.ndarray:
        """Return (N,) float64: the probability of each sample's label; NaN without label or answer."""
        labels = self.table["label_index"].to_numpy()
        own = np.take_along_axis(self.probabilities.astype(float), np.maximum(labels, 0)[:, None], axis=1)[:, 0]
        return np.where(labels >= 0, own, np.nan)


def side_by_side(
    runs: Sequence[Run],
    names: Sequence[str] | None = None,
    *,
    rule: str | None = None,
    thresholds: Sequence[float | None] | None = None,
) -> list[Candidate]:
    """Return the runs on the samples that all of them have, by id and by the bytes of the image.

    Parameters
    ----------
    names : sequence of str, optional
        One for each run, all different; of the classifiers by default.
    rule : str, optional
        Region rule for all; each explainer's own by default.
    thresholds : sequence of float or None, optional
        One for each run; None for the run's own.

    Raises
    ------
    BadInput
        Where there are fewer than two runs, they share no sample, disagree on a label, on the classes or on the
        positive one, or explain different targets: what their explanations answer is then not the same question.
    """
    names = list(names or names_of(runs))
    if len(runs) < 2 or len(set(names)) < len(runs):
        raise _bad("runs", "two or more, each of its own name", ", ".join(names) or "none", "name others")
    for key, what in (("class_names", "classes"), ("positive", "positive class"), ("target", "explained class")):
        values = [run.settings[key] for run in runs]
        if any(value != values[0] for value in values):
            raise _bad(what, "the same in all runs", f"{values}", "compare runs that answer the same question")
    tables = []
    for run, threshold in zip(runs, thresholds or [None] * len(runs), strict=True):
        table = table_of(run, rule, threshold)
        tables.append(table.set_index(["sample_id", "image_hash"], drop=False))
    keys = tables[0].index
    for table in tables[1:]:
        keys = keys.intersection(table.index)
    keys = keys[keys.get_level_values("image_hash") != ""].sort_values()
    if not len(keys):
        raise _bad(runs[0].folder, "samples that all runs share", "none", "compare runs over the same data")
    found = []
    for name, run, table, at in zip(names, runs, tables, thresholds or [None] * len(runs), strict=True):
        places = table.index.get_indexer(keys)
        shared = table.iloc[places].reset_index(drop=True)
        candidate = Candidate(
            name, run, threshold_of(run, at), shared, run.probabilities()[places], len(table) - len(keys)
        )
        found.append(candidate)
        if (shared["label_index"] != found[0].table["label_index"]).any():
            raise _bad(run.folder, f"the labels of {runs[0].folder}", "others", "explain the same data with both")
    return found


def names_of(runs: Sequence[Run]) -> list[str]:
    """Return a name for each run, all different: of its classifier, and what else it takes to tell them apart."""
    classifiers = [run.settings["classifier"].partition("?")[0].rstrip("/").rpartition("/")[2] for run in runs]
    methods = [f"{name}, {run.settings['method']}" for name, run in zip(classifiers, runs, strict=True)]
    places = ["/".join(run.folder.parts[-2:]) for run in runs]
    folders = [str(run.folder) for run in runs]
    numbered = [f"{folder} ({k + 1})" for k, folder in enumerate(folders)]
    proposals = (classifiers if all(classifiers) else places, methods, places, folders, numbered)
    return next(names for names in proposals if len(set(names)) == len(names))


def metric_differences(before: Candidate, now: Candidate, *, seed: int = 0, resamples: int = 1000) -> dict[str, dict]:
    """Return for each metric of `scores.metrics` the paired difference now - before with its 95 % interval.

    Each resample takes the same samples for both, as many of each class as there are (of all together where no class
    is positive), like `metrics.evaluate` does for one.

    Returns
    -------
    dict
        {name: {``difference``, ``low``, ``high``, ``n``, ``excludes_zero``}}; None with a ``reason`` where it cannot
        be said.
    """
    both = before.answered & now.answered
    return case_differences(_case(before, both), _case(now, both), seed=seed, resamples=resamples)


def case_differences(first: cases.Case, second: cases.Case, *, seed: int = 0, resamples: int = 1000) -> dict[str, dict]:
    """Return as `metric_differences` does, of two sets of answers to the same labelled samples in the same order."""
    reasons, n = measures.reasons(first), len(first.labels)
    names = [name for name, reason in reasons.items() if not reason]
    short = {name: measures.no_interval(name, first, resamples) for name in names}
    drawn = [
        measures.resampled(case, [name for name in names if not short[name]], seed, resamples)
        for case in (first, second)
    ]
    entries = {}
    for name, reason in reasons.items():
        if reason:
            entries[name] = _entry(None, None, n, reason)
            continue
        difference = measures.VALUES[name](second) - measures.VALUES[name](first)
        spread = None if short[name] else drawn[1][name] - drawn[0][name]
        entries[name] = _entry(difference, spread, n, short[name])
    return entries


def difference(before: np.ndarray, now: np.ndarray, *, seed: int = 0) -> dict:
    """Return the mean of now - before with its 95 % interval, as `metric_differences` does; undefined pairs counted."""
    found = intervals.paired(now, before, seed=seed)
    entry = {"difference": found.value, "low": found.low, "high": found.high, "n": found.n}
    entry |= {"excludes_zero": _excludes_zero(found.low, found.high), "left_out": found.left_out}
    return entry | ({"reason": found.reason} if found.reason else {})


def _case(candidate: Candidate, both: np.ndarray) -> cases.Case:
    labels = candidate.table["label_index"].to_numpy()[both]
    at = 0.5 if candidate.threshold is None else candidate.threshold
    return cases.as_given(labels, candidate.probabilities[both], positive_of(candidate.run), at)


def _entry(value: float | None, spread: np.ndarray | None, n: int, reason: str) -> dict:
    low = high = None
    if spread is not None:
        defined = spread[~np.isnan(spread)]
        if 2 * len(defined) < len(spread):
            reason = "undefined in most resamples: no interval"
        else:
            low, high = intervals.percentiles(defined)
    entry = {"difference": value, "low": low, "high": high, "n": n, "excludes_zero": _excludes_zero(low, high)}
    return entry | ({"reason": reason} if reason else {})


def _excludes_zero(low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and (low > ROUNDING or high < -ROUNDING)


def _bad(where: object, expected: str, found: str, remedy: str) -> BadInput:
    return BadInput(where=where, expected=expected, found=found, remedy=remedy)

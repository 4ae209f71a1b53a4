"""What the linked views show of a selection: histogram counts, chance levels, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.review.queries import Among, Condition, Range, Selection
from xai_core.review.records import RIGHT, UNKNOWN, WRONG, Records, once
from xai_core.runs.scoring import CHANCES
from xai_core.scores.arrays import SCORE_NAMES

if TYPE_CHECKING:
    import pandas as pd

MOST_CATEGORIES = 12
BINS = 20


@dataclass(frozen=True)
class Bins:
    """How a column is cut for a histogram: edges of a number's bins, or its categories.

    Attributes
    ----------
    edges : tuple of float
        n + 1 edges, each bin [low, high), the last one closed; () for categories.
    categories : tuple
        n values; () for numbers.
    """

    edges: tuple[float, ...] = ()
    categories: tuple = ()

    def __len__(self) -> int:
        return len(self.categories) or len(self.edges) - 1

    def condition(self, first: int, last: int) -> Condition:
        """Return what a record of the bins `first` to `last`, both included, meets."""
        if self.categories:
            return Among(self.categories[first : last + 1])
        return Range(self.edges[first], self.edges[last + 1], closed=last + 2 == len(self.edges))

    def selected(self, condition: Condition | None) -> tuple[int, int] | None:
        """Return the first and last bin that a condition touches, None for no condition."""
        if condition is None or (self.categories and not isinstance(condition, Among)):
            return None
        if isinstance(condition, Among):
            places = [place for place, value in enumerate(self.categories) if value in condition.values]
            return (min(places), max(places)) if places else None
        tiny = 1e-9 * (self.edges[-1] - self.edges[0])
        first = int(np.searchsorted(self.edges, condition.low + tiny, side="right")) - 1
        last = int(np.searchsorted(self.edges, condition.high - tiny, side="left")) - 1
        top = len(self) - 1
        return min(max(first, 0), top), min(max(last, first, 0), top)

    def place(self, value: float) -> float:
        """Return where a number lies in units of bins, 0 to n."""
        low, high = self.edges[0], self.edges[-1]
        return float(np.clip((value - low) / (high - low) * len(self), 0, len(self)))


@once
def bins_of(records: Records, column: str) -> Bins:
    """Return the bins of a column: the unit interval in twentieths for scores and probabilities, else by its values."""
    import pandas as pd

    values = records.table[column]
    if isinstance(values.dtype, pd.CategoricalDtype) or values.dtype == bool or values.dtype == "boolean":
        return Bins(categories=tuple(sorted(values.dropna().unique(), key=str)))
    numbers = records.rank(column)
    defined = numbers[~np.isnan(numbers)]
    distinct = np.unique(defined)
    if column not in SCORE_NAMES and len(distinct) <= MOST_CATEGORIES and np.all(distinct == np.round(distinct)):
        return Bins(categories=tuple(values.dropna().sort_values().unique().tolist()))
    if not len(defined) or (defined.min() >= 0 and defined.max() <= 1):
        return Bins(edges=tuple((np.arange(BINS + 1) / BINS).tolist()))
    return Bins(edges=_round_edges(float(defined.min()), float(defined.max())))


def counts(records: Records, column: str, bins: Bins, passing: np.ndarray) -> dict[str, list[int]]:
    """Return by bin how many records there are: ``all``, and of those that pass ``right``, ``wrong``, ``unknown``."""
    place = _places(records, column, bins)
    tallies = {"all": np.bincount(place[place >= 0], minlength=len(bins)).tolist()}
    for name in (RIGHT, WRONG, UNKNOWN):
        chosen = place[(place >= 0) & passing & _has_outcome(records, name)]
        tallies[name] = np.bincount(chosen, minlength=len(bins)).tolist()
    return tallies


def undefined(records: Records, column: str, passing: np.ndarray) -> int:
    """Return how many of the records that pass have no value in a column."""
    return int((_is_undefined(records, column) & passing).sum())


def levels(records: Records, score: str, passing: np.ndarray) -> dict[str, float]:
    """Return the mean chance levels of a score over the records that pass and have it, by name; {} where none has."""
    has = passing & ~np.isnan(records.rank(score))
    columns = {name: records.rank(f"chance_{name}_{score}")[has] for name in CHANCES}
    return {name: float(np.nanmean(values)) for name, values in columns.items() if (~np.isnan(values)).any()}


@dataclass(frozen=True)
class Matrix:
    """Labels by what the classifier called them.

    Attributes
    ----------
    labels, called : tuple of str
        Names of rows and columns.
    count : (R, C) int
    mean : (R, C) float
        Of the score; NaN where no record of the cell has it.
    left_out : int
        Records that pass and lie in no cell: classes not shown, no label, or no answer.
    """

    labels: tuple[str, ...]
    called: tuple[str, ...]
    count: np.ndarray
    mean: np.ndarray
    left_out: int


def matrix(selection: Selection, score: str, *, most: int = 10) -> Matrix:
    """Return the confusion matrix of the records that pass all conditions but those on label and call.

    With more than ten classes it shows, as the source article did, the `most` labels with most errors and the `most`
    calls those are mistaken for; where nothing is wrong, the most frequent labels.
    """
    records = selection.records
    passing = selection.passing(without=("label", "called"))
    table = records.table.loc[passing, ["label", "called", "outcome"]]
    values = records.rank(score)[passing]
    names = _shown(records.run.settings["class_names"], table, most)
    label, called = _codes(table["label"], names), _codes(table["called"], names)
    inside = (label >= 0) & (called >= 0)
    cell = label[inside] * len(names) + called[inside]
    shape = (len(names), len(names))
    count = np.bincount(cell, minlength=len(names) ** 2).reshape(shape)
    defined = ~np.isnan(values[inside])
    total = np.bincount(cell[defined], values[inside][defined], minlength=len(names) ** 2).reshape(shape)
    having = np.bincount(cell[defined], minlength=len(names) ** 2).reshape(shape)
    mean = np.where(having > 0, total / np.maximum(having, 1), np.nan)
    return Matrix(tuple(names), tuple(names), count, mean, int((~inside).sum()))


def _shown(class_names: Sequence[str], table, most: int) -> list[str]:
    if len(class_names) <= 10:
        return list(class_names)
    wrong = table[table["outcome"] == WRONG]
    labels = _frequent(wrong["label"] if len(wrong) else table["label"], most)
    called = _frequent(wrong.loc[wrong["label"].isin(labels), "called"], most)
    return sorted({*labels, *called}, key=list(class_names).index)


def _frequent(values, most: int) -> list[str]:
    tally = values.dropna().astype(str).value_counts()
    return sorted(tally.index, key=lambda name: (-tally[name], name))[:most]


@once
def _has_outcome(records: Records, outcome: str) -> np.ndarray:
    return (records.table["outcome"] == outcome).to_numpy()


@once
def _is_undefined(records: Records, column: str) -> np.ndarray:
    return records.table[column].isna().to_numpy()


@once
def _places(records: Records, column: str, bins: Bins) -> np.ndarray:
    """Return the bin of each record, -1 for none: (N,) int."""
    if bins.categories:
        return _codes(records.table[column], bins.categories)
    values = records.rank(column)
    edges = np.array(bins.edges)
    place = np.searchsorted(edges, values, side="right") - 1
    place[values == edges[-1]] = len(bins) - 1
    return np.where((place < 0) | (place >= len(bins)) | np.isnan(values), -1, place)


def _codes(values: pd.Series, names: Sequence) -> np.ndarray:
    """Return the place of each value among `names`, -1 for none: (N,) int; quick for categories."""
    import pandas as pd

    index = pd.Index(list(names))
    if isinstance(values.dtype, pd.CategoricalDtype):
        return np.append(index.get_indexer(values.cat.categories), -1)[values.cat.codes.to_numpy()]
    return index.get_indexer(values)


def _round_edges(low: float, high: float) -> tuple[float, ...]:
    """Return at most about twenty edges at multiples of a round step that hold `low` to `high`."""
    rough = (high - low) / BINS or 1.0
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = np.floor(low / step), np.ceil(high / step)
    return tuple((np.arange(first, max(last, first + 1) + 1) * step).round(10).tolist())

"""Which records pass, and in which order: conditions on columns, each view linked to every other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from xai_core.review.records import Records

VERDICT = "verdict"
UNREVIEWED = "not reviewed"


@dataclass(frozen=True)
class Range:
    """Values from `low` to under `high`, or to `high` included where `closed`; undefined values never pass."""

    low: float
    high: float
    closed: bool = False


@dataclass(frozen=True)
class Among:
    """Values that are one of these; a missing value never passes."""

    values: tuple


Condition = Range | Among


@dataclass(frozen=True)
class Query:
    """Conditions by column, all of which must hold, and the order of what passes.

    Attributes
    ----------
    conditions : mapping of str to Range or Among
    sort : str
        A column; ties keep data set order, undefined values come last either way.
    descending : bool
    """

    conditions: Mapping[str, Condition] = field(default_factory=dict)
    sort: str = "explanation_coverage"
    descending: bool = False


class Selection:
    """The records that pass a query, and those that pass all of it but some columns.

    Parameters
    ----------
    records : Records
    query : Query
    verdicts : mapping of sample id to verdict key
        What ``verdict`` filters and sorts by; a record without one is ``not reviewed``.
    """

    def __init__(self, records: Records, query: Query, verdicts: Mapping[str, str] | None = None) -> None:
        self.records, self.query = records, query
        self._verdicts = verdicts or {}
        self._masks = {column: self._mask(column, condition) for column, condition in query.conditions.items()}

    def passing(self, without: Collection[str] = ()) -> np.ndarray:
        """Return (N,) bool: records that meet every condition, those on the columns `without` left aside."""
        passes = np.ones(len(self.records), bool)
        for column, mask in self._masks.items():
            if column not in without:
                passes &= mask
        return passes

    def order(self) -> np.ndarray:
        """Return the positions of the passing records in the query's order: (n,) int."""
        positions = np.flatnonzero(self.passing())
        if self.query.sort == VERDICT:
            keys = self._verdict_column()[positions].astype(str)
            keys = np.unique(keys, return_inverse=True)[1].astype(float)
        else:
            keys = self.records.rank(self.query.sort)[positions]
        return positions[np.argsort(-keys if self.query.descending else keys, kind="stable")]

    def _mask(self, column: str, condition: Condition) -> np.ndarray:
        if isinstance(condition, Range):
            values = self.records.rank(column)
            below = values <= condition.high if condition.closed else values < condition.high
            return (values >= condition.low) & below
        if column == VERDICT:
            return np.isin(self._verdict_column(), list(condition.values))
        return self.records.table[column].isin(condition.values).to_numpy()

    def _verdict_column(self) -> np.ndarray:
        column = np.full(len(self.records), UNREVIEWED, object)
        known = {self.records.position(sample_id): verdict for sample_id, verdict in self._verdicts.items()}
        for position, verdict in known.items():
            if position is not None and verdict:
                column[position] = verdict
        return column

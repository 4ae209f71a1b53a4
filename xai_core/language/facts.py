"""What can be said of a record besides its description: yes, no or unknown, for each of many facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.language.matrix import CELLS
from xai_core.review.words import title_of, value_of

if TYPE_CHECKING:
    import pandas as pd

MOST_VALUES = 12
SAME = 0.9
"""Share of records from which on two facts of the metadata that agree, or contradict each other, count as one."""
WORDS = {"outcome": "being {}", "label": "the label {}", "called": "being called {}", "judged": "“{}”"}
OUTCOMES = {"right": "called right", "wrong": "called wrong"}


@dataclass(frozen=True)
class Fact:
    """One fact about the records of a table.

    Attributes
    ----------
    kind : str
        The column that it is of.
    holds : str
        The fact in words, to go behind "goes with": ``being called benign``.
    fails : str
        Its contrary in words; '' where the contrary has no words of its own.
    mask, known : (N,) bool
        Where it holds, and where it is known whether it does.
    """

    kind: str
    holds: str
    fails: str
    mask: np.ndarray
    known: np.ndarray


def facts_of(table: pd.DataFrame) -> list[Fact]:
    """Return the facts of a table: by outcome, label, call, cell of the matrix (``judged``) and metadata.

    A column of two values gives one fact, with the other as its contrary; one of numbers whether they are above its
    median; one of more than twelve values, other than label and call, none. Metadata that say nearly the same as
    others before them are left out.
    """
    facts = [fact for name in WORDS if name in table for fact in _facts(table, name)]
    metadata: list[Fact] = []
    for fact in (fact for name in table if name.startswith("meta_") for fact in _facts(table, name)):
        if not any(fact.kind != other.kind and _same(fact, other) for other in metadata):
            metadata.append(fact)
    return facts + metadata


def _same(fact: Fact, other: Fact) -> bool:
    both = fact.known & other.known
    agreeing = (fact.mask == other.mask)[both].mean() if both.any() else 0.5
    return max(agreeing, 1 - agreeing) >= SAME


def _facts(table: pd.DataFrame, name: str) -> Iterator[Fact]:
    import pandas as pd

    column = table[name]
    numbers = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    if numbers and column.nunique() > 2:
        yield _above_median(name, column)
        return
    allowed = {"outcome": tuple(OUTCOMES), "judged": CELLS}.get(name)
    values = column.astype(object)
    known = (values.notna() if allowed is None else values.isin(allowed)).to_numpy()
    found = sorted(set(values[known]), key=str)
    if len(found) < 2 or (name.startswith("meta_") and len(found) > MOST_VALUES):
        return
    both = len(found) == 2
    for value in found[1:] if both else found:
        fails = _words(name, found[0]) if both else ""
        yield Fact(name, _words(name, value), fails, (values == value).to_numpy(bool), known)


def _above_median(name: str, column: pd.Series) -> Fact:
    values = column.to_numpy(float, na_value=np.nan)
    known = ~np.isnan(values)
    middle = float(np.median(values[known]))
    title = title_of(name).lower()
    return Fact(name, f"{title} above {middle:.3g}", f"{title} up to {middle:.3g}", values > middle, known)


def _words(name: str, value: object) -> str:
    said = OUTCOMES.get(value, value) if name == "outcome" else value_of(name, value)
    return WORDS[name].format(said) if name in WORDS else f"{title_of(name).lower()} {said}"

"""A part of a data set, by what its table says of each sample: ``age>=50``, ``sex==female``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import replace

from xai_core.errors import BadInput
from xai_core.types import DataSet

_OPERATORS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"\s*([^<>=!]+?)\s*(<=|>=|==|!=|<|>)\s*([^<>=!]+?)\s*")


def where(dataset: DataSet, condition: str) -> DataSet:
    """Return the data set with the samples of which the condition is true; one that lacks the value is left out.

    Parameters
    ----------
    dataset : DataSet
    condition : str
        ``COLUMN OPERATOR VALUE``: a column of the metadata, one of ``<= >= == != < >``, and a number, or for
        ``==`` and ``!=`` a text.

    Raises
    ------
    BadInput
        Where the condition cannot be read, no sample has the column, or a text is to be larger than another.
    """
    parts = _CONDITION.fullmatch(condition)
    if not parts:
        expected = f"COLUMN OPERATOR VALUE with one of {' '.join(_OPERATORS)}"
        raise BadInput(where="where", expected=expected, found=repr(condition), remedy="write it like age>=50")
    column, sign, text = parts.groups()
    values = [s.metadata.get(column) for s in dataset.samples]
    if all(value is None for value in values):
        known = dict.fromkeys(name for s in dataset.samples for name in s.metadata)
        raise BadInput(
            where=f"where={condition}",
            expected=f"a column with values: {', '.join(known) or 'this data set has none'}",
            found=repr(column),
            remedy="name one",
        )
    holds = _comparison(condition, sign, text, values)
    kept = tuple(s for s, value in zip(dataset.samples, values, strict=True) if value is not None and holds(value))
    return replace(dataset, samples=kept, split_note="; ".join(filter(None, [dataset.split_note, f"only {condition}"])))


def _comparison(condition: str, sign: str, text: str, values: list) -> Callable[[object], bool]:
    compare = _OPERATORS[sign]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values if value is not None):
        try:
            number = float(text)
        except ValueError:
            raise _bad(condition, "a number: the column holds numbers", text) from None
        return lambda value: compare(value, number)
    if sign not in ("==", "!="):
        raise _bad(condition, "== or !=: the column holds text", sign)
    return lambda value: compare(str(value).lower(), text.lower())


def _bad(condition: str, expected: str, found: str) -> BadInput:
    return BadInput(where=f"where={condition}", expected=expected, found=repr(found), remedy="correct the condition")

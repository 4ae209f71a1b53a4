"""The explainability matrix: was the call right, and was its map judged high or low?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.review.records import RIGHT, WRONG

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = 2.5
CELLS = ("correct_high", "correct_low", "wrong_high", "wrong_low")
UNDECIDED = "undecided"
MEANINGS = {
    "correct_high": "Right, and the map shows grounds for it.",
    "correct_low": "Right, but the map shows no grounds for it: perhaps a shortcut.",
    "wrong_high": "Wrong, though the map shows grounds: perhaps the label is wrong, or two classes look alike.",
    "wrong_low": "Wrong, and the map shows no grounds for it.",
}


@dataclass(frozen=True)
class Cell:
    """Records of one cell: their ids in record order."""

    ids: tuple[str, ...]

    @property
    def count(self) -> int:
        """Return how many there are."""
        return len(self.ids)


def cell_of(table: pd.DataFrame, judgements: pd.DataFrame, threshold: float = THRESHOLD) -> np.ndarray:
    """Return the cell of each record: (N,) object, a key of `CELLS`, or ``undecided`` without score, label or call.

    Parameters
    ----------
    table : DataFrame
        With ``sample_id`` and ``outcome`` (right, wrong, unknown): it follows the operating point.
    judgements : DataFrame
        With ``sample_id`` and ``score``, in any order, of some of the records or all.
    threshold : float
        The score from which a map is judged high.
    """
    score = scores_of(table, judgements)
    outcome = table["outcome"].to_numpy(object)
    cell = np.full(len(table), UNDECIDED, object)
    for name, known in (("correct", RIGHT), ("wrong", WRONG)):
        cell[(outcome == known) & (score >= threshold)] = f"{name}_high"
        cell[(outcome == known) & (score < threshold)] = f"{name}_low"
    return cell


def cells(table: pd.DataFrame, judgements: pd.DataFrame, threshold: float = THRESHOLD) -> dict[str, Cell]:
    """Return the records of each cell, those of ``undecided`` last; parameters as in `cell_of`."""
    cell, ids = cell_of(table, judgements, threshold), table["sample_id"].to_numpy(object)
    return {name: Cell(tuple(ids[cell == name])) for name in (*CELLS, UNDECIDED)}


def scores_of(table: pd.DataFrame, judgements: pd.DataFrame) -> np.ndarray:
    """Return the judge's score of each record of a table: (N,) float64, NaN without one.

    Raises
    ------
    BadInput
        Where a record was judged twice.
    """
    if judgements["sample_id"].duplicated().any():
        raise BadInput(
            where="judgements",
            expected="one judgement for each record",
            found="several of the same sample_id",
            remedy="pass the judgements of one judge",
        )
    by_id = judgements.set_index("sample_id")["score"]
    return by_id.reindex(table["sample_id"].astype(str)).to_numpy(float, na_value=np.nan)


def joined(table: pd.DataFrame, judgements: pd.DataFrame, threshold: float = THRESHOLD) -> pd.DataFrame:
    """Return a table of records with two columns more: ``judge_score`` and ``judged``, the cell, as a category."""
    cell = cell_of(table, judgements, threshold)
    return table.assign(judge_score=scores_of(table, judgements), judged=cell).astype({"judged": "category"})

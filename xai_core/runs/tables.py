"""A run as one table: records and scores side by side, judged at an operating point (DESIGN 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xai_core.runs.scoring import read_scores
from xai_core.runs.store import Run
from xai_core.scores import metrics, patterns
from xai_core.scores.arrays import SCORE_NAMES

if TYPE_CHECKING:
    import pandas as pd


def table_of(run: Run, rule: str | None = None, threshold: float | None = None) -> pd.DataFrame:
    """Return records and scores side by side, with what follows from the operating point.

    Parameters
    ----------
    rule : str, optional
        Region rule; the explainer's own by default.
    threshold : float, optional
        Probability of the positive class from which a sample is called positive; the run's own by default.

    Returns
    -------
    DataFrame
        A row for each record: the columns of SPEC.md, and those of `judge`.
    """
    import pandas as pd

    table = pd.concat([run.records(), read_scores(run, rule).drop(columns="sample_id")], axis=1)
    return table.assign(**judge(run, table, run.probabilities(), threshold))


def judge(run: Run, table: pd.DataFrame, probabilities: np.ndarray, threshold: float | None = None) -> dict:
    """Return the columns that follow from the operating point, by name.

    Parameters
    ----------
    table : DataFrame
        Records and scores; `status`, `annotation`, `label_index`, `explanation_area` and the three scores are read.
    probabilities : (N, C) float32
        Of the run, NaN in the rows of records with an error.
    threshold : float, optional
        Probability of the positive class from which a sample is called positive; the run's own by default.

    Returns
    -------
    dict
        ``called`` (class name), ``correct`` (True, False, or NA without label or answer), ``pattern`` (exclusive) and
        ``pattern_KEY`` (non-exclusive, bool).
    """
    import pandas as pd

    called = _called(run, table, probabilities, threshold)
    labels = table["label_index"].to_numpy()
    known = (called >= 0) & (labels >= 0)
    correct = pd.array(np.where(known, called == labels, None), dtype="boolean")
    names = np.array([*run.settings["class_names"], None], object)
    return {"called": names[called], "correct": correct} | _patterns(run, table, known, called == labels)


def threshold_of(run: Run, threshold: float | None) -> float | None:
    """Return the operating point: the one asked for, else the run's own; None where no class is positive."""
    if run.settings["positive"] is None:
        return None
    return run.settings["threshold"] if threshold is None else threshold


def positive_of(run: Run) -> int | None:
    """Return the index of the positive class, None where there is none."""
    name = run.settings["positive"]
    return None if name is None else run.settings["class_names"].index(name)


def scored(table: pd.DataFrame) -> np.ndarray:
    """Return which records have an explanation and an annotation: (N,) bool."""
    return ((table["status"] == "ok") & (table["annotation"] == "")).to_numpy()


def _called(run: Run, table: pd.DataFrame, probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """Return the class index that each record is called, -1 for records with an error."""
    answered = (table["status"] == "ok").to_numpy()
    called = np.full(len(table), -1)
    if answered.any():
        called[answered] = metrics.called(probabilities[answered], positive_of(run), threshold_of(run, threshold))
    return called


def _patterns(run: Run, table: pd.DataFrame, known: np.ndarray, right: np.ndarray) -> dict[str, np.ndarray]:
    scores = [table[name].to_numpy() for name in SCORE_NAMES]
    judged = scored(table) & known
    pattern = np.where(table["status"] == "ok", "", "no_explanation").astype(object)
    matches = np.zeros((len(table), len(patterns.KEYS)), bool)
    if judged.any():
        chosen = [values[judged] for values in scores]
        bands = patterns.bands_for(run.settings["bands"], *chosen)
        pattern[judged], matches[judged] = patterns.assign(*chosen, right[judged], bands)
    pattern[(table["explanation_area"] == 0).to_numpy()] = "no_explanation"
    return {"pattern": pattern} | {f"pattern_{key}": matches[:, place] for place, key in enumerate(patterns.KEYS)}

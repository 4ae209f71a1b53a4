"""A run's metrics and scores by age, sex and lesion size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xai_core.review.records import UNKNOWN, Records
from xai_core.scores import intervals, metrics

if TYPE_CHECKING:
    import pandas as pd

AGE_KEYS, SEX_KEYS = ("meta_age", "meta_age_approximate"), ("meta_sex",)
AGE_EDGES = (40, 60)
RESAMPLES = 400


def subgroups(records: Records) -> dict[str, pd.DataFrame]:
    """Return a table for each grouping that the data set has: {"Sex", "Age", "Outlined area": table}.

    Returns
    -------
    dict of DataFrame
        A row for each group: ``group``, ``records`` (labelled), and for the metrics and the excess of explanation
        coverage over a random place ``NAME``, ``NAME_low``, ``NAME_high`` (95 %; None where undefined). Where a class
        is positive: ``auc``, ``sensitivity``, ``specificity``; else ``accuracy``.
    """
    import pandas as pd

    groupings = {"Sex": _text(records, SEX_KEYS), "Age": _ages(records), "Outlined area": _areas(records)}
    known = {name: groups for name, groups in groupings.items() if groups is not None and len(set(groups)) > 1}
    return {name: pd.DataFrame(_rows(records, groups)) for name, groups in known.items()}


def _rows(records: Records, groups: np.ndarray) -> list[dict]:
    names = ["accuracy"] if records.positive is None else ["auc", "sensitivity", "specificity"]
    answered = (records.table["status"] == "ok").to_numpy()
    positive = None if records.positive is None else records.run.settings["class_names"].index(records.positive)
    found = metrics.by_group(
        records.table["label_index"].to_numpy()[answered],
        records.probabilities[answered],
        groups[answered].tolist(),
        positive=positive,
        threshold=0.5 if records.threshold is None else records.threshold,
        resamples=RESAMPLES,
    )
    labelled = (records.table["outcome"] != UNKNOWN).to_numpy()
    excess = records.rank("excess_explanation_coverage")
    rows = []
    for group, entry in found.items():
        inside = groups == (None if group == "unknown" else group)
        row = {"group": group, "records": int((inside & labelled).sum())}
        for name in names:
            row |= {name: entry[name]["value"], f"{name}_low": entry[name]["low"], f"{name}_high": entry[name]["high"]}
        over = intervals.mean(excess[inside], resamples=RESAMPLES)
        rows.append(row | {"excess": over.value, "excess_low": over.low, "excess_high": over.high})
    return rows


def _text(records: Records, keys: tuple[str, ...]) -> np.ndarray | None:
    column = next((key for key in keys if key in records.table), None)
    if column is None:
        return None
    values = records.table[column].astype(object)
    return np.array([value if isinstance(value, str) and value else None for value in values], object)


def _ages(records: Records) -> np.ndarray | None:
    column = next((key for key in AGE_KEYS if key in records.table), None)
    if column is None:
        return None
    low, high = AGE_EDGES
    names = (f"under {low}", f"{low} to {high - 1}", f"{high} and over")
    bands = [None if age != age else names[int(age >= low) + int(age >= high)] for age in records.rank(column)]
    return np.array(bands, object)


def _areas(records: Records) -> np.ndarray | None:
    groups, edges = metrics.tertiles(records.rank("annotation_area"))
    if edges is None:
        return None
    names = {
        "small": f"1 small (to {edges[0]:.0%})",
        "middle": f"2 middle (to {edges[1]:.0%})",
        "large": f"3 large (over {edges[1]:.0%})",
        "": None,
    }
    return np.array([names[group] for group in groups], object)

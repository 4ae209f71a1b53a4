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
        A row for each group, in its order, ``unknown`` last: ``group``, ``records`` (labelled), and for the metrics and
        the ``excess`` of explanation coverage over a random place ``NAME``, ``NAME_low``, ``NAME_high`` (95 %; None
        where undefined). Where a class is positive: ``auc``, ``sensitivity``, ``specificity``; else ``accuracy``.
    """
    import pandas as pd

    groupings = {"Sex": _sexes(records), "Age": _ages(records), "Outlined area": _areas(records)}
    return {name: pd.DataFrame(_rows(records, groups)) for name, groups in groupings.items() if groups is not None}


def _rows(records: Records, groups: pd.Categorical) -> list[dict]:
    names = ["accuracy"] if records.positive is None else ["auc", "sensitivity", "specificity"]
    answered = (records.table["status"] == "ok").to_numpy()
    positive = None if records.positive is None else records.run.settings["class_names"].index(records.positive)
    found = metrics.by_group(
        records.table["label_index"].to_numpy()[answered],
        records.probabilities[answered],
        groups[answered].astype(object).tolist(),
        positive=positive,
        threshold=0.5 if records.threshold is None else records.threshold,
        resamples=RESAMPLES,
    )
    labelled = (records.table["outcome"] != UNKNOWN).to_numpy()
    excess = records.rank("excess_explanation_coverage")
    rows = []
    for group in (name for name in (*groups.categories, "unknown") if name in found):
        inside = groups.isna() if group == "unknown" else np.asarray(groups == group)
        row = {"group": group, "records": int((inside & labelled).sum())}
        for name in names:
            entry = found[group][name]
            row |= {name: entry["value"], f"{name}_low": entry["low"], f"{name}_high": entry["high"]}
        over = intervals.mean(excess[inside], resamples=RESAMPLES)
        rows.append(row | {"excess": over.value, "excess_low": over.low, "excess_high": over.high})
    return rows


def _sexes(records: Records) -> pd.Categorical | None:
    import pandas as pd

    column = next((key for key in SEX_KEYS if key in records.table), None)
    return None if column is None else pd.Categorical(records.table[column].replace("", None))


def _ages(records: Records) -> pd.Categorical | None:
    import pandas as pd

    column = next((key for key in AGE_KEYS if key in records.table), None)
    if column is None:
        return None
    low, high = AGE_EDGES
    names = (f"under {low}", f"{low} to {high - 1}", f"{high} and over")
    return pd.cut(records.rank(column), [-np.inf, low, high, np.inf], right=False, labels=names)


def _areas(records: Records) -> pd.Categorical | None:
    import pandas as pd

    groups, edges = metrics.tertiles(records.rank("annotation_area"))
    if edges is None:
        return None
    low, high = edges
    names = {"small": f"small (to {low:.0%})", "middle": f"middle (to {high:.0%})", "large": f"large (over {high:.0%})"}
    return pd.Categorical([names.get(group) for group in groups], categories=list(names.values()))

"""A run in numbers: metrics, scores with intervals and chance levels, patterns, by class and lesion size (DESIGN 5)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from xai_core.runs.scoring import CHANCES
from xai_core.runs.store import Run
from xai_core.runs.tables import positive_of, scored, table_of, threshold_of
from xai_core.scores import intervals, metrics, patterns
from xai_core.scores.arrays import SCORE_NAMES

if TYPE_CHECKING:
    import pandas as pd

# beside the three scores: what a random place would give is the area of the region for both (METHODS 1)
FURTHER = ("pointing_game", "energy_inside")


def summarise(run: Run, *, rule: str | None = None, threshold: float | None = None, seed: int = 0) -> dict:
    """Return a run's summary as plain JSON values; DESIGN 5 names the keys that others read.

    Parameters
    ----------
    rule, threshold
        As in `table_of`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``samples`` (records), ``scored`` (records with explanation and annotation), ``metrics``, ``scores``
        (``undefined`` counts what no mean contains), ``patterns`` (and ``without_pattern``: records without outline
        or label), ``by`` (scores by label and by tertile of the
        annotated area), and what identifies the run.
    """
    table = table_of(run, rule, threshold)
    by = {"label": table["label"].fillna("unlabelled"), "annotated_area": _tertiles(table["annotation_area"])}
    exclusive = Counter(table["pattern"])
    return {
        **_identity(run, rule, threshold),
        "samples": len(table),
        "errors": int((table["status"] != "ok").sum()),
        "left_out": run.manifest.get("left_out", {}),
        "scored": int(scored(table).sum()),
        "labels": {str(k): int(v) for k, v in by["label"].value_counts(sort=False).items()},
        "metrics": _metrics(run, table, threshold, seed),
        "scores": _score_table(table, seed),
        "patterns": {key: exclusive.get(key, 0) for key in (*patterns.KEYS, "unclassified", "no_explanation")},
        "without_pattern": exclusive.get("", 0),
        "patterns_non_exclusive": {key: int(table[f"pattern_{key}"].sum()) for key in patterns.KEYS},
        "stability": _plain(intervals.mean(table["stability"].to_numpy(float), seed=seed)),
        "by": {
            name: {
                str(group): {"samples": len(rows), "scores": _score_table(rows, seed)}
                for group, rows in table.groupby(groups, observed=True, sort=True)
            }
            for name, groups in by.items()
            if groups.notna().any() and groups.nunique() <= 12
        },
    }


def _identity(run: Run, rule: str | None, threshold: float | None) -> dict:
    settings = run.settings
    kept = ("dataset", "split", "classifier", "classifier_digest", "method", "layer", "target", "positive", "bands")
    return {
        "run": str(run.folder),
        **{key: settings[key] for key in kept},
        "region_rule": rule or settings["region_rule"],
        "threshold": threshold_of(run, threshold),
        "explained_at_threshold": settings["threshold"],
        "synthetic": settings["synthetic"],
        "clinical": settings["clinical"],
        "content_digest": run.manifest["content_digest"],
    }


def _metrics(run: Run, table: pd.DataFrame, threshold: float | None, seed: int) -> dict:
    answered = (table["status"] == "ok").to_numpy()
    labels, probabilities = table["label_index"].to_numpy()[answered], run.probabilities()[answered]
    at = threshold_of(run, threshold)
    return metrics.evaluate(
        labels, probabilities, positive=positive_of(run), threshold=0.5 if at is None else at, seed=seed
    )


def _score_table(table: pd.DataFrame, seed: int) -> dict:
    scores = {name: _score_entry(table, name, seed) for name in SCORE_NAMES}
    area = np.where(scored(table), table["region_area"].to_numpy(float), np.nan)
    for name in FURTHER:
        values = table[name].to_numpy(float)
        entry = _plain(intervals.mean(values, seed=seed))
        undefined = Counter(table.loc[np.isnan(values), "iou_undefined"].replace("", "empty_explanation"))
        scores[name] = entry | {"undefined": dict(undefined), "chance": {"random": _excess(values, area, seed)}}
    return scores


def _score_entry(table: pd.DataFrame, name: str, seed: int) -> dict:
    values = table[name].to_numpy(float)
    reasons = Counter(reason for reason in table[f"{name}_undefined"] if reason)
    chance = {level: _excess(values, table[f"chance_{level}_{name}"].to_numpy(float), seed) for level in CHANCES}
    return _plain(intervals.mean(values, seed=seed)) | {"undefined": dict(reasons), "chance": chance}


def _excess(values: np.ndarray, chance: np.ndarray, seed: int) -> dict:
    """Return the mean chance level and the mean paired difference score - chance with its interval."""
    both = ~(np.isnan(values) | np.isnan(chance))
    difference = intervals.mean(np.where(both, values - chance, np.nan), seed=seed)
    mean = float(chance[both].mean()) if both.any() else None
    return {"mean": mean, "excess": difference.value, "low": difference.low, "high": difference.high}


def _plain(estimate: intervals.Estimate) -> dict:
    return {"mean": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


def _tertiles(area: pd.Series) -> pd.Series:
    """Return the third of the annotated area that each record lies in, with its bounds, in order; NA without area."""
    import pandas as pd

    groups, edges = metrics.tertiles(area.to_numpy(float))
    if edges is None or area.nunique() < 3:
        return pd.Series(pd.NA, index=area.index, dtype="object")
    low, high = edges
    names = {"small": f"small (to {low:.3f})", "middle": f"middle (to {high:.3f})", "large": f"large (over {high:.3f})"}
    return pd.Series(groups, index=area.index).map(names).astype(pd.CategoricalDtype([*names.values()], ordered=True))

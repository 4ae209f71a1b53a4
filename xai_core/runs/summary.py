"""A run in numbers: metrics, scores with intervals and chance levels, patterns, by class and lesion size (DESIGN 5)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from xai_core.runs.scoring import CHANCES, read_scores
from xai_core.runs.store import Run
from xai_core.scores import intervals, metrics, patterns
from xai_core.scores.arrays import SCORE_NAMES

if TYPE_CHECKING:
    import pandas as pd

# beside the three scores: what a random place would give is the area of the region for both (METHODS 1)
FURTHER = ("pointing_game", "energy_inside")


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
        A row for each record: the columns of SPEC.md, and ``called`` (class name), ``correct`` (True, False, or NA
        without label or answer), ``pattern`` (exclusive) and ``pattern_KEY`` (non-exclusive, bool).
    """
    import pandas as pd

    records = run.records()
    table = pd.concat([records, read_scores(run, rule).drop(columns="sample_id")], axis=1)
    called = _called(run, table, threshold)
    names = np.array([*run.settings["class_names"], None], object)
    table["called"] = names[called]
    labels = table["label_index"].to_numpy()
    known = (called >= 0) & (labels >= 0)
    table["correct"] = pd.array(np.where(known, called == labels, None), dtype="boolean")
    return _with_patterns(run, table)


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
        "scored": int(_scored(table).sum()),
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
        "threshold": _threshold(run, threshold),
        "explained_at_threshold": settings["threshold"],
        "synthetic": settings["synthetic"],
        "clinical": settings["clinical"],
        "content_digest": run.manifest["content_digest"],
    }


def _threshold(run: Run, threshold: float | None) -> float | None:
    if run.settings["positive"] is None:
        return None
    return run.settings["threshold"] if threshold is None else threshold


def _positive(run: Run) -> int | None:
    name = run.settings["positive"]
    return None if name is None else run.settings["class_names"].index(name)


def _called(run: Run, table: pd.DataFrame, threshold: float | None) -> np.ndarray:
    """Return the class index that each record is called, -1 for records with an error."""
    answered = (table["status"] == "ok").to_numpy()
    called = np.full(len(table), -1)
    if answered.any():
        probabilities = run.probabilities()[answered]
        called[answered] = metrics.called(probabilities, _positive(run), _threshold(run, threshold))
    return called


def _with_patterns(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    scores = [table[name].to_numpy() for name in SCORE_NAMES]
    judged = _scored(table) & table["correct"].notna().to_numpy()
    table["pattern"] = np.where(table["status"] == "ok", "", "no_explanation")
    for key in patterns.KEYS:
        table[f"pattern_{key}"] = False
    if judged.any():
        bands = patterns.bands_for(run.settings["bands"], *[values[judged] for values in scores])
        correct = table.loc[judged, "correct"].to_numpy(bool)
        exclusive, matches = patterns.assign(*[values[judged] for values in scores], correct, bands)
        table.loc[judged, "pattern"] = exclusive
        for place, key in enumerate(patterns.KEYS):
            table.loc[judged, f"pattern_{key}"] = matches[:, place]
    table.loc[(table["explanation_area"] == 0).to_numpy(), "pattern"] = "no_explanation"
    return table


def _scored(table: pd.DataFrame) -> np.ndarray:
    return ((table["status"] == "ok") & (table["annotation"] == "")).to_numpy()


def _metrics(run: Run, table: pd.DataFrame, threshold: float | None, seed: int) -> dict:
    answered = (table["status"] == "ok").to_numpy()
    labels, probabilities = table["label_index"].to_numpy()[answered], run.probabilities()[answered]
    at = _threshold(run, threshold)
    return metrics.evaluate(
        labels, probabilities, positive=_positive(run), threshold=0.5 if at is None else at, seed=seed
    )


def _score_table(table: pd.DataFrame, seed: int) -> dict:
    scores = {name: _score_entry(table, name, seed) for name in SCORE_NAMES}
    area = np.where(_scored(table), table["region_area"].to_numpy(float), np.nan)
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

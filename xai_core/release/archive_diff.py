"""One version against another: settings, metrics, calls, scores, and how far each sample's explanation moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.release.compare import compare
from xai_core.release.drift import MEASURES, drift
from xai_core.release.paired import Candidate, side_by_side
from xai_core.release.strata import stratum_of
from xai_core.runs.store import Run
from xai_core.scores import intervals

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("before", "now")
_NOT_COMPARED = ("versions", "dataset_root")
_SCORE = "explanation_coverage"


def diff(before: Run, now: Run) -> dict:
    """Return what differs between two runs, as plain JSON values.

    Returns
    -------
    dict
        ``settings`` [{``name``, ``before``, ``now``}] those that differ; ``why_not`` ('' or why the runs cannot be held
        against each other: the rest is then empty); ``comparison`` (`compare.compare`, the first as the baseline);
        ``samples`` [{``id``, ``label``, ``stratum``, ``called_before``, ``called_now``, ``outcome_before``,
        ``outcome_now``, ``excess_before``, ``excess_now``, ``same_target``, and the measures of `drift.drift`}], those
        explained for the same class first, and of them what moved most (the least overlap of regions of equal area);
        ``clusters`` [{``label``, ``stratum``, ``n``, ``calls_changed``, ``overlap`` (of those explained for the same
        class), ``change`` (of excess)}], each with ``value``, ``low``, ``high`` and ``n``, the least overlap first.
        None is what is undefined.
    """
    settings = changed_settings(before, now)
    try:
        candidates = side_by_side([before, now], NAMES)
        comparison = compare([before, now], NAMES)
    except BadInput as error:
        why_not = {"why_not": str(error), "comparison": None, "samples": [], "clusters": []}
        return {"settings": settings, **why_not}
    table = _samples(*candidates)
    moved = {"comparison": comparison, "samples": _plain(table), "clusters": _clusters(table)}
    return {"settings": settings, "why_not": "", **moved}


def changed_settings(before: Run, now: Run) -> list[dict]:
    """Return the settings, versions of packages among them, that differ between two runs."""
    first, second = (
        {name: value for name, value in run.settings.items() if name not in _NOT_COMPARED}
        | {f"version of {name}": version for name, version in run.settings["versions"].items()}
        for run in (before, now)
    )
    names = sorted({*first, *second})
    return [
        {"name": name, "before": first.get(name), "now": second.get(name)}
        for name in names
        if first.get(name) != second.get(name)
    ]


def _samples(before: Candidate, now: Candidate) -> pd.DataFrame:
    """Return a row for each shared sample, what moved most first."""
    import pandas as pd

    ids = before.ids
    first, second = before.table, now.table
    usable = np.logical_and.reduce([one.answered & (one.table["annotation"] == "").to_numpy() for one in (before, now)])
    moved = drift(before.run, now.run, ids.tolist())[["sample_id", "same_target", *MEASURES]]
    stratum = stratum_of([before.run, now.run], [first, second], usable) if usable.any() else np.full(len(ids), "")
    table = pd.DataFrame(
        {
            "id": ids,
            "label": first["label"].to_numpy(),
            "stratum": stratum,
            "called_before": first["called"].to_numpy(),
            "called_now": second["called"].to_numpy(),
            "outcome_before": _outcomes(before),
            "outcome_now": _outcomes(now),
            "excess_before": before.excess(_SCORE),
            "excess_now": now.excess(_SCORE),
        }
    ).merge(moved.rename(columns={"sample_id": "id"}), on="id", how="left", validate="one_to_one")
    # maps for two classes answer two questions: how far they differ says nothing
    order = table.assign(other=~table["same_target"].fillna(False).astype(bool))
    return table.loc[order.sort_values(["other", "iou", "id"], na_position="last").index].reset_index(drop=True)


def _outcomes(candidate: Candidate) -> np.ndarray:
    return np.where(candidate.answered, np.where(candidate.right, "right", "wrong"), "unknown")


def _clusters(table: pd.DataFrame) -> list[dict]:
    """Return what moved by label and stratum, least overlap first; samples without either are left out."""
    known = table[table["label"].notna() & (table["stratum"] != "")]
    clusters = [
        {
            "label": label,
            "stratum": stratum,
            "n": len(rows),
            "calls_changed": int((rows["called_before"] != rows["called_now"]).sum()),
            "overlap": _estimate(rows["iou"].where(rows["same_target"].fillna(False).astype(bool))),
            "change": _estimate(rows["excess_now"] - rows["excess_before"]),
        }
        for (label, stratum), rows in known.groupby(["label", "stratum"], sort=True)
    ]
    return sorted(clusters, key=lambda cluster: (cluster["overlap"]["value"] is None, cluster["overlap"]["value"]))


def _estimate(values: pd.Series) -> dict:
    found = intervals.mean(values.to_numpy(float))
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}


def _plain(table: pd.DataFrame) -> list[dict]:
    return [{name: _value(value) for name, value in row.items()} for row in table.to_dict(orient="records")]


def _value(value: object) -> object:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def sentences(found: dict) -> list[str]:
    """Return a diff as a reader wants it said, each sentence with its numbers."""
    if found["why_not"]:
        return [f"The two cannot be held against each other: {found['why_not']}."]
    samples, against = found["samples"], found["comparison"]["against"][0]
    movers = against["movers"]
    changed = [row for row in samples if row["called_before"] != row["called_now"]]
    overlaps = [row["iou"] for row in samples if row["same_target"] and row["iou"] is not None]
    overlap = intervals.mean(overlaps)
    lines = [
        _setting_sentence([setting["name"] for setting in found["settings"]]),
        f"{len(changed)} of {len(samples)} samples are called otherwise: {len(movers['lost'])} right before are wrong "
        f"now, {len(movers['won'])} wrong before are right now.",
        *(
            _difference_sentence(title, against[group][name])
            for title, group, name in (
                ("AUC", "metrics", "auc"),
                ("Accuracy", "metrics", "accuracy"),
                ("Explanation coverage above chance", "alignment", _SCORE),
            )
        ),
        f"Of the samples right in both, {len(movers['kept_off'])} moved off the outlined region by "
        f"{found['comparison']['moved']:g} or more, {len(movers['kept_on'])} on to it, and {movers['stayed']} stayed.",
        f"In the {overlap.n} samples explained for the same class, the strongest fifths of the two maps overlap by an "
        f"IoU of {_with_interval(overlap.value, overlap.low, overlap.high)}.",
        *(_cluster_sentence(cluster) for cluster in found["clusters"][:1]),
        *found["comparison"]["remarks"],
    ]
    return [line for line in lines if line]


def _setting_sentence(names: Sequence[str]) -> str:
    return f"Settings that differ: {', '.join(names)}." if names else "All settings are the same."


def _difference_sentence(title: str, entry: dict) -> str:
    if entry.get("difference") is None:
        return ""
    sure = "" if entry["excludes_zero"] else "; that may be chance"
    return f"{title} changed by {_with_interval(entry['difference'], entry['low'], entry['high'], '+')}{sure}."


def _cluster_sentence(cluster: dict) -> str:
    overlap = cluster["overlap"]
    if overlap["value"] is None:
        return ""
    within = _with_interval(overlap["value"], overlap["low"], overlap["high"])
    return (
        f"Most moved among the {cluster['n']} {cluster['stratum']} cases labelled {cluster['label']}: overlap "
        f"{within}, {cluster['calls_changed']} called otherwise."
    )


def _with_interval(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    if value is None:
        return "an undefined value"
    return f"{value:{sign}.3f}" + ("" if low is None else f" ({low:{sign}.3f} to {high:{sign}.3f})")

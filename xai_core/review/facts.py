"""What is known of one record, as plain values: confidences, scores against chance, provenance, metadata."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np

from xai_core.explainers import METHODS
from xai_core.runs.scoring import CHANCES
from xai_core.runs.store import Run
from xai_core.scores.arrays import SCORE_NAMES

if TYPE_CHECKING:
    import pandas as pd

CLASSES_SHOWN = 10
NOT_STATED = "not stated"
REASONS = {
    "empty_explanation": "the explanation region is empty: nothing spoke for the target",
    "empty_annotation": "the human outline is empty",
    "both_empty": "neither an explanation region nor a human outline",
    "no_annotation": "nobody drew an outline for this image",
    "annotation_outside_crop": "the human outline lies outside what the network sees",
    "error": "the image could not be explained",
    "file_missing": "the outline's file is missing",
    "file_unreadable": "the outline's file cannot be read",
    "mask_size": "the outline was drawn on a picture of another size",
    "mask_empty": "the outline's file has no region in it",
    "box_reversed": "the outline's box has its corners the wrong way round",
    "box_outside": "the outline's box lies outside the image",
    "path_outside": "the outline's file lies outside the data set's folder",
}
_RECORD = ("status", "error", "image", "split", "group", "label", "predicted", "called", "correct", "pattern", "target")
_NUMBERS = (
    "confidence", "target_probability", "explanation_area", "region_area", "annotation_area", "annotation_kept",
    "pointing_game", "energy_inside", "stability",
)  # fmt: skip


def facts_of(run: Run, row: pd.Series, rule: str) -> dict:
    """Return what is known of a record as plain JSON values; None stands for what is not there.

    Parameters
    ----------
    run : Run
    row : Series
        The record's row of ``table_of(run, rule)``.
    rule : str
        Region rule of the scores in `row`.

    Returns
    -------
    dict
        ``sample_id``; ``status``, ``error``, ``image``, ``split``, ``group``, ``label``, ``predicted``, ``called``,
        ``correct``, ``pattern``, ``target``, ``height``, ``width``; ``confidences`` [{``name``, ``probability``,
        ``label``, ``predicted``, ``called``, ``target``}], at most `CLASSES_SHOWN` of ``classes``; ``scores`` {name:
        {``value``, ``chance`` {level: value}, ``excess`` {level: value - chance}, ``undefined``: why, in words}};
        ``explanation_area``, ``region_area`` (shares of the model frame), ``annotation_area`` (of the original),
        ``annotation_kept``, ``pointing_game``, ``energy_inside``, ``stability``, ``annotation`` (why there is none, in
        words); ``provenance`` {name: text}; ``metadata`` {name: value}, those without one `NOT_STATED`.
    """
    return {
        "sample_id": row["sample_id"],
        "height": int(row["height"]),
        "width": int(row["width"]),
        **{name: _plain(row[name]) for name in (*_RECORD, *_NUMBERS)},
        "annotation": _reason(row["annotation"]),
        "classes": len(run.settings["class_names"]),
        "confidences": _confidences(run, row),
        "scores": {name: _score(row, name) for name in SCORE_NAMES},
        "provenance": _provenance(run, row, rule),
        "metadata": {
            name.removeprefix("meta_"): NOT_STATED if (value := _plain(row[name])) in (None, "") else value
            for name in row.index
            if name.startswith("meta_")
        },
    }


def _confidences(run: Run, row: pd.Series) -> list[dict]:
    """Return label, predicted, called and target first of all, then the classes of the largest probabilities."""
    if row["status"] != "ok":
        return []
    names = run.settings["class_names"]
    roles = {name: _plain(row[name]) for name in ("label", "predicted", "called", "target")}
    probabilities = np.asarray(row["probabilities"], np.float64)
    by_size = np.argsort(-probabilities, kind="stable").tolist()
    named = [place for place in by_size if names[place] in roles.values()]
    shown = [*named, *(place for place in by_size if place not in named)][:CLASSES_SHOWN]
    return [
        {
            "name": names[place],
            "probability": float(probabilities[place]),
            **{role: names[place] == name for role, name in roles.items()},
        }
        for place in sorted(shown, key=by_size.index)
    ]


def _score(row: pd.Series, name: str) -> dict:
    value = _plain(row[name])
    chance = {level: _plain(row[f"chance_{level}_{name}"]) for level in CHANCES}
    return {
        "value": value,
        "chance": chance,
        "excess": {k: None if None in (value, level) else value - level for k, level in chance.items()},
        "undefined": _reason(row[f"{name}_undefined"]),
    }


def _provenance(run: Run, row: pd.Series, rule: str) -> dict:
    settings = run.settings
    return {
        "run": str(run.folder),
        "content_digest": run.manifest["content_digest"],
        "created": run.manifest["created"],
        "dataset": settings["dataset"],
        "classifier": settings["classifier"],
        "classifier_digest": settings["classifier_digest"],
        "image_hash": row["image_hash"],
        "method": METHODS[settings["method"]].title,
        "paper": METHODS[settings["method"]].paper,
        "parameters": settings["parameters"],
        "layer": settings["layer"],
        "target": settings["target"],
        "threshold": settings["threshold"],
        "region_rule": rule,
        "seed": settings["seed"],
        "frame": settings["frame"],
        "precision": settings["precision"],
        "device": settings["device"],
        "versions": json.loads(row["versions"]) if _plain(row["versions"]) else settings["versions"],
    }


def _reason(key: str | None) -> str:
    return REASONS.get(key, key.replace("_", " ")) if _plain(key) else ""


def _plain(value: object) -> object:
    """Return a table's cell as JSON can hold it: None for NA and NaN."""
    import pandas as pd

    value = value.item() if isinstance(value, np.generic) else value
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value

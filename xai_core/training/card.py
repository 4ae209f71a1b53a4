"""The model card: what a classifier was made from and how good it is, in numbers with intervals."""

from __future__ import annotations

import csv
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core import datasets
from xai_core.errors import SampleError
from xai_core.files import write_atomic
from xai_core.models.folder import save
from xai_core.scores import metrics
from xai_core.training.parts import Part, fingerprint
from xai_core.training.reliability import draw_reliability

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier
    from xai_core.training.recipe import Recipe
    from xai_core.types import DataSet, Sample

HISTORY, PREDICTIONS, FIGURE = "history.csv", "predictions.parquet", "reliability.png"

RESAMPLES = 1000
AGES = ((0, 30, "under 30"), (30, 50, "30 to 49"), (50, 70, "50 to 69"), (70, 200, "70 and over"))
AGE_KEYS, SEX_KEYS = ("age", "age_approximate", "age_approx"), ("sex", "gender")
AREA_KEYS = ("lesion_area", "lesion_area_fraction")
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scikit-learn", "safetensors")


def versions() -> dict[str, str]:
    """Return the version of Python and of every library that decides a result."""
    from xai_core import __version__

    return {"python": platform.python_version(), "xai_core": __version__} | {name: version(name) for name in LIBRARIES}


def write(
    trained: Classifier,
    out: Path,
    dataset: DataSet,
    recipe: Recipe,
    training: dict,
    parts: dict[str, Part],
    predicted: dict[str, np.ndarray],
    history: list[dict],
) -> dict:
    """Return the card after writing every file of the model folder, the card last.

    Parameters
    ----------
    trained : Classifier
        With the best weights.
    out : Path
        The model folder.
    dataset : DataSet
        With its validation part.
    recipe : Recipe
        As asked for.
    training : dict
        How it went.
    parts : dict
        {split: Part}.
    predicted : dict
        {split: (N, C) float64 probabilities} of ``validation`` and ``test``.
    history : list of dict
        One row per epoch.
    """
    _write_history(history, out / HISTORY)
    _write_predictions(parts, predicted, dataset.class_names, out / PREDICTIONS)
    positive = None if dataset.positive is None else dataset.class_names[dataset.positive]
    complete = {
        "recipe": recipe.as_dict(),
        "training": training,
        "data": {
            "spec": dataset.spec,
            "counts": {name: _counts(part.samples, dataset.class_names) for name, part in parts.items()},
            "skipped": [row | {"split": name} for name, part in parts.items() for row in part.skipped],
            "split_note": dataset.split_note,
            "fingerprint": fingerprint(dataset),
            "clinical": dataset.clinical,
            "synthetic": dataset.synthetic,
            "positive": positive,
        },
        **evaluation(dataset.positive, {name: (parts[name].samples, p) for name, p in predicted.items()}),
        "versions": versions(),
        "use": "For research. Not a medical device; its numbers hold for data like those it was tested on.",
    }
    shown = "test" if "test" in complete["calibration"] else "validation"
    title = f"Reliability on the {shown} part" + (" (synthetic images)" if dataset.synthetic else "")
    bins = complete["calibration"][shown]
    draw_reliability(bins, out / FIGURE, title=title, spoken_of=positive or "the called class")
    return save(trained, out, complete)


def _write_history(history: list[dict], path: Path) -> None:
    def write_rows(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(history[0]))
            writer.writeheader()
            writer.writerows(history)

    write_atomic(path, write_rows)


def _write_predictions(
    parts: dict[str, Part], predicted: dict[str, np.ndarray], class_names: Sequence[str], path: Path
) -> None:
    """Write one row per sample: sample, split, label (a class name or none), p_NAME per class."""
    import pandas as pd

    tables = []
    for name, p in predicted.items():
        samples = parts[name].samples
        labels = [None if s.label is None else class_names[s.label] for s in samples]
        table = {"sample": [s.id for s in samples], "split": name, "label": labels}
        tables.append(pd.DataFrame(table | {f"p_{c}": p[:, k] for k, c in enumerate(class_names)}))
    whole = pd.concat([t for t in tables if len(t)], ignore_index=True)
    write_atomic(path, lambda temporary: whole.to_parquet(temporary, index=False))


def evaluation(positive: int | None, predicted: dict[str, tuple[Sequence[Sample], np.ndarray]]) -> dict:
    """Return the parts of the card that say how good the classifier is.

    Parameters
    ----------
    positive : int or None
        The class that sensitivity speaks of.
    predicted : dict
        {``validation`` and ``test``: (samples, (N, C) probabilities)}; a part without labelled samples is left out.

    Returns
    -------
    dict
        ``metrics`` {part: `metrics.evaluate`}; ``operating_points`` {name: {``threshold``, and per part
        ``sensitivity``, ``specificity`` and accuracies there}}, chosen on validation alone, {} without a positive
        class; ``calibration`` {part: bins of the reliability figure}; ``subgroups`` {part: {sex, age, lesion_area}}.
    """
    labelled = {part: _labelled(*both) for part, both in predicted.items()}
    labelled = {part: found for part, found in labelled.items() if found[0]}
    found: dict[str, dict] = {"metrics": {}, "calibration": {}, "subgroups": {}}
    for part, (samples, labels, p) in labelled.items():
        found["metrics"][part] = metrics.evaluate(labels, p, positive=positive, resamples=RESAMPLES)
        found["calibration"][part] = metrics.reliability(labels, p, positive=positive)
        found["subgroups"][part] = _subgroups(samples, labels, p, positive)
    return found | {"operating_points": _operating_points(labelled, positive)}


def _counts(samples: Sequence[Sample], class_names: Sequence[str]) -> dict[str, int]:
    table = dict.fromkeys(class_names, 0)
    for sample in samples:
        name = "unlabelled" if sample.label is None else class_names[sample.label]
        table[name] = table.get(name, 0) + 1
    return table


def _labelled(samples: Sequence[Sample], p: np.ndarray) -> tuple[list[Sample], np.ndarray, np.ndarray]:
    keep = [k for k, s in enumerate(samples) if s.label is not None]
    return [samples[k] for k in keep], np.array([samples[k].label for k in keep], np.int64), p[keep]


def _operating_points(labelled: dict, positive: int | None) -> dict[str, dict]:
    if positive is None or "validation" not in labelled:
        return {}
    _, labels, p = labelled["validation"]
    chosen = metrics.operating_points((labels == positive).astype(int), p[:, positive])
    table = {}
    for name, threshold in chosen.items():
        row: dict = {"threshold": threshold}
        for part, (_, truth, q) in labelled.items() if threshold is not None else ():
            seen = metrics.evaluate(truth, q, positive=positive, threshold=threshold, resamples=RESAMPLES)
            row[part] = {k: seen[k] for k in ("sensitivity", "specificity", "balanced_accuracy", "accuracy")}
        table[name] = row
    return table


def _subgroups(samples: list[Sample], labels: np.ndarray, p: np.ndarray, positive: int | None) -> dict[str, dict]:
    areas, _ = metrics.tertiles([_area(s) for s in samples])
    groupings = {
        "sex": [_first(s, SEX_KEYS) for s in samples],
        "age": [_age_band(_first(s, AGE_KEYS)) for s in samples],
        "lesion_area": [a or None for a in areas.tolist()],
    }
    known = {name: groups for name, groups in groupings.items() if any(groups)}
    return {
        name: metrics.by_group(labels, p, groups, positive=positive, resamples=RESAMPLES)
        for name, groups in known.items()
    }


def _first(sample: Sample, keys: Sequence[str]) -> object:
    return next((sample.metadata[k] for k in keys if sample.metadata.get(k) not in (None, "")), None)


def _age_band(age: object) -> str | None:
    try:
        years = float(age)  # a table may hold text
    except (TypeError, ValueError):
        return None
    return next((name for low, high, name in AGES if low <= years < high), None)


def _area(sample: Sample) -> float:
    """Return the share of the image inside the outline: from the metadata, else measured; NaN where there is none."""
    stated = _first(sample, AREA_KEYS)
    if isinstance(stated, (int, float)):
        return float(stated)
    if sample.annotation is None:
        return float("nan")
    try:
        region = datasets.read_region(sample, datasets.read_image(sample.image).shape[:2])
    except SampleError:
        return float("nan")
    return float("nan") if region is None else float(region.mean())

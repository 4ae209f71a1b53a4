"""A run's classifier and images, taken up again and proved to be those that the run saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.geometry import Frame
from xai_core.probes import causal
from xai_core.review.kept import Kept, rows_of
from xai_core.runs import rows
from xai_core.runs.prepare import Preparation, Prepared, cache_folder
from xai_core.runs.scoring import regions_of
from xai_core.types import Sample

if TYPE_CHECKING:
    import pandas as pd

    from xai_core.models import Classifier
    from xai_core.runs import Run

PROJECT = Path(__file__).resolve().parents[2]


def classifier_of(run: Run, spec: str = "") -> Classifier:
    """Return the classifier that a run explained.

    Parameters
    ----------
    run : Run
    spec : str
        Where it is now, as `models.load` takes it; '' where the run says, seen from the working directory, or from
        the project's folder for what is shipped with it.

    Raises
    ------
    BadInput
        Where there is none, or another one than the run's.
    """
    from xai_core.models import load

    asked, digest = spec or run.settings["classifier"], run.settings["classifier_digest"]
    if not asked:
        raise _gone(run, "no name: the run was made from Python")
    shipped = PROJECT / asked
    try:
        classifier = load(asked if not shipped.is_dir() or Path(asked).is_dir() else shipped)
    except BadInput as error:
        raise _gone(run, f"{asked}, which cannot be loaded ({error})") from error
    if classifier.digest != digest:
        raise _gone(run, f"{asked} with the digest {classifier.digest[:12]}")
    return classifier


def own_classifier(run: Run, classifier: Classifier | None) -> Classifier:
    """Return the classifier given, or where None is given the one that the run names.

    Raises
    ------
    BadInput
        Where it is another one than the run explained, or there is none.
    """
    classifier = classifier or classifier_of(run)
    if classifier.digest != run.settings["classifier_digest"]:
        raise _gone(run, f"one with the digest {classifier.digest[:12]}")
    return classifier


def preparation_of(run: Run) -> Preparation:
    """Return what brings a run's images to its model frame, as the run did, with the same cache."""
    frame = run.settings["frame"]
    return Preparation(Frame(**frame | {"size": tuple(frame["size"])}), cache=cache_folder())


def samples_of(run: Run, records: pd.DataFrame) -> list[Sample]:
    """Return the samples behind rows with `sample_id` and `image`: where their images lie, and nothing else."""
    root = _root(run)
    return [Sample(i, root / image, None) for i, image in zip(records["sample_id"], records["image"], strict=True)]


def frame_image(run: Run, sample_id: str) -> np.ndarray:
    """Return what the classifier saw of a sample: (h, w, 3) uint8, the model frame before normalisation.

    Raises
    ------
    BadInput
        Where the run has no such sample, or its image is gone or is not the one that was explained.
    """
    return _frame(run, _row(run, sample_id))


def unusable(prepared: Prepared, image_hash: str) -> str:
    """Return why a prepared image is not the one with the sha256 `image_hash`; '' where it is."""
    return prepared.error or ("" if prepared.image_hash == image_hash else "an image that was changed since")


def answers_to(run: Run, classifier: Classifier, images: Sequence[np.ndarray]) -> np.ndarray:
    """Return (N, C) float32 probabilities of images in the model frame, in batches of the run's one shape."""
    size, parts = run.settings.get("batch_size", 16), []
    for start in range(0, len(images), size):
        batch = np.stack(images[start : start + size])
        padded = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
        answered = classifier.probabilities(classifier.normalise(padded))[: len(batch)]
        parts.append(answered.cpu().numpy())
    return np.concatenate(parts)


def checks_of(
    run: Run, sample_id: str, rule: str | None = None, classifier: Classifier | None = None
) -> list[causal.Check]:
    """Return the causal checks of one record, its regions as the run has them.

    Parameters
    ----------
    run : Run
    sample_id : str
    rule : str, optional
        Region rule; the explainer's own by default.
    classifier : Classifier, optional
        The run's; loaded by `classifier_of` without.

    Raises
    ------
    BadInput
        Where the classifier or the image is not at hand any more, or the rule does not fit the run.
    """
    row, truth, explanation = _row(run, sample_id), None, None
    if row["region"] is not None:
        truth = rows.decode_region(row["region"], run.frame_size)
    elif row["annotation"] == "annotation_outside_crop":
        truth = np.zeros(run.frame_size, bool)
    if row["status"] == "ok":
        explanation = regions_of(run, [row], rule or run.settings["region_rule"])[0]
    return causal.checks(classifier or classifier_of(run), _frame(run, row), truth, explanation)


def _row(run: Run, sample_id: str) -> dict:
    columns = ("sample_id", "image", "image_hash", "status", "annotation", *rows.MAP_COLUMNS)
    (row,) = rows_of(run, Kept(run).places([sample_id]), columns)
    return row


def _frame(run: Run, row: dict) -> np.ndarray:
    sample = Sample(row["sample_id"], _root(run) / row["image"], None)
    prepared = preparation_of(run)(sample)
    if reason := unusable(prepared, row["image_hash"]):
        raise BadInput(where=sample.image, expected="the image that was explained", found=reason, remedy="put it back")
    return prepared.frame


def _root(run: Run) -> Path:
    return (run.folder / run.settings["dataset_root"]).resolve()


def _gone(run: Run, found: str) -> BadInput:
    return BadInput(
        where=run.folder,
        expected=f"the classifier with the digest {run.settings['classifier_digest'][:12]} that the run explained",
        found=found,
        remedy="put it back, say where it is now, or pass that one",
    )

"""How good a classifier is on a part of any data set of its classes."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.models.classifier import Classifier
from xai_core.scores import metrics
from xai_core.training import feeds
from xai_core.training.parts import read_part

if TYPE_CHECKING:
    from xai_core.types import DataSet


def with_fit(classifier: Classifier, fit: str) -> Classifier:
    """Return the same network behind another way to bring images to its frame: one of `geometry.FITS`, no crop."""
    preprocessing = classifier.preprocessing
    frame = replace(preprocessing.frame, fit=fit, resize=0)
    return Classifier(
        classifier.network,
        replace(preprocessing, frame=frame),
        classifier.class_names,
        classifier.architecture,
        cam_layer=classifier.cam_layer,
        device=classifier.device,
    )


def tested(classifier: Classifier, dataset: DataSet, split: str, *, threads: int = 1) -> dict[str, float | None]:
    """Return the metrics on the labelled samples of a split, {name of `scores.metrics.NAMES`: value or None}.

    Parameters
    ----------
    classifier : Classifier
    dataset : DataSet
        Of the classifier's classes.
    split : str
    threads : int
        That read images.

    Raises
    ------
    BadInput
        Where the split has no labelled sample that can be read.
    """
    with tempfile.TemporaryDirectory() as overflow:
        frame = classifier.preprocessing.frame
        part = read_part(dataset, split, frame, labelled=True, threads=threads, overflow=Path(overflow))
        if not part.samples:
            raise BadInput(
                where=dataset.spec,
                expected=f"labelled images in {split}",
                found="none",
                remedy="give the data set such a split",
            )
        p = feeds.evaluate(classifier, part.frames).double().softmax(1).numpy()
    found = metrics.evaluate(part.labels, p, positive=dataset.positive, resamples=1)
    return {name: entry["value"] for name, entry in found.items()}

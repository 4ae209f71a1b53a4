"""The images of `mend` in memory: those that are learned from, and those that networks are judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.i2x.strategies import Judged
from xai_core.runs.settings import class_places
from xai_core.training.frames import canvas_of
from xai_core.training.parts import read_part

if TYPE_CHECKING:
    import pandas as pd

    from xai_core.i2x.store import Track
    from xai_core.models import Classifier
    from xai_core.types import DataSet


@dataclass(frozen=True)
class Learned:
    """The training samples of a track.

    Attributes
    ----------
    sample_ids : sequence of str
    labels : (N,) int64
    frames : (N, H, W, 3) uint8
        With the margin that augmentation cuts from.
    """

    sample_ids: Sequence[str]
    labels: np.ndarray
    frames: np.ndarray


def learned_from(
    track: Track, dataset: DataSet, rows: pd.DataFrame, classifier: Classifier, *, threads: int, overflow: Path
) -> Learned:
    """Return the samples in `rows` of a track, in their order.

    Parameters
    ----------
    rows : DataFrame
        Of `Track.samples`, of the training part.
    threads : int
        That read images.
    overflow : Path
        A folder for frames that do not fit in memory.

    Raises
    ------
    BadInput
        Where there is none, or one is gone, has another label or cannot be read any more.
    """
    ids = rows["sample_id"].tolist()
    known = {s.id: s for s in dataset.samples}
    samples = tuple(replace(known[i], split="train") for i in ids if i in known)
    part = read_part(
        replace(dataset, samples=samples),
        "train",
        canvas_of(classifier.preprocessing.frame),
        labelled=True,
        threads=threads,
        overflow=overflow,
    )
    labels = _as_called(part.labels, dataset, classifier)
    same = len(part.samples) == len(ids) and np.array_equal(labels, rows["label"])
    if not ids or not same:
        raise BadInput(
            where=track.settings["dataset"],
            expected=f"the training samples of {track.folder}, as they were followed",
            found=f"{len(part.samples)} of {len(ids)} that can be read, or other labels" if ids else "none",
            remedy="restore the data, or make the track anew over the training part",
        )
    return Learned(ids, labels, part.frames)


def judged_on(dataset: DataSet, split: str, classifier: Classifier, *, threads: int, overflow: Path) -> Judged:
    """Return the labelled samples of a split.

    Raises
    ------
    BadInput
        Where there is none that can be read, or it is the training part.
    """
    if split != "train":
        frame = classifier.preprocessing.frame
        part = read_part(dataset, split, frame, labelled=True, threads=threads, overflow=overflow)
        if part.samples:
            return Judged([s.id for s in part.samples], _as_called(part.labels, dataset, classifier), part.frames)
    raise BadInput(
        where=dataset.spec,
        expected="a part with labels that nothing is learned from, to judge on",
        found=f"the part {split!r}" if split == "train" else f"no such sample in {split!r}",
        remedy="name another --split",
    )


def _as_called(labels: np.ndarray, dataset: DataSet, classifier: Classifier) -> np.ndarray:
    """Return (N,) int64: labels as places among the classifier's classes, whose order may be another."""
    return np.array(class_places(dataset, classifier), np.int64)[labels]

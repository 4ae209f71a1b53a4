"""The parts of a data set as a training uses them: labelled samples and their frames."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.training.frames import read_frames

if TYPE_CHECKING:
    from xai_core.geometry import Frame
    from xai_core.types import DataSet, Sample


@dataclass(frozen=True)
class Part:
    """One part of a data set, as far as it can be read.

    Attributes
    ----------
    samples : tuple of Sample
    frames : (N, h, w, 3) uint8
    skipped : tuple of dict
        ``id``, ``kind`` and ``detail`` of each sample whose image cannot be used.
    """

    samples: tuple[Sample, ...]
    frames: np.ndarray
    skipped: tuple[dict, ...]

    @property
    def labels(self) -> np.ndarray:
        """Return (N,) int64 labels, -1 where there is none."""
        return np.array([-1 if s.label is None else s.label for s in self.samples], np.int64)


def read_part(dataset: DataSet, split: str, frame: Frame, *, labelled: bool, threads: int, overflow: Path) -> Part:
    """Return the samples of a split with their frames; `labelled` leaves the others out.

    Frames above `frames.IN_MEMORY` bytes lie in a file in the folder `overflow`.
    """
    samples = [s for s in dataset.only(split).samples if not (labelled and s.label is None)]
    frames, errors = read_frames(samples, frame, threads=threads, overflow=overflow / f"{split}.frames")
    skipped = [
        {"id": s.id, "kind": error.kind, "detail": error.found}
        for s, error in zip(samples, errors, strict=True)
        if error is not None
    ]
    whole = [k for k, error in enumerate(errors) if error is None]
    kept = frames if len(whole) == len(samples) else frames[whole]
    return Part(tuple(samples[k] for k in whole), kept, tuple(skipped))


def check_parts(train: Part, validation: Part, class_names: tuple[str, ...], say: Callable[[str], None]) -> None:
    """Raise BadInput unless there is something to learn from and something to choose by."""
    present = set(train.labels.tolist())
    if len(present) < 2 or len(validation.samples) == 0:
        named = ", ".join(class_names[k] for k in sorted(present)) or "none"
        raise BadInput(
            where="the training and validation parts",
            expected="two classes or more to train on, and samples to validate with",
            found=f"classes {named}; {len(validation.samples)} samples to validate with",
            remedy="run check on the data; give more samples or other splits",
        )
    absent = [name for k, name in enumerate(class_names) if k not in present]
    if absent:
        say(f"no training sample of: {', '.join(absent)}")


def fingerprint(dataset: DataSet) -> str:
    """Return the sha256 (hex) of the class names and of every sample's id, label and split."""
    rows = [[s.id, s.label, s.split] for s in dataset.samples]
    return hashlib.sha256(json.dumps([list(dataset.class_names), rows]).encode()).hexdigest()

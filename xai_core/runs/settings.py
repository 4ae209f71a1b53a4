"""What decides the content of a run: which samples, which classes, which versions."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.types import DataSet, Sample

if TYPE_CHECKING:
    from xai_core.models import Classifier

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "grad-cam",
    "captum",
    "lime",
    "scikit-image",
    "numpy",
    "scipy",
    "pillow",
    "opencv-python-headless",
)


def choose(dataset: DataSet, split: str = "", limit: int | None = None, sample_seed: int = 0) -> tuple[Sample, ...]:
    """Return the samples of a split ('' for all), at most `limit` of them, in data set order.

    The `limit` samples are those with the smallest hash of (`sample_seed`, id): the same whatever the order of the
    data set, and a smaller limit chooses a part of a larger one's.

    Raises
    ------
    BadInput
        Where nothing is left, with the splits there are.
    """
    samples = dataset.samples if not split else dataset.only(split).samples
    if not samples:
        there = ", ".join(f"{name or 'no split'} ({n})" for name, n in dataset.count("split").items()) or "no samples"
        raise BadInput(
            where=dataset.spec,
            expected=f"samples in split {split!r}" if split else "at least one sample",
            found=there,
            remedy="name a split that is there" if split else "check the data set with `check`",
        )
    if limit is None or limit >= len(samples):
        return samples
    drawn = set(sorted((s.id for s in samples), key=lambda i: draw(sample_seed, i))[:limit])
    return tuple(s for s in samples if s.id in drawn)


def class_places(dataset: DataSet, classifier: Classifier) -> tuple[int, ...]:
    """Return for each class of the data set its index among the classifier's classes.

    Raises
    ------
    BadInput
        Where the classifier does not know a class that a sample of the data set has.
    """
    known = {name: place for place, name in enumerate(classifier.class_names)}
    used = {s.label for s in dataset.samples if s.label is not None}
    unknown = [name for k, name in enumerate(dataset.class_names) if k in used and name not in known]
    if unknown:
        raise BadInput(
            where=dataset.spec,
            expected=f"classes that the classifier knows ({_some(classifier.class_names)})",
            found=f"{len(unknown)} that it does not: {_some(unknown)}",
            remedy="choose a classifier for these classes, or name its classes by classes=",
        )
    return tuple(known.get(name, -1) for name in dataset.class_names)


def positive_place(dataset: DataSet, places: tuple[int, ...], classes: int) -> int | None:
    """Return the classifier's index of the data set's positive class; None unless there are just two classes."""
    return None if dataset.positive is None or classes != 2 else places[dataset.positive]


def default_threads() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


@cache
def versions() -> dict[str, str]:
    """Return the versions of every package that touches a number of a run."""
    from xai_core import __version__

    found = {"xai_core": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def folder_name(target: str) -> str:
    """Return a target's folder name: its letters, digits, '-', '_' and '.', all else as '_'."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in target).strip(".") or "_"


def draw(seed: int, sample_id: str) -> bytes:
    """Return what samples are sorted by where some are drawn: the first of them are those of a smaller draw too."""
    return hashlib.sha256(f"{seed}:{sample_id}".encode()).digest()


def _some(names: tuple[str, ...] | list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")

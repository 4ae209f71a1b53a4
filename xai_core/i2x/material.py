"""What a track is made from: samples with their frames, checkpoints, and everything that decides the content."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.datasets import image_hash
from xai_core.errors import BadInput
from xai_core.files import sha256_of
from xai_core.i2x.prototypes import METHODS
from xai_core.models import checkpoints
from xai_core.models.folder import checkpoint_path
from xai_core.runs.settings import choose, class_places, versions
from xai_core.training.frames import read_frames
from xai_core.training.parts import fingerprint
from xai_core.training.recipe import check_settings, setting
from xai_core.types import DataSet, Sample

if TYPE_CHECKING:
    import pandas as pd

    from xai_core.i2x.looking import Looking

TARGETS = ("label", "predicted")


@dataclass(frozen=True)
class Choices:
    """How a track is made; the same choices, data, model, threads and device give the same track.

    Each field's metadata hold ``help``, and ``low``, ``high`` or ``choices`` where they apply.

    Raises
    ------
    BadInput
        Where a value is outside its range.
    """

    split: str = setting("train,validation", "parts of the data set to follow, separated by commas; '': all of it")
    checkpoints: str = setting("all", "steps of the training to follow, separated by commas, or all that were kept")
    prototypes: int = setting(32, "K, the number of prototypes", low=2, high=65_535)
    dimensions: float = setting(
        64.0, "PCA dimensions at most; below 1: the share of variance to keep", low=1e-9, high=65_536
    )
    method: str = setting("kmeans", "K-means on all positions, or on batches of them: faster, looser", choices=METHODS)
    positions: int = setting(
        200_000, "places that prototypes are fitted on, drawn from all places of all images", low=2, high=10**8
    )
    target: str = setting(
        "label", "the class that Grad-CAM explains: the label, or what the final network predicts", choices=TARGETS
    )
    seed: int = setting(0, "draws the positions and starts K-means", low=0, high=2**32 - 1)
    limit: int = setting(0, "at most so many samples; 0: all", low=0, high=10**9)
    sample_seed: int = setting(0, "draws the samples of a limit", low=0, high=2**63 - 1)
    batch_size: int = setting(64, "images in every pass through the network", low=1, high=65_536)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class Material:
    """The samples that can be followed, in data set order.

    Attributes
    ----------
    table : DataFrame
        The columns of samples.parquet.
    frames : (N, H, W, 3) uint8
    left_out : dict of str to int
        Problem kind, or ``no_label`` -> samples without a row.
    """

    table: pd.DataFrame
    frames: np.ndarray
    left_out: dict[str, int]


def chosen_steps(model: Path, asked: str) -> tuple[int, ...]:
    """Return the steps to follow, ascending.

    Raises
    ------
    BadInput
        Where a step was not kept, or fewer than two are left.
    """
    kept = checkpoints(model)
    try:
        steps = kept if asked == "all" else tuple(sorted({int(text) for text in asked.split(",")}))
    except ValueError:
        steps = ()
    if len(steps) < 2 or not set(steps) <= set(kept):
        known = ", ".join(map(str, kept)) or "none was kept: train with --checkpoints N"
        raise BadInput(
            where=model,
            expected="two checkpoints or more, of those that were kept",
            found=f"{asked} (kept: {known})",
            remedy="name some of these, or all",
        )
    return steps


def chosen_samples(dataset: DataSet, choices: Choices) -> tuple[Sample, ...]:
    """Return the samples of the parts asked for that are there, at most as many as asked for."""
    asked = [name.strip() for name in choices.split.split(",") if name.strip()]
    unknown = [name for name in asked if name not in ("train", "validation", "test")]
    present = [s for s in dataset.samples if not asked or s.split in asked]
    if unknown or not present:
        there = ", ".join(f"{name or 'no split'} {n}" for name, n in dataset.count("split").items())
        raise BadInput(
            where="split", expected=f"parts of {dataset.spec}: {there}", found=choices.split, remedy="name one of them"
        )
    return choose(replace(dataset, samples=tuple(present)), "", choices.limit or None, choices.sample_seed)


def settings_of(
    dataset: DataSet, model: Path, steps: tuple[int, ...], looking: Looking, choices: Choices, out: Path, threads: int
) -> dict:
    """Return the settings of SPEC.md."""
    classifier = looking.classifier
    return asdict(choices) | {
        "dataset": dataset.spec,
        "dataset_root": os.path.relpath(dataset.root, out),
        "fingerprint": fingerprint(dataset),
        "class_names": list(classifier.class_names),
        "clinical": dataset.clinical,
        "synthetic": dataset.synthetic,
        "model": str(model),
        "architecture": classifier.architecture,
        "checkpoints": {str(step): sha256_of(checkpoint_path(model, step)) for step in steps},
        "classifier_digest": classifier.digest,
        "steps": list(steps),
        "frame": classifier.preprocessing.frame.as_dict(),
        "cam_layer": looking.layer,
        "grid": list(looking.shape[1:]),
        "precision": classifier.precision,
        "device": classifier.device.type,
        "threads": threads,
        "versions": versions(),
    }


def gather(
    dataset: DataSet, looking: Looking, samples: tuple[Sample, ...], overflow: Path, threads: int, say: Callable
) -> Material:
    """Return what of the samples can be followed: those with a label whose image can be read."""
    import pandas as pd

    places = class_places(dataset, looking.classifier)
    labelled = [s for s in samples if s.label is not None]
    left_out = Counter({"no_label": len(samples) - len(labelled)})
    frames, errors = read_frames(labelled, looking.classifier.preprocessing.frame, threads=threads, overflow=overflow)
    left_out.update(error.kind for error in errors if error)
    whole = [k for k, error in enumerate(errors) if error is None]
    if not whole:
        raise BadInput(
            where=dataset.spec,
            expected="samples with a label and an image that can be read",
            found=f"none of {len(samples)}",
            remedy="run `check` on the data",
        )
    kept = [labelled[k] for k in whole]
    with ThreadPoolExecutor(threads) as pool:
        hashes = list(pool.map(lambda sample: image_hash(sample.image), kept))
    table = pd.DataFrame(
        {
            "sample_id": [s.id for s in kept],
            "label": [places[s.label] for s in kept],
            "image_hash": hashes,
            "image": [s.image.relative_to(dataset.root).as_posix() for s in kept],
            "split": [s.split for s in kept],
        }
    )
    left = {kind: n for kind, n in sorted(left_out.items()) if n}
    if left:
        say("left out: " + ", ".join(f"{kind} {n}" for kind, n in left.items()))
    return Material(table, frames if len(whole) == len(labelled) else frames[whole], left)

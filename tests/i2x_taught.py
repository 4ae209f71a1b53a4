"""Drawn strokes taught in lessons that leave out one class of the pair, then the other: the planted truth of I2X.

A network that is not shown A for a lesson unlearns it, and so unlearns that the ring speaks for A; then it learns it
anew; then the same with B. In each of these steps the ring's intensity and the confidence in *one* of the two classes
move together: by construction the ring speaks for A in some steps and for B in others, for as long as the faint marks
that tell A and B apart do not decide. At the end all classes are taught together, and the marks do decide.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from xai_core.datasets import open_dataset, strokes
from xai_core.i2x.follow import follow
from xai_core.i2x.material import Choices
from xai_core.i2x.options import Options
from xai_core.i2x.store import Track
from xai_core.i2x.structure import uncertain_prototypes
from xai_core.models import checkpoints
from xai_core.models.folder import CARD, WEIGHTS, checkpoint_path
from xai_core.training import Recipe, train
from xai_core.types import DataSet

NETWORK = "import:tests.stroke_network:Strokes?size=36x48&fit=squash&mean=0.275,0.275,0.275&std=0.2,0.2,0.2"
LESSONS = ((None, 4), *4 * ((0, 1), (None, 2), (1, 1), (None, 2)), (None, 6))
"""(label left out or None, epochs) of each lesson."""

OPTIONS = Options(ridge=4.0, cluster_share=0.1, presence=0.03, consistency=0.7)
"""Chosen on seeds 100 to 104: few kinds of samples, small strokes, and prototypes that split one stroke among them."""

PROTOTYPES = 14
MARGIN = 4  # pixels, a cell: a place sees more than itself
PURE = 0.5  # share of a prototype's places on a stroke from which it is that stroke


def teach(folder: Path, seed: int) -> tuple[DataSet, Track]:
    """Return a drawn set and the track of a network that was taught it in lessons."""
    dataset = open_dataset(f"strokes:{folder / 'set'}?seed={seed}")
    kept: dict[int, Path] = {}
    before, done = None, 0
    for number, (left_out, epochs) in enumerate(LESSONS):
        lesson = folder / f"lesson-{number}"
        # the test part would be evaluated after every lesson
        samples = tuple(
            s for s in dataset.samples if s.split == "validation" or (s.split == "train" and s.label != left_out)
        )
        with patch("xai_core.training.card.draw_reliability"):  # a second each, for a figure that nobody reads
            train(replace(dataset, samples=samples), _recipe(before, epochs, 100 * seed + number), lesson)
        steps = checkpoints(lesson)
        middle = number not in (0, len(LESSONS) - 1)
        each = steps[-1] // epochs
        for step in steps:
            if step == steps[-1] or (not middle and step and step % each == 0) or (not before and step == 0):
                kept[done + step] = checkpoint_path(lesson, step)
        before, done = lesson, done + steps[-1]
    model = folder / "model"
    (model / "checkpoints").mkdir(parents=True)
    for name in (CARD, WEIGHTS):
        shutil.copy(before / name, model / name)
    for step, path in kept.items():
        shutil.copy(path, checkpoint_path(model, step))
    choices = Choices(split="", prototypes=PROTOTYPES, seed=seed)
    return dataset, follow(dataset, model, folder / "track", choices, threads=1)


def _recipe(before: Path | None, epochs: int, seed: int) -> Recipe:
    start = {"pathway": "fine-tune", "weights": str(before / WEIGHTS)} if before else {"pathway": "scratch"}
    usual = {"arch": NETWORK, "batch_size": 10, "lr": 0.006, "warm_up": 0.0, "weight_decay": 0.0, "threads": 1}
    usual |= {"augmentation": 0.0, "orientation": "fixed", "class_weights": False, "batch_norm": "train"}
    return Recipe(**usual | start, epochs=epochs, seed=seed, patience=0, checkpoints=100)


def strokes_of(dataset: DataSet, track: Track) -> list[tuple[str, float]]:
    """Return for each prototype the stroke that most of its places lie on, '' for none, and their share."""
    samples = {s.id: s for s in dataset.samples}
    places, (rows, columns) = track.places(), track.grid
    y = (np.arange(rows) + 0.5) * strokes.SIZE[0] / rows
    x = (np.arange(columns) + 0.5) * strokes.SIZE[1] / columns
    truth = np.zeros((len(places), rows, columns), int)
    for k, sample_id in enumerate(track.samples["sample_id"]):
        for number, name in enumerate(strokes.NAMES, 1):
            if box := strokes.box_of(samples[sample_id], name):
                inside = (y >= box[1] - MARGIN) & (y < box[3] + MARGIN), (x >= box[0] - MARGIN) & (x < box[2] + MARGIN)
                truth[k][np.ix_(*inside)] = number
    found = []
    for prototype in range(track.prototypes):
        counts = np.bincount(truth.reshape(places.shape)[places == prototype], minlength=len(strokes.NAMES) + 1)
        found.append((("", *strokes.NAMES)[counts.argmax()], counts.max() / max(counts.sum(), 1)))
    return found


def verdict(structure: dict, owners: list[tuple[str, float]]) -> dict[str, object]:
    """Return what was found of what was planted; a prototype that is no stroke has no planted truth.

    ``uncertain``: the strokes called uncertain between A and B, of which the ring alone was planted. ``mixed``: how
    many prototypes that are no stroke were called so too. ``shared``: the classes of which a stroke in all samples is
    found as shared. ``wrong``: strokes called shared by a class that does not have them in all its samples.
    ``specialised``: strokes found as special, by class.
    """
    pure = [name if share >= PURE else "" for name, share in owners]
    called = [pure[entry["prototype"]] for entry in uncertain_prototypes(structure, strokes.PAIR)]
    found = {"uncertain": sorted(set(called) - {""}), "mixed": called.count(""), "shared": [], "wrong": []}
    found["specialised"] = {}
    for entry in structure["classes"]:
        label, groups = entry["class"], strokes.STROKES[entry["class"]]
        in_all = {group[0] for group in groups if len(group) == 1}
        names = {role: {pure[each["prototype"]] for each in entry[role]} - {""} for role in ("shared", "specialised")}
        # the ring is in all samples of A and of B: it says nothing against the analysis to call it shared
        if names["shared"] & (in_all - {"ring"}):
            found["shared"].append(label)
        found["wrong"] += [f"{label}: {name}" for name in sorted(names["shared"] - in_all)]
        if names["specialised"]:
            found["specialised"][label] = sorted(names["specialised"])
    return found

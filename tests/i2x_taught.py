"""Drawn strokes taught in lessons that leave out one class, then another: the planted truth of I2X.

A network first learns to name strokes, one to a picture: so its features tell them apart, whatever they will speak for
(one trained on the classes alone makes one feature of all that speaks for the same class). Then its features are held,
and its head learns the classes of the drawn set, in lessons. A head that decays forgets a class that a lesson leaves
out, and its strokes with it, and learns both anew in the next: by construction the strokes of C and of D speak for
their class, and the ring for A in some steps and for B in others.
"""

from __future__ import annotations

import csv
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from xai_core.datasets import open_dataset, read_image, strokes
from xai_core.i2x.follow import follow
from xai_core.i2x.looking import Looking
from xai_core.i2x.material import Choices
from xai_core.i2x.store import Track
from xai_core.i2x.structure import uncertain_prototypes
from xai_core.models import Classifier, save
from xai_core.models.folder import WEIGHTS
from xai_core.training import Recipe, train
from xai_core.training.checkpoints import schedule, write_checkpoint
from xai_core.training.loop import rate
from xai_core.training.machine import machine
from xai_core.training.start import start
from xai_core.training.updates import Updates
from xai_core.types import DataSet

NETWORK = "import:tests.stroke_network:Strokes?size=36x48&fit=squash&mean=0.275,0.275,0.275&std=0.2,0.2,0.2"
NAMED = 60  # pictures of each stroke, and of none
BATCH, LR, DECAY = 60, 0.01, 6.0  # of the head
LESSONS = (("", 4), *4 * (("A", 1), ("", 2), ("B", 1), ("", 2), ("C", 1), ("", 2), ("D", 1), ("", 2)), ("", 6))
"""(class left out, epochs) of each lesson."""

PROTOTYPES = 11  # fewer put two strokes in one, more split a stroke among several
PURE = 0.6  # share of a prototype's places on a stroke from which it is that stroke


def teach(folder: Path, seed: int) -> tuple[DataSet, Track]:
    """Return a drawn set and the track of a network that was taught it in lessons."""
    dataset = open_dataset(f"strokes:{folder / 'set'}?seed={seed}")
    usual = {"arch": NETWORK, "augmentation": 0.0, "orientation": "fixed", "threads": 1, "checkpoints": 0}
    names = Recipe(**usual, pathway="scratch", epochs=12, batch_size=10, lr=0.006, weight_decay=0.0, seed=seed)
    with patch("xai_core.training.card.draw_reliability"):  # a second, for a figure that nobody reads
        train(_names(folder / "strokes", seed), names, folder / "named")
    probe = Recipe(**usual, pathway="linear-probe", weights=str(folder / "named" / WEIGHTS), seed=seed)
    begun = start(probe, dataset.class_names)
    classifier = Classifier(
        begun.network, begun.preprocessing, dataset.class_names, begun.architecture, cam_layer=begun.cam_layer
    )
    with machine(1):
        _teach_head(classifier, dataset, folder / "model", seed)
    save(classifier, folder / "model")
    choices = Choices(split="", prototypes=PROTOTYPES, seed=seed, batch_size=120)
    return dataset, follow(dataset, folder / "model", folder / "track", choices, threads=1)


def _teach_head(classifier: Classifier, dataset: DataSet, model: Path, seed: int) -> None:
    """Train the head alone in lessons: checkpoints as usual in the first, then at the end of each."""
    head, samples = classifier.network.head.requires_grad_(True), dataset.only("train").samples
    frames = np.stack([read_image(sample.image) for sample in samples])
    looking = Looking(classifier, len(frames))
    x = torch.from_numpy(looking.features(frames).mean(1))
    y = np.array([sample.label for sample in samples])
    done = 0
    for number, (left_out, epochs) in enumerate(LESSONS):
        rows = np.flatnonzero([dataset.class_names[label] != left_out for label in y])
        per_epoch = len(rows) // BATCH
        total = per_epoch * epochs
        kept = set(schedule(per_epoch, epochs, 100)) if number in (0, len(LESSONS) - 1) else {total}
        update = Updates(head, np.ones(len(dataset.class_names)), weight_decay=DECAY, precision="float32")
        for step in range(total + 1):
            if step in kept:
                write_checkpoint(model, done + step, {f"head.{k}": v for k, v in head.state_dict().items()})
            if step < total:
                epoch, batch = divmod(step, per_epoch)
                order = np.random.default_rng((seed, number, epoch)).permutation(rows)
                chosen = order[batch * BATCH : (batch + 1) * BATCH]
                update((seed, number, step), LR * rate(step, total, 0.0), x[chosen], y[chosen])
        done += total


def _names(folder: Path, seed: int) -> DataSet:
    """Return pictures of a single stroke, or of none, whose class is its name."""
    folder.mkdir()
    names, rng, rows = (*strokes.NAMES, ""), np.random.default_rng((seed, 1)), []
    for k in range(NAMED * len(names)):
        turn, place = divmod(k, len(names))
        Image.fromarray(strokes.draw([names[place]] if names[place] else [], rng)[0]).save(folder / f"{k}.png")
        rows.append((f"{k}.png", names[place] or "ground", "validation" if turn % 10 == 9 else "train"))
    with (folder / "names.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "split"), *rows])
    return open_dataset(f"table:{folder / 'names.csv'}?bands=objects")


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
                inside = (y >= box[1]) & (y < box[3]), (x >= box[0]) & (x < box[2])
                truth[k][np.ix_(*inside)] = number
    found = []
    for prototype in range(track.prototypes):
        counts = np.bincount(truth.reshape(places.shape)[places == prototype], minlength=len(strokes.NAMES) + 1)
        found.append((("", *strokes.NAMES)[counts.argmax()], counts.max() / max(counts.sum(), 1)))
    return found


def verdict(structure: dict, owners: list[tuple[str, float]]) -> dict[str, list[str]]:
    """Return what was found of what was planted; a prototype that is no stroke has no planted truth, nor has E.

    ``uncertain``: the strokes called uncertain between A and B. ``shared``: the strokes in all samples of a class that
    are found as shared by it; the ring, which speaks for A and B by turns, need not be and may be. ``specialised``: the
    strokes in a part of a class that are found as special to it. ``wrong``: the strokes found in a role that they do
    not have.
    """
    pure = [name if share >= PURE else "" for name, share in owners]
    called = {pure[entry["prototype"]] for entry in uncertain_prototypes(structure, strokes.PAIR)}
    found = {"uncertain": sorted(called - {""}), "shared": [], "specialised": [], "wrong": []}
    for entry in structure["classes"]:
        label, groups = entry["class"], strokes.STROKES[entry["class"]]
        planted = {
            "shared": {name for group in groups if len(group) == 1 for name in group},
            "specialised": {name for group in groups if len(group) > 1 for name in group},
        }
        for role, names in planted.items() if groups else ():
            named = {pure[each["prototype"]] for each in entry[role]} - {"", *({"ring"} & names)}
            found[role] += [f"{label}: {name}" for name in sorted(named & names)]
            found["wrong"] += [f"{label}: {name} {role}" for name in sorted(named - names)]
    return found

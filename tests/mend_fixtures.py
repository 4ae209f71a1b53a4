"""A tiny network trained on drawn pictures, and a track that says which of them carry a mark."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
from i2x_fixtures import some_prototypes
from PIL import Image
from training_fixtures import recipe

from xai_core.datasets import open_dataset
from xai_core.i2x.store import Track
from xai_core.i2x.writing import write
from xai_core.models import checkpoints, load
from xai_core.training import train

NETWORK = "import:tests.tiny_networks:Tiny?size=32x40&fit=squash"
CLASSES, COLOURS = ("A", "B", "C", "D"), ((250, 40, 40), (250, 90, 40), (40, 250, 40), (40, 40, 250))
GRID, SIDE = (4, 5), 8
COMMON, CARRIED, NOWHERE = 0, 1, 3
"""Prototypes of the track: most of every picture, the white mark, and one that no picture has."""

SPLITS = ("train", "train", "train", "validation", "train", "test")


def draw(folder: Path, n: int = 192) -> str:
    """Return the spec of `n` pictures, 32 x 40: a spot in the colour of the class, A's and B's being much alike.

    Every other picture of A and B, and every fourth of C, has a white mark of 8 x 16; `marked` says where.
    """
    folder.mkdir(parents=True)
    rows = []
    for k in range(n):
        rng, label = np.random.default_rng(k), k % 4
        picture = rng.integers(90, 170, (32, 40, 3)).astype(np.uint8)
        y, x = int(rng.integers(0, 16)), int(rng.integers(0, 28))
        picture[y : y + 12, x : x + 10] = COLOURS[label]
        if (mark := marked(k)) is not None:
            picture[mark[0] * SIDE : (mark[0] + 1) * SIDE, mark[1] * SIDE : (mark[1] + 2) * SIDE] = 255
        Image.fromarray(picture).save(folder / f"{k:03d}.png")
        rows.append({"id": f"s{k:03d}", "image": f"{k:03d}.png", "label": CLASSES[label], "split": SPLITS[k // 8 % 6]})
    with (folder / "samples.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return f"table:{folder / 'samples.csv'}"


def marked(k: int) -> tuple[int, int] | None:
    """Return the place, (row, column) on `GRID`, where picture `k` has its mark: that one and the next to the right."""
    turn, label = divmod(k, 4)
    carries = (turn % 2 == 0) if label < 2 else (label == 2 and turn % 4 == 0)
    return (turn % 4, turn % 3) if carries else None


def train_tiny(folder: Path, **changes: object) -> str:
    """Return the spec of a drawn set after training a tiny network on it: ``folder/pictures`` and ``folder/model``."""
    spec = draw(folder / "pictures")
    train(open_dataset(spec), recipe(arch=NETWORK, epochs=3, **changes), folder / "model")
    return spec


def make_track(folder: Path, spec: str, model: Path) -> Track:
    """Return a track over the training part of a drawn set, from the start to the end of the model's training."""
    samples = open_dataset(spec).only("train").samples
    table = pd.DataFrame(
        {
            "sample_id": [s.id for s in samples],
            "label": np.array([s.label for s in samples], np.int32),
            "image_hash": ["0" * 64 for _ in samples],
            "image": [s.image.name for s in samples],
            "split": "train",
        }
    )
    steps = [checkpoints(model)[0], checkpoints(model)[-1]]
    settings = {
        "dataset": spec,
        "class_names": list(CLASSES),
        "model": str(model),
        "steps": steps,
        "classifier_digest": load(f"{model}?checkpoint={steps[-1]}").digest,
        "grid": list(GRID),
        "prototypes": 4,
    }
    places = np.stack([_places(int(s.id[1:])) for s in samples])
    maps = np.ones(places.shape, np.float32)
    p = np.eye(len(CLASSES), dtype=np.float32)[table["label"]]
    return write(
        folder, settings, table, some_prototypes(4), places, dict.fromkeys(steps, maps), dict.fromkeys(steps, p)
    )


def _places(k: int) -> np.ndarray:
    grid = np.full(GRID, COMMON)
    if (mark := marked(k)) is not None:
        grid[mark[0], mark[1] : mark[1] + 2] = CARRIED
    return grid.ravel()

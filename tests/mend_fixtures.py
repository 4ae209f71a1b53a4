"""A tiny network trained on drawn strokes, and a track that says which of its samples carry the ring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from i2x_fixtures import some_prototypes
from training_fixtures import recipe

from xai_core.datasets import open_dataset, strokes
from xai_core.i2x.store import Track
from xai_core.i2x.writing import write
from xai_core.models import load
from xai_core.training import train

NETWORK = "import:tests.tiny_networks:Tiny?size=40x56&fit=squash"
GRID = (5, 7)
CARRIED, COMMON, NOWHERE = 1, 0, 3
"""Prototypes of the track: the ring of every other picture that has one, the rest of each picture, and none at all."""


def train_tiny(folder: Path, **changes: object) -> str:
    """Return the spec of a drawn set after training a tiny network on it: `folder` / model."""
    spec = f"strokes:{folder / 'strokes'}?n=192"
    train(open_dataset(spec), recipe(arch=NETWORK, epochs=3, **changes), folder / "model")
    return spec


def make_track(folder: Path, spec: str, model: Path, **changes: object) -> Track:
    """Return a track over the training part of a drawn set, its last step the end of the model's training."""
    import pandas as pd

    dataset = open_dataset(spec)
    samples = dataset.only("train").samples
    places = np.stack([_places(sample, k) for k, sample in enumerate(samples)])
    table = pd.DataFrame(
        {
            "sample_id": [s.id for s in samples],
            "label": np.array([s.label for s in samples], np.int32),
            "image_hash": ["0" * 64 for _ in samples],
            "image": [s.image.name for s in samples],
            "split": "train",
        }
    )
    card_steps = load_steps(model)
    settings = {
        "dataset": spec,
        "class_names": list(dataset.class_names),
        "model": str(model),
        "steps": card_steps,
        "classifiers": {str(step): load(f"{model}?checkpoint={step}").digest for step in card_steps},
        "grid": list(GRID),
        "prototypes": 4,
    }
    maps = np.ones((len(samples), GRID[0] * GRID[1]), np.float32)
    p = np.eye(len(dataset.class_names), dtype=np.float32)[table["label"]]
    steps = dict.fromkeys(card_steps)
    return write(
        folder,
        settings | changes,
        table,
        some_prototypes(4),
        places,
        dict.fromkeys(steps, maps),
        dict.fromkeys(steps, p),
    )


def load_steps(model: Path) -> list[int]:
    """Return the first and the last step that a model's training kept."""
    from xai_core.models import checkpoints

    kept = checkpoints(model)
    return [kept[0], kept[-1]]


def _places(sample, k: int) -> np.ndarray:
    """Return (h * w,) prototypes: `CARRIED` where the ring lies in every other picture, `COMMON` elsewhere."""
    grid = np.full(GRID, COMMON)
    box = strokes.box_of(sample, "ring")
    if box is not None and k // 4 % 2:
        side = strokes.SIZE[0] // GRID[0]
        grid[box[1] // side : -(-box[3] // side), box[0] // side : -(-box[2] // side)] = CARRIED
    return grid.ravel()

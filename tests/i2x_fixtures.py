"""Small tracks made of arrays, for tests of what is made from tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xai_core.i2x.prototypes import Prototypes
from xai_core.i2x.store import Track
from xai_core.i2x.writing import write

CLASSES = ("circle", "cross", "square")
GRID = (3, 5)
STEPS = (0, 4, 9, 30)


def make_track(
    folder: Path,
    *,
    places: np.ndarray,
    heatmaps: Mapping[int, np.ndarray],
    probabilities: Mapping[int, np.ndarray],
    labels: Sequence[int],
    class_names: Sequence[str] = CLASSES,
    grid: tuple[int, int] = GRID,
    prototypes: int | None = None,
    split: str = "train",
    **settings: object,
) -> Track:
    """Return a track of these arrays: what `Track` gives back is what went in, heatmaps to 5e-4 of their largest value.

    `places` (N, h * w) integers, `heatmaps` {step: (N, h * w)}, `probabilities` {step: (N, M)}, `labels` (N,); the
    steps are the keys of `heatmaps`. `prototypes` is K, the largest in `places` and one where it is left out; further
    keywords become settings (``model``, ``dataset``, ...).
    """
    count = prototypes or int(places.max()) + 1
    samples = pd.DataFrame(
        {
            "sample_id": [f"s{k:04d}" for k in range(len(labels))],
            "label": np.asarray(labels, np.int32),
            "image_hash": [f"{k:064x}" for k in range(len(labels))],
            "image": [f"images/s{k:04d}.png" for k in range(len(labels))],
            "split": split,
        }
    )
    steps = sorted(heatmaps)
    described = {
        "dataset": "table:somewhere/samples.csv",
        "dataset_root": ".",
        "class_names": list(class_names),
        "model": "models/somewhere",
        "steps": steps,
        "grid": list(grid),
        "prototypes": count,
        "seed": 0,
    }
    return write(folder, described | settings, samples, some_prototypes(count), places, heatmaps, probabilities)


def some_prototypes(count: int, features: int = 4, seed: int = 0) -> Prototypes:
    """Return `count` prototypes with centres drawn at random, in a projection that changes nothing."""
    centres = np.random.default_rng(seed).normal(size=(count, features)).astype(np.float32)
    share = np.full(features, 1 / features, np.float32)
    return Prototypes(
        np.zeros(features, np.float32), np.eye(features, dtype=np.float32), share, centres, np.ones(count, int)
    )


def random_track(folder: Path, samples: int = 40, prototypes: int = 6, seed: int = 0, **settings: object) -> Track:
    """Return a track of random places, heatmaps and probabilities on a grid of 3 x 5, over `STEPS`."""
    rng = np.random.default_rng(seed)
    shape = (samples, GRID[0] * GRID[1])
    return make_track(
        folder,
        places=rng.integers(0, prototypes, shape),
        heatmaps={step: rng.gamma(1.0, 1.0 + step, shape).astype(np.float32) for step in STEPS},
        probabilities={step: rng.dirichlet(np.ones(len(CLASSES)), samples).astype(np.float32) for step in STEPS},
        labels=rng.integers(0, len(CLASSES), samples),
        prototypes=prototypes,
        **settings,
    )


def make_model(folder: Path, steps: Sequence[int] = (0, 3, 12), size: tuple[int, int] = (12, 20)) -> Path:
    """Return a model folder of ten digits with a checkpoint for each step, another network drawn at random each."""
    import torch

    from xai_core.geometry import Frame
    from xai_core.models import Classifier, Preprocessing, architecture, build, save
    from xai_core.training.checkpoints import write_checkpoint

    described = architecture("import", "xai_core.models.cifar_resnet:resnet20", 10)
    for step in steps:
        with torch.random.fork_rng():
            torch.manual_seed(100 + step)
            network = build(described)
        write_checkpoint(folder, step, network.state_dict())
    names = tuple("0123456789")
    preprocessing = Preprocessing(Frame(size, "squash", 0))
    save(Classifier(network, preprocessing, names, described, cam_layer="layer3", device="cpu"), folder)
    return folder

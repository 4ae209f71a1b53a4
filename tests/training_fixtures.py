"""A planted task that a tiny network learns in seconds, and what two model folders are compared by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from xai_core.training import Recipe
from xai_core.types import DataSet, Sample

ROOT = Path(__file__).resolve().parent.parent
CLASSES = ("benign", "malignant")
NETWORK = "import:tests.tiny_networks:Tiny?size=32x40&fit=crop&resize=44"


def planted(folder: Path, n: int = 64, *, seed: int = 0, test_labels: str = "true") -> DataSet:
    """Return `n` images, 48 x 60, with a spot off the centre that is red in one class and blue in the other.

    Half are for training, a quarter each for validation and testing; `test_labels` is 'true' or 'flipped'.
    """
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for k in range(n):
        rng = np.random.default_rng((seed, k))
        label = k % 2
        image = rng.integers(90, 170, (48, 60, 3)).astype(np.uint8)
        y, x = int(rng.integers(8, 24)), int(rng.integers(10, 40))
        image[y : y + 12, x : x + 10, 2 * (1 - label)] = 250
        path = folder / f"{k:03d}.png"
        Image.fromarray(image).save(path)
        split = ("train", "train", "validation", "test")[(k // 2) % 4]
        if split == "test" and test_labels == "flipped":
            label = 1 - label
        about = {"age": 20 + k, "sex": ("female", "male")[(k // 3) % 2], "lesion_area": 0.01 * k}
        samples.append(Sample(f"s{k:03d}", path, label, split, metadata=about))
    return DataSet("table:planted", folder, CLASSES, tuple(samples), positive=1, bands="lesions", synthetic=True)


def recipe(**changes: object) -> Recipe:
    """Return a recipe for the tiny network; one thread, so that any machine has it."""
    usual = {"arch": NETWORK, "pathway": "scratch", "epochs": 4, "batch_size": 8, "lr": 0.02, "threads": 1}
    return Recipe(**usual | changes)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder by its relative path; the lock says nothing."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}

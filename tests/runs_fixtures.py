"""A small data set with every kind of sample in it, and a tiny classifier, for tests of runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from xai_core.geometry import Frame
from xai_core.models import Classifier, Preprocessing
from xai_core.types import Boxes, DataSet, MaskFile, Sample

CLASSES = ("benign", "malignant")
SIZE = (40, 64)


def picture(
    rng: np.random.Generator, size: tuple[int, int], spot: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with one dark spot off the centre, and the spot's mask."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    mask = (y - spot[0]) ** 2 + (x - spot[1]) ** 2 < spot[2] ** 2
    image = rng.integers(150, 220, (*size, 3))
    image[mask] = image[mask] // 3 + rng.integers(0, 60, 3)
    return image.astype(np.uint8), mask


def make_dataset(root: Path, n: int = 12, seed: int = 0) -> DataSet:
    """Return a data set of `n` good samples and, behind them, one of each kind that is not whole.

    Broken image; mask of another size; no annotation; annotation outside the crop; no label.
    """
    root.mkdir(parents=True, exist_ok=True)
    samples = [_sample(root, f"s{k:03d}", seed, k) for k in range(n)]
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    samples.append(Sample("broken", root / "broken.png", 0, "test"))
    tall = _sample(root, "mask_size", seed, n)
    Image.fromarray(np.full((9, 7), 255, np.uint8)).save(root / "mask_size_mask.png")
    samples.append(tall)
    bare = _sample(root, "bare", seed, n + 1)
    samples.append(Sample("bare", bare.image, 1, "test"))
    edge = _sample(root, "edge", seed, n + 2, size=(40, 120))
    samples.append(Sample("edge", edge.image, 1, "test", Boxes(((0, 0, 6, 40),))))
    samples.append(replace(_sample(root, "unlabelled", seed, n + 3), label=None))
    return DataSet(
        spec=f"table:{root}/samples.csv",
        root=root.resolve(),
        class_names=CLASSES,
        samples=tuple(samples),
        positive=1,
        bands="lesions",
    )


def _sample(root: Path, name: str, seed: int, k: int, size: tuple[int, int] = (50, 70)) -> Sample:
    rng = np.random.default_rng([seed, k])
    image, mask = picture(rng, size, (int(rng.integers(15, 35)), int(rng.integers(20, 50)), int(rng.integers(6, 14))))
    Image.fromarray(image).save(root / f"{name}.png")
    Image.fromarray(mask.astype(np.uint8) * 255).save(root / f"{name}_mask.png")
    annotation = MaskFile(root.resolve() / f"{name}_mask.png")
    metadata = {"age": 30 + k, "sex": ("female", "male", None)[k % 3]}
    return Sample(name, root.resolve() / f"{name}.png", k % 2, "test", annotation, metadata=metadata)


def tiny_network():
    """Return a two-class network of a few thousand weights, named in specs as import:runs_fixtures:tiny_network."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 16, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 2),
    )


def tiny_classifier(seed: int = 0, *, frame: Frame | None = None) -> Classifier:
    """Return `tiny_network` with random weights as a classifier for frames of 40 x 64."""
    import torch

    torch.manual_seed(seed)
    preprocessing = Preprocessing(frame or Frame(SIZE, "crop", 64))
    return Classifier(tiny_network(), preprocessing, CLASSES, {"source": "test"}, cam_layer="3", device="cpu")

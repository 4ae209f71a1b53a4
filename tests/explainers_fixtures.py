"""Small networks and pictures for the tests of the explainers: non-square, off-centre, random weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from xai_core.geometry import Frame
from xai_core.models.classifier import Classifier, Preprocessing
from xai_core.models.torchvision_operators import declare_missing_operators

SIZE = (40, 56)
DATA = Path(__file__).parents[2] / "shared" / "data"
WEIGHTS = DATA / "weights" / "mobilenetv2_100_imagenet_fp16.safetensors"


class Net(torch.nn.Module):
    """Two convolutions with in-place ReLUs, as VGG has them, and a linear head."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 5, stride=2, padding=2),
            torch.nn.ReLU(inplace=True),
            torch.nn.Conv2d(8, 12, 3, stride=2, padding=1),
            torch.nn.ReLU(inplace=True),
        )
        self.head = torch.nn.Linear(12, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).amax((2, 3)))


def wrap(network: torch.nn.Module, classes: int, size=SIZE, cam_layer="features.3", **more) -> Classifier:
    frame = Frame(size, "squash", 0)
    names = [f"class {k}" for k in range(classes)]
    return Classifier(network, Preprocessing(frame), names, {}, cam_layer=cam_layer, **{"device": "cpu", **more})


def small(classes: int = 3, seed: int = 0, **more) -> Classifier:
    torch.manual_seed(seed)
    return wrap(Net(classes), classes, **more)


class Linear(torch.nn.Module):
    """A linear function of all pixels that looks mostly at one off-centre place."""

    def __init__(self, classes: int, size=SIZE) -> None:
        super().__init__()
        torch.manual_seed(7)
        weight = torch.randn(classes, 3, *size) * 0.002
        weight[:, :, 5:15, 30:50] += torch.linspace(-0.01, 0.02, classes).view(-1, 1, 1, 1)
        self.weight = torch.nn.Parameter(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,kchw->nk", x, self.weight)


@cache
def network(name: str) -> torch.nn.Module:
    declare_missing_operators()
    import timm

    torch.manual_seed(1)
    return timm.create_model(name, pretrained=False).eval()


@cache
def mobilenet() -> Classifier:
    if not WEIGHTS.exists():
        pytest.skip(f"{WEIGHTS} is absent")
    declare_missing_operators()
    import timm
    from safetensors.torch import load_file

    real = timm.create_model("mobilenetv2_100", pretrained=False, pad_type="same")
    real.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    return Classifier(real, Preprocessing(), [str(k) for k in range(1000)], {}, cam_layer="bn2", device="cpu")


def real_frames(count: int) -> np.ndarray:
    from PIL import Image

    files = sorted((DATA / "imagenet_val").rglob("*.JPEG"))[:count]
    if len(files) < count:
        pytest.skip(f"{DATA / 'imagenet_val'} is absent")
    frames = []
    for file in files:
        with Image.open(file) as opened:
            image = np.asarray(opened.convert("RGB"))
        frames.append(Frame().place(image.shape[:2]).image(image))
    return np.stack(frames)


def pictures(count: int, size=SIZE, seed: int = 0) -> np.ndarray:
    """Blobs of colour off the centre, under a little noise: (count, h, w, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    frames = []
    for _ in range(count):
        frame = rng.uniform(60, 180, 3) + rng.normal(0, 4, (*size, 3))
        for _ in range(4):
            cy, cx, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(5, 14)
            frame[(y - cy) ** 2 + (x - cx) ** 2 < r**2] += rng.uniform(-60, 60, 3)
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return np.stack(frames)


def hashes(count: int) -> list[str]:
    return [f"{k:064x}" for k in range(count)]

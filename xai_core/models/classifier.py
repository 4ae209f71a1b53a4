"""A classifier: network, preprocessing and class names, with a digest that identifies all three."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.geometry import Frame
from xai_core.models.memory import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
BATCH_SIZES = (1, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Preprocessing:
    """What is done to an image before the network sees it; data that travel with the weights.

    Attributes
    ----------
    frame : Frame
        How the image is brought to the model frame.
    mean, std : tuple of 3 floats
        Subtracted from, and divided into, RGB values scaled to [0, 1].
    """

    frame: Frame = field(default_factory=Frame)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def as_dict(self) -> dict:
        """Return plain JSON values; `from_dict` reads them back."""
        return {"frame": self.frame.as_dict(), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict) -> Preprocessing:
        """Return the preprocessing that `as_dict` described."""
        frame = Frame(**values["frame"] | {"size": tuple(values["frame"]["size"])})
        return cls(frame, tuple(map(float, values["mean"])), tuple(map(float, values["std"])))


class Classifier:
    """A frozen network on its device, with everything needed to feed it and to name what it says.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (N, 3, h, w) float to (N, C) logits. It is put in evaluation mode and its parameters are frozen.
    preprocessing : Preprocessing
    class_names : sequence of str
        C names; the position is the class index.
    architecture : dict
        Plain JSON values from which `models.build` makes the same network again.
    cam_layer : str
        Dotted name of the module whose output Grad-CAM explains.
    device : str or torch.device, optional
        'cuda' where there is one, else 'cpu'.
    precision : {'float32', 'bfloat16'}
        What the network computes in. Logits and probabilities are float32 either way.
    operating_points : mapping of str to float, optional
        Thresholds that validation data gave, by name (`scores.metrics.operating_points`); no part of the digest.

    Attributes
    ----------
    lock : threading.RLock
        Held by whoever hooks or runs the network: two threads in one network can crash the interpreter (DESIGN 6.3).
    digest : str
        sha256 over float32 weights, architecture, preprocessing and class names; the same on every device.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        preprocessing: Preprocessing,
        class_names: tuple[str, ...],
        architecture: dict,
        *,
        cam_layer: str,
        device: str | torch.device | None = None,
        precision: str = "float32",
        operating_points: Mapping[str, float] | None = None,
    ) -> None:
        import torch

        self.preprocessing, self.class_names = preprocessing, tuple(class_names)
        self.architecture, self.cam_layer, self.precision = dict(architecture), cam_layer, precision
        self.operating_points = dict(operating_points or {})
        self.device = _usable_device(device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.lock = threading.RLock()
        self.digest = digest_of(network.state_dict(), self.description)
        self.dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
        network = network.eval().requires_grad_(False)
        self.network = network.to(self.device, self.dtype, memory_format=torch.channels_last)

    @property
    def description(self) -> dict:
        """Return everything but the weights as plain JSON values."""
        return {
            "architecture": self.architecture,
            "preprocessing": self.preprocessing.as_dict(),
            "class_names": list(self.class_names),
        }

    @cached_property
    def _scale_and_shift(self) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        mean, std = (
            torch.tensor(v, device=self.device).view(1, 3, 1, 1)
            for v in (self.preprocessing.mean, self.preprocessing.std)
        )
        return 1 / (255 * std), -mean / std

    def normalise(self, frames: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Return a batch for the network: (N, 3, h, w) float32 on the device from (N, h, w, 3) uint8 RGB frames.

        Raises
        ------
        ValueError
            Where the frames are not uint8, or not of the model frame's size.
        """
        import torch

        frames = torch.as_tensor(frames)
        expected = (*self.preprocessing.frame.size, 3)
        if frames.dtype != torch.uint8 or tuple(frames.shape[1:]) != expected:
            raise ValueError(f"frames are (N, {expected}) uint8, not {tuple(frames.shape)} {frames.dtype}")
        return self.normalise_pixels(frames.to(self.device).permute(0, 3, 1, 2).to(torch.float32))

    def normalise_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return a batch for the network from (N, 3, h, w) float32 RGB values in [0, 255] on the device."""
        import torch

        scale, shift = self._scale_and_shift
        return torch.addcmul(shift, pixels, scale).contiguous(memory_format=torch.channels_last)

    def logits(self, batch: torch.Tensor) -> torch.Tensor:
        """Return (N, C) float32 logits of a normalised batch, without a graph."""
        import torch

        with self.lock, torch.inference_mode():
            return self.network(batch.to(self.dtype)).float()

    def probabilities(self, batch: torch.Tensor) -> torch.Tensor:
        """Return (N, C) float32 softmax probabilities of a normalised batch, without a graph."""
        return self.logits(batch).softmax(1)

    def fastest_batch_size(self) -> int:
        """Return the batch size with the most images a second in plain inference, measured now, three passes each.

        Larger sizes stop being tried where memory ends, or where one is under 0.9 times as fast as the best.
        """
        best, best_rate = 1, 0.0
        for size in BATCH_SIZES:
            rate = self._images_a_second(size)
            if rate > best_rate:
                best, best_rate = size, rate
            elif rate < 0.9 * best_rate:
                break
        return best

    def _images_a_second(self, size: int) -> float:
        import torch

        batch = torch.zeros(size, 3, *self.preprocessing.frame.size, device=self.device)
        try:
            self.logits(batch)
            started = time.perf_counter()
            for _ in range(3):
                self.logits(batch).cpu()
        except torch.OutOfMemoryError:
            return 0.0
        return 3 * size / (time.perf_counter() - started)


def _usable_device(name: str | torch.device | None) -> torch.device:
    import torch

    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        found = str(error).splitlines()[0]
        raise BadInput(
            where=f"device {name}", expected="cpu, or cuda where there is one", found=found, remedy="leave it out"
        ) from error
    return device


def digest_of(state: dict[str, torch.Tensor], description: dict) -> str:
    """Return the sha256 (hex) of named tensors, taken as float32, and of a JSON description."""
    import torch

    total = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(state):
        tensor = state[name].detach().to("cpu")
        if tensor.is_floating_point():
            tensor = tensor.to(torch.float32)
        total.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()

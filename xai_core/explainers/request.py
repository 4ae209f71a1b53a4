"""What the door hands to a method: a checked batch, what is wanted of it, and the seed of each sample."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.errors import BadInput

if TYPE_CHECKING:
    import torch

    from xai_core.models.classifier import Classifier


@dataclass(frozen=True)
class Request:
    """One call of `explain`, checked.

    Attributes
    ----------
    method : str
        The key it was asked for by.
    classifier : Classifier
        Its lock is held.
    batch : (N, 3, h, w) float32
        Normalised, on the device; rows from `valid` on are padding, there to keep the shape fixed.
    valid : int
    wanted : tuple
        For each target vector: (valid,) int64, or a function that makes it from (valid, C) probabilities.
    hashes : tuple of str
        Image hashes, `valid` of them.
    parameters : dict
        All of the method's.
    seed : int
    frames : (valid, h, w, 3) uint8 tensor or None
    segments : (valid, h, w) integer tensor or None
    """

    method: str
    classifier: Classifier
    batch: torch.Tensor
    valid: int
    wanted: tuple
    hashes: tuple[str, ...]
    parameters: dict[str, int | float | str]
    seed: int
    frames: torch.Tensor | None
    segments: torch.Tensor | None

    def settle_targets(self, logits: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return (valid, C) float32 probabilities and, for each target vector, (valid,) int64 classes."""
        probabilities = logits.detach()[: self.valid].float().softmax(1)
        found, named = probabilities.shape[1], len(self.classifier.class_names)
        if found != named:
            raise BadInput(where="classifier", expected=f"{named} logits", found=found, remedy="name every class once")
        targets = [check_targets(w(probabilities), self.valid, named) if callable(w) else w for w in self.wanted]
        return probabilities, [target.to(self.batch.device) for target in targets]

    def padded(self, targets: torch.Tensor) -> torch.Tensor:
        """Return (N,) targets from (valid,): padding speaks for class 0."""
        import torch

        return torch.nn.functional.pad(targets, (0, len(self.batch) - self.valid))

    def sample_seed(self, position: int) -> int:
        """Return the seed of the sample at that place in the batch, which does not depend on the place."""
        return seed_of(self.hashes[position], self.method, self.seed)


def seed_of(image_hash: str, method: str, seed: int) -> int:
    """Return the seed with which a method draws for one image in a run of that seed, [0, 2**32).

    Neither the classifier enters (classifiers are compared on the same draws), nor parameters (each changes what it
    names, and no more).
    """
    return int.from_bytes(hashlib.sha256(f"{image_hash}|{method}|{seed}".encode()).digest()[:4], "big")


def check_targets(targets: object, images: int, classes: int) -> torch.Tensor:
    """Return targets as (images,) int64; `BadInput` where they are not whole numbers of [0, classes), one an image."""
    import torch

    targets = torch.as_tensor(targets)
    whole = targets.dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
    if not whole or tuple(targets.shape) != (images,):
        found, remedy = f"{tuple(targets.shape)} {targets.dtype}", "give each image of the batch one target"
        raise BadInput(where="targets", expected=f"({images},) integers", found=found, remedy=remedy)
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= classes:
        remedy = "leave out images without a label"
        raise BadInput(where="targets", expected=f"0 to {classes - 1}", found=f"{low} to {high}", remedy=remedy)
    return targets.to(torch.int64)

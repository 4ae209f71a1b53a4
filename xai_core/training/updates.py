"""One update of a network after the other: forward, loss, backward, clipping, AdamW."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput

if TYPE_CHECKING:
    import torch

CLIP = 1.0  # norm of the gradient above which it is shortened; without batch norm a first step can be wild


class Updates:
    """A module with its AdamW; an update that is done again from the same place gives the same bits.

    Parameters
    ----------
    module : torch.nn.Module
        On its device; what requires a gradient is trained.
    class_weights : (C,) float array
        Of the loss.
    weight_decay : float
        Of matrices and kernels.
    precision : {'float32', 'bfloat16'}
        What the forward pass computes in.
    """

    def __init__(
        self, module: torch.nn.Module, class_weights: np.ndarray, *, weight_decay: float, precision: str
    ) -> None:
        import torch

        self.module, self.mixed = module, precision == "bfloat16"
        self.device = next(module.parameters()).device
        self.class_weights = torch.tensor(class_weights, dtype=torch.float32, device=self.device)
        self.optimiser = torch.optim.AdamW(_groups(module, weight_decay))

    def __call__(
        self,
        key: Sequence[int],
        lr: float,
        inputs: torch.Tensor,
        labels: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float:
        """Return the loss of one update.

        Parameters
        ----------
        key : sequence of int
            Of this update alone; it seeds dropout, the last number being the step.
        lr : float
        inputs : torch.Tensor
            The module's, on its device.
        labels : (N,) int64
        weights : (N,) float, optional
            Of the samples in the loss; all the same by default.

        Raises
        ------
        BadInput
            Where the loss is not finite.
        """
        import torch

        # dropout draws from here; seeding each step spares storing the generator
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            logits = self.module(inputs)
        loss = self._loss(logits.float(), torch.from_numpy(labels).to(self.device), weights)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), CLIP)
        self.optimiser.step()
        value = loss.item()
        if not math.isfinite(value):
            raise BadInput(
                where=f"step {key[-1]}", expected="a finite loss", found=str(value), remedy="train with a lower lr"
            )
        return value

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor, weights: np.ndarray | None) -> torch.Tensor:
        import torch

        if weights is None:
            return torch.nn.functional.cross_entropy(logits, labels, self.class_weights)
        each = torch.nn.functional.cross_entropy(logits, labels, self.class_weights, reduction="none")
        counted = torch.from_numpy(weights).to(logits)
        return (each * counted).sum() / (self.class_weights[labels] * counted).sum()


def class_weights(labels: np.ndarray, classes: int, *, balanced: bool, weights: np.ndarray | None = None) -> np.ndarray:
    """Return (C,) float64 weights under which every class counts the same; ones where they need not.

    Parameters
    ----------
    labels : (N,) int64
    classes : int
        C; a class that no label names has a weight all the same.
    balanced : bool
    weights : (N,) float, optional
        How much each sample counts.
    """
    counts = np.bincount(labels, weights, classes)
    return counts.sum() / (len(counts) * np.maximum(counts, 1)) if balanced else np.ones(len(counts))


def _groups(module: torch.nn.Module, decay: float) -> list[dict]:
    """Return AdamW's groups: biases and the scales of norm layers do not decay."""
    trained = [p for p in module.parameters() if p.requires_grad]
    heavy, light = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    return [{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}]

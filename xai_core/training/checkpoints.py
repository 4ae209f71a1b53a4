"""Which steps of a training are kept for later study (I2X, METHODS 2), and in what form.

A checkpoint holds only what training changed, in float16 where the values allow it: half the disk, weights within
5e-4 of their size. `models.load("models/NAME?checkpoint=STEP")` lays it over the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.models import weights
from xai_core.models.folder import checkpoint_path

if TYPE_CHECKING:
    import torch

LARGEST_HALF = 65_504.0


def schedule(steps_per_epoch: int, epochs: int, limit: int) -> tuple[int, ...]:
    """Return at most `limit` steps, ascending: 0, 1, 2, 4, 8, ... in the first epoch, then the end of every epoch.

    Step k is after k updates. Where there are more than `limit`, every so many are left out evenly; the first and the
    last stay (a limit of one keeps the first: only the end is written elsewhere).
    """
    early = [0, *(2**k for k in range(steps_per_epoch.bit_length()) if 2**k < steps_per_epoch)]
    wanted = [*early, *(steps_per_epoch * k for k in range(1, epochs + 1))]
    if limit >= len(wanted):
        return tuple(wanted)
    return tuple(wanted[k] for k in np.linspace(0, len(wanted) - 1, limit).round().astype(int))


def affordable(limit: int, gigabytes: float, state: Mapping[str, torch.Tensor]) -> int:
    """Return how many checkpoints of these tensors, at two bytes a number, fit: at most `limit`."""
    size = sum(2 * tensor.numel() for tensor in state.values())
    return min(limit, int(gigabytes * 1e9 // max(size, 1)))


def write_checkpoint(folder: Path, step: int, state: Mapping[str, torch.Tensor]) -> None:
    """Write the tensors as the checkpoint of a step, atomically."""
    weights.save_weights({name: _half(tensor) for name, tensor in state.items()}, checkpoint_path(folder, step))


def _half(tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point() or (tensor.numel() and float(tensor.abs().max()) > LARGEST_HALF):
        return tensor
    return tensor.half()

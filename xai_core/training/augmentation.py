"""Augmentation that leaves the label true: turns, flips, small shifts and zooms, brightness, contrast, saturation.

What happens to a sample in an epoch follows from (seed, epoch, sample) alone, so a training that was interrupted
draws the same again, whatever the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

ZOOM, SHIFT, COLOUR = 0.25, 0.15, 0.2  # at strength 1: shares of the frame, of the half frame, and of 1
_DRAWS = 9


@dataclass(frozen=True)
class Augmentation:
    """How far images may change.

    Attributes
    ----------
    strength : float
        0 leaves position, size and colour alone.
    orientation : {'any', 'mirror', 'fixed'}
        ``any``: all eight flips and right-angle turns (only flips where the frame is not square).
    seed : int
    """

    strength: float
    orientation: str
    seed: int

    def draw(self, epoch: int, samples: Sequence[int]) -> np.ndarray:
        """Return (N, 9) float64 numbers in [0, 1), those of each sample (its position in the part) in this epoch."""
        draws = [np.random.default_rng((self.seed, epoch, int(k))).random(_DRAWS) for k in samples]
        return np.stack(draws)

    def apply(self, canvas: torch.Tensor, size: tuple[int, int], draws: np.ndarray) -> torch.Tensor:
        """Return (N, 3, h, w) float32 images in [0, 255] of `size` from (N, 3, H, W) float32 canvases.

        Where the canvas is larger than the frame its middle is the frame; no image ever shows more than its canvas.
        """
        import torch
        from torch.nn.functional import affine_grid, grid_sample

        theta = torch.from_numpy(self._matrices(canvas.shape[2:], size, draws[:, :6])).to(canvas)
        grid = affine_grid(theta, [len(canvas), 3, *size], align_corners=False)
        images = grid_sample(canvas, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return self._recolour(images, torch.from_numpy(draws[:, 6:]).to(images))

    def _matrices(self, canvas: Sequence[int], size: tuple[int, int], draws: np.ndarray) -> np.ndarray:
        """Return (N, 2, 3) maps from places in the frame to places on the canvas, both in [-1, 1], x first."""
        reach = np.array([size[1] / canvas[1], size[0] / canvas[0]])
        largest = min(1 / reach.max(), 1 + ZOOM * self.strength)
        smallest = 1 - ZOOM * self.strength
        scale = smallest + draws[:, 0] * (largest - smallest)
        extent = reach * scale[:, None]
        limit = np.minimum(1 - extent, SHIFT * self.strength)
        shift = (2 * draws[:, 1:3] - 1) * np.maximum(limit, 0)
        turn = self._turns(draws[:, 3:6], square=size[0] == size[1] and canvas[0] == canvas[1])
        return np.concatenate((extent[:, :, None] * turn, shift[:, :, None]), 2)

    def _turns(self, draws: np.ndarray, *, square: bool) -> np.ndarray:
        mirror, upend, transpose = (draws < 0.5).T
        turns = np.tile(np.eye(2), (len(draws), 1, 1))
        if self.orientation == "fixed":
            return turns
        turns[mirror, 0] *= -1
        if self.orientation == "any":
            turns[upend, 1] *= -1
            if square:
                turns[transpose] = turns[transpose][:, ::-1]
        return turns

    def _recolour(self, images: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        change = 1 + COLOUR * self.strength * (2 * draws - 1)
        brightness, contrast, saturation = (c.view(-1, 1, 1, 1) for c in change.T)
        images = images * brightness
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * saturation
        level = grey.mean((2, 3), keepdim=True)
        return (level + (images - level) * contrast).clamp_(0, 255)

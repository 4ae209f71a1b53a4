"""Controls that know nothing of the classifier: what a score is worth is seen beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.explainers.description import Description, Explanation
from xai_core.explainers.request import Request

if TYPE_CHECKING:
    import torch

GRID = 8
LUMA = (0.299, 0.587, 0.114)


def random_map(request: Request) -> list[Explanation]:
    """Return heatmaps of uniform noise in [0, 1) on a coarse grid, which enlarging makes a smooth field."""
    import torch

    generators = [torch.Generator().manual_seed(request.sample_seed(k)) for k in range(request.valid)]
    heatmaps = torch.stack([torch.rand((GRID, GRID), generator=generator) for generator in generators])
    return _for_each_target(request, heatmaps)


def centre_blob(request: Request) -> list[Explanation]:
    """Return heatmaps of one Gaussian bump in the middle; its deviation is a quarter of the shorter side."""
    import torch

    height, width = request.batch.shape[2:]
    y, x = (torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in (height, width))
    squares = y[:, None] ** 2 + x[None, :] ** 2
    blob = torch.exp(-squares / (2 * (min(height, width) / 4) ** 2))
    return _for_each_target(request, blob.expand(request.valid, -1, -1).contiguous())


def edge_map(request: Request) -> list[Explanation]:
    """Return the magnitude of the Sobel gradient of each frame's luma, in grey levels per pixel."""
    import torch

    if request.frames is None:
        raise BadInput(where="Edge map", expected="frames", found="none", remedy="pass frames=")
    frames = request.frames.to(request.batch.device)
    grey = sum(weight * frames[..., k].float() for k, weight in enumerate(LUMA))
    p = torch.nn.functional.pad(grey[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across = p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]
    down = p[:, :, :-2] + 2 * p[:, :, 1:-1] + p[:, :, 2:]
    dx, dy = across[:, :, 2:] - across[:, :, :-2], down[:, 2:] - down[:, :-2]
    return _for_each_target(request, (dx**2 + dy**2).sqrt() / 8)


def _for_each_target(request: Request, heatmaps: torch.Tensor) -> list[Explanation]:
    probabilities, targets = request.settle_targets(request.classifier.logits(request.batch))
    return [Explanation(heatmaps.to(request.batch.device), target, probabilities) for target in targets]


def _control(title: str, run: Callable[[Request], list[Explanation]]) -> Description:
    return Description(title, "control", False, "predict", "top_share:0.1", run, class_agnostic=True)


RANDOM_MAP = _control("Random map", random_map)
CENTRE_BLOB = _control("Centre blob", centre_blob)
EDGE_MAP = _control("Edge map", edge_map)

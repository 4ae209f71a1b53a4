"""Gradient, SmoothGrad and integrated gradients of the target's logit, at the size of the model frame.

SmoothGrad averages captum's gradient over noise drawn here: captum's NoiseTunnel draws from the global generator for
the whole batch at once, so that an image's heatmap would depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from xai_core.explainers import captum_package
from xai_core.explainers.description import Description, Explanation, Parameter
from xai_core.explainers.request import Request

if TYPE_CHECKING:
    import torch


def gradient(request: Request) -> list[Explanation]:
    """Return the sum over colours of the gradient's absolute value."""

    def heatmap(targets: torch.Tensor) -> torch.Tensor:
        return captum_package.gradient(request.classifier, request.batch, targets).abs().sum(1)

    return _for_each_target(request, heatmap)


def smooth_grad(request: Request) -> list[Explanation]:
    """Return the sum over colours of the absolute value of the mean gradient under noise.

    The noise is normal; its deviation is the share `noise` of the range of the normalised image (the paper's
    section 3). The mean is of signed gradients, as in its equation; the absolute value comes last.
    """

    def heatmap(targets: torch.Tensor) -> torch.Tensor:
        total = sum(captum_package.gradient(request.classifier, noisy, targets) for noisy in _noisy(request))
        return (total / int(request.parameters["samples"])).abs().sum(1)

    return _for_each_target(request, heatmap)


def integrated_gradients(request: Request) -> list[Explanation]:
    """Return the sum over colours of attributions along the straight line from a black image."""
    import torch

    classifier, steps = request.classifier, int(request.parameters["steps"])
    black = classifier.normalise(torch.zeros((1, *request.batch.shape[2:], 3), dtype=torch.uint8))

    def heatmap(targets: torch.Tensor) -> torch.Tensor:
        return captum_package.integrated_gradients(classifier, request.batch, targets, baseline=black, steps=steps).sum(
            1
        )

    return _for_each_target(request, heatmap)


def _for_each_target(request: Request, heatmap: Callable[[torch.Tensor], torch.Tensor]) -> list[Explanation]:
    probabilities, targets = request.settle_targets(request.classifier.logits(request.batch))
    return [
        Explanation(heatmap(request.padded(target))[: request.valid].contiguous(), target, probabilities)
        for target in targets
    ]


def _noisy(request: Request) -> Iterator[torch.Tensor]:
    """Yield the batch under one draw of noise after another, the same for every target and on every device."""
    import torch

    pictures = request.batch[: request.valid]
    spread = float(request.parameters["noise"]) * (pictures.amax((1, 2, 3)) - pictures.amin((1, 2, 3)))
    generators = [torch.Generator().manual_seed(request.sample_seed(k)) for k in range(request.valid)]
    for _ in range(int(request.parameters["samples"])):
        noise = torch.stack([torch.randn(pictures.shape[1:], generator=generator) for generator in generators])
        noisy = request.batch.clone()
        noisy[: request.valid] += noise.to(noisy.device) * spread.view(-1, 1, 1, 1)
        yield noisy


GRADIENT = Description("Gradient", "Simonyan et al. 2014, arXiv 1312.6034", False, "gradients", "mean_std:1", gradient)
SMOOTH_GRAD = Description(
    "SmoothGrad",
    "Smilkov et al. 2017, arXiv 1706.03825",
    False,
    "gradients",
    "mean_std:1",
    smooth_grad,
    parameters={
        "samples": Parameter(int, 25, 1, 1000, "noisy copies of each image"),
        "noise": Parameter(float, 0.15, 0.0, 1.0, "deviation of the noise, as a share of the image's range"),
    },
)
INTEGRATED_GRADIENTS = Description(
    "Integrated gradients",
    "Sundararajan et al. 2017, arXiv 1703.01365",
    True,
    "gradients",
    "mean_std:1",
    integrated_gradients,
    parameters={"steps": Parameter(int, 50, 2, 1000, "points on the line from black to the image")},
)

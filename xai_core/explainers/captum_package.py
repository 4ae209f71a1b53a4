"""The adapter to captum: gradients and integrated gradients of a classifier's logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from xai_core.models.classifier import Classifier


def gradient(classifier: Classifier, batch: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the signed gradient of each image's target logit: (N, 3, h, w) float32, for (N,) targets."""
    from captum.attr import Saliency

    # captum asks for gradients of the very tensor it is given, and takes the request back from it: give it a copy
    own = batch.detach().clone().requires_grad_()
    return Saliency(_logits(classifier)).attribute(own, target=targets, abs=False).detach()


def integrated_gradients(
    classifier: Classifier, batch: torch.Tensor, targets: torch.Tensor, *, baseline: torch.Tensor, steps: int
) -> torch.Tensor:
    """Return attributions whose sum over an image is its logit minus the baseline's: (N, 3, h, w) float32.

    One step of all images at a time, so that every pass through the network has N rows.
    """
    from captum.attr import IntegratedGradients

    explainer = IntegratedGradients(_logits(classifier))
    attributions = explainer.attribute(
        batch, baselines=baseline, target=targets, n_steps=steps, internal_batch_size=len(batch)
    )
    return attributions.detach().float()


def _logits(classifier: Classifier) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda batch: classifier.network(batch.to(classifier.dtype)).float()

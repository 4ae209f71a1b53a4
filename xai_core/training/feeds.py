"""What is trained, and on what: the whole network on augmented images, or its head on features computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xai_core.errors import BadInput
from xai_core.training.start import norm_layers

if TYPE_CHECKING:
    import torch

    from xai_core.models.classifier import Classifier
    from xai_core.training.augmentation import Augmentation
    from xai_core.training.start import Start

VIEWS = 8  # augmented views of every image that a linear probe draws from
EVALUATION_BATCH = 32  # one fixed shape: logits of a batch of another shape differ by 5e-6 (DESIGN 5)


class Feed(Protocol):
    """What the loop trains."""

    module: torch.nn.Module

    def prepare(self) -> None:
        """Put the module into the mode it trains in."""

    def batch(self, epoch: int, positions: np.ndarray) -> torch.Tensor:
        """Return the module's input for these samples of the training part, on the device."""

    def validation_logits(self) -> torch.Tensor:
        """Return (N, C) float32 logits of the validation part, on the CPU."""

    def export(self) -> dict[str, torch.Tensor]:
        """Return the tensors of the whole network that training changes, by their names there."""


class ImageFeed:
    """The whole network, on frames cut from canvases.

    Parameters
    ----------
    start : Start
    classifier : Classifier
        Of the same network: it normalises, holds the device and evaluates.
    canvases : (N, H, W, 3) uint8
        Of the training part.
    validation : (M, h, w, 3) uint8
        Frames of the validation part.
    augmentation : Augmentation
    """

    def __init__(
        self,
        start: Start,
        classifier: Classifier,
        canvases: np.ndarray,
        validation: np.ndarray,
        augmentation: Augmentation,
    ) -> None:
        self.start, self.classifier, self.module = start, classifier, classifier.network
        self.canvases, self.validation, self.augmentation = canvases, validation, augmentation
        self.module.requires_grad_(True)

    def prepare(self) -> None:
        """Put the network into training mode, its batch-norm statistics as the recipe wants them."""
        self.module.train()
        if self.start.batch_norm == "frozen":
            for layer in norm_layers(self.module):
                layer.eval()

    def batch(self, epoch: int, positions: np.ndarray) -> torch.Tensor:
        """Return (N, 3, h, w) float32 normalised images, augmented for this epoch."""
        return augmented(self.classifier, self.canvases, self.augmentation, epoch, positions)

    def validation_logits(self) -> torch.Tensor:
        """Return (M, C) float32 logits of the validation frames."""
        self.module.eval()
        return evaluate(self.classifier, self.validation)

    def export(self) -> dict[str, torch.Tensor]:
        """Return every parameter, and every buffer that moves."""
        state = self.module.state_dict()
        still = set() if self.start.batch_norm == "train" else {name for name, _ in self.module.named_buffers()}
        return {name: tensor for name, tensor in state.items() if name not in still}


class FeatureFeed:
    """A new head on the features of a frozen network, computed once: `VIEWS` augmented views of each image.

    The head works on features scaled to mean 0 and variance 1 over the training part and starts at zero: the problem
    is convex, so nothing is left to a random start. `export` folds the scaling into the head's own weights.
    """

    def __init__(
        self,
        start: Start,
        classifier: Classifier,
        canvases: np.ndarray,
        validation: np.ndarray,
        augmentation: Augmentation,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        import torch

        self.start, self.classifier, self.augmentation = start, classifier, augmentation
        grasp = _Grasp(classifier, start.head)
        count, views = len(canvases), []
        for view in range(VIEWS):
            parts = []
            for positions in _batches(count):
                parts.append(grasp(augmented(classifier, canvases, augmentation, view, positions)))
                if progress:
                    progress(view * count + int(positions[-1]) + 1, VIEWS * count)
            views.append(torch.cat(parts))
        features = torch.stack(views)
        self.mean = features.mean((0, 1))
        self.scale = features.std((0, 1)).clamp_min(1e-6)
        self.features = (features - self.mean) / self.scale
        seen = [grasp(classifier.normalise(validation[k])) for k in _batches(len(validation))]
        self.validation = (torch.cat(seen) - self.mean) / self.scale
        self.module = torch.nn.Linear(features.shape[2], len(classifier.class_names)).to(classifier.device)
        torch.nn.init.zeros_(self.module.weight)
        torch.nn.init.zeros_(self.module.bias)

    def prepare(self) -> None:
        """Put the head into training mode."""
        self.module.train()

    def batch(self, epoch: int, positions: np.ndarray) -> torch.Tensor:
        """Return (N, F) float32 scaled features of the view whose turn it is."""
        return self.features[epoch % VIEWS, positions]

    def validation_logits(self) -> torch.Tensor:
        """Return (M, C) float32 logits of the validation part."""
        import torch

        with torch.inference_mode():
            return self.module(self.validation).cpu()

    def export(self) -> dict[str, torch.Tensor]:
        """Return the head's weight and bias for features as they come."""
        weight = self.module.weight.detach() / self.scale
        own = self.classifier.network.get_parameter(f"{self.start.head}.weight")
        bias = self.module.bias.detach() - weight @ self.mean
        return {f"{self.start.head}.weight": weight.reshape(own.shape), f"{self.start.head}.bias": bias}


class _Grasp:
    """Returns the (N, F) input of a network's head, after making sure that the head's output is the logits."""

    def __init__(self, classifier: Classifier, head: str) -> None:
        self.classifier = classifier
        modules = dict(classifier.network.named_modules())
        bias = getattr(modules.get(head), "bias", None)
        if not head or bias is None or classifier.architecture["single_logit"]:
            raise _no_head(classifier, "none" if not head else "a head without bias, or with one output for two")
        self.head = modules[head]

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        kept: list = []
        handle = self.head.register_forward_hook(lambda _module, inputs, output: kept.append((inputs[0], output)))
        try:
            logits = self.classifier.logits(batch)
        finally:
            handle.remove()
        features, output = kept[-1]
        if not bool((output.flatten(1) == logits).all()) or features.flatten(1).shape[1] != self.head.weight[0].numel():
            raise _no_head(self.classifier, "a layer after the head")
        return features.flatten(1).float().clone()


def augmented(
    classifier: Classifier, canvases: np.ndarray, augmentation: Augmentation, epoch: int, positions: np.ndarray
) -> torch.Tensor:
    """Return (N, 3, h, w) float32 normalised images on the device: these canvases as this epoch sees them."""
    import torch

    canvas = torch.from_numpy(canvases[positions]).to(classifier.device).permute(0, 3, 1, 2).float()
    images = augmentation.apply(canvas, classifier.preprocessing.frame.size, augmentation.draw(epoch, positions))
    return classifier.normalise_pixels(images)


def evaluate(classifier: Classifier, frames: np.ndarray) -> torch.Tensor:
    """Return (N, C) float32 logits on the CPU of uint8 frames, in batches of one fixed shape."""
    import torch

    width = len(classifier.class_names)
    parts = [torch.zeros(0, width)]
    for positions in _batches(len(frames)):
        full = np.resize(positions, EVALUATION_BATCH)
        parts.append(classifier.logits(classifier.normalise(frames[full]))[: len(positions)].cpu())
    return torch.cat(parts)


def _batches(count: int) -> list[np.ndarray]:
    return [np.arange(k, min(k + EVALUATION_BATCH, count)) for k in range(0, count, EVALUATION_BATCH)]


def _no_head(classifier: Classifier, found: str) -> BadInput:
    return BadInput(
        where=classifier.architecture["name"],
        expected="a network whose last layer is linear and as wide as the classes",
        found=found,
        remedy="fine-tune it instead",
    )

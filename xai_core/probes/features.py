"""What a network makes of an image before it decides: the input of its last layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput

if TYPE_CHECKING:
    import torch

    from xai_core.models import Classifier

BATCH = 16


def features_of(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """Return what enters the final layer for each image: (N, D) float32.

    Parameters
    ----------
    classifier : Classifier
        It is locked meanwhile, and left as it was found.
    images : (N, h, w, 3) uint8
        In the model frame, before normalisation. They pass through in batches of one shape, the last one padded.

    Raises
    ------
    BadInput
        Where the network does not end in a layer that maps a vector for each image to the logits.

    Notes
    -----
    Where the final layer is a 1 x 1 convolution whose answers are averaged over the places of a map, its input is.
    """
    import torch

    with classifier.lock:
        layer = _final_layer(classifier)
        seen: list[torch.Tensor] = []
        handle = layer.register_forward_pre_hook(lambda _module, inputs: seen.append(_as_vectors(inputs[0])))
        try:
            for start in range(0, len(images), BATCH):
                classifier.logits(classifier.normalise(_padded(images[start : start + BATCH])))
        finally:
            handle.remove()
    rows = torch.cat(seen)[: len(images)] if seen else torch.zeros(0, layer.weight.shape[1])
    if rows.ndim != 2:
        raise _unfit(classifier, f"a last layer that takes {tuple(rows.shape[1:])} for each image")
    return rows.numpy()


def _final_layer(classifier: Classifier) -> torch.nn.Module:
    from xai_core.models.layers import trace

    network = classifier.network
    if classifier.architecture.get("single_logit"):
        network = network.network
    path = trace(network, classifier.preprocessing.frame.size).head
    if not path:
        raise _unfit(classifier, "no such layer")
    return network.get_submodule(path)


def _as_vectors(entering: torch.Tensor) -> torch.Tensor:
    if entering.ndim == 4:
        entering = entering.mean((2, 3))
    return entering.float().cpu()


def _padded(images: np.ndarray) -> np.ndarray:
    return np.concatenate([images, np.repeat(images[:1], BATCH - len(images), axis=0)])


def _unfit(classifier: Classifier, found: str) -> BadInput:
    return BadInput(
        where=classifier.architecture.get("name"),
        expected="a network that ends in a linear layer, one output for each class",
        found=found,
        remedy="nearest cases need such a layer; the rest works without it",
    )

"""Grad-CAM, Grad-CAM++ and LayerCAM: what a convolutional layer saw, weighted by what the target made of it.

Parameters are frozen and the layer's output is cut off from what came before, so that going back costs the head
alone: 0.9 to 1.3 of a forward pass in all (DESIGN 6.2). Maps are those of the package before it rescales them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.explainers.description import Description, Explanation, Parameter
from xai_core.explainers.grad_cam_package import class_activation_map
from xai_core.explainers.request import Request

if TYPE_CHECKING:
    import torch

    from xai_core.models.classifier import Classifier


def explain_layer(request: Request) -> list[Explanation]:
    """Return class activation maps at the layer's own resolution, after the ReLU, for each target vector."""
    import torch

    classifier = request.classifier
    layer = str(request.parameters["layer"]) or classifier.cam_layer
    with _layer_output(classifier, layer) as captured, torch.enable_grad():
        logits = classifier.network(request.batch.to(classifier.dtype))
        if not captured:
            remedy = "choose a convolutional layer"
            raise BadInput(where="layer", expected="a module that gives (N, C, h, w)", found=layer, remedy=remedy)
        output = captured[-1]
        probabilities, targets = request.settle_targets(logits)
        gradients = [_gradient(logits, output, request.padded(t), last=t is targets[-1]) for t in targets]
    activations = output.detach()[: request.valid].float()
    explanations = []
    for target, gradient in zip(targets, gradients, strict=True):
        heatmaps = class_activation_map(request.method, activations, gradient[: request.valid].float())
        explanations.append(Explanation(heatmaps.relu(), target, probabilities, layer=layer))
    return explanations


def _gradient(logits: torch.Tensor, output: torch.Tensor, targets: torch.Tensor, *, last: bool) -> torch.Tensor:
    import torch

    chosen = logits.gather(1, targets[:, None]).sum()
    return torch.autograd.grad(chosen, output, retain_graph=not last)[0]


@contextmanager
def _layer_output(classifier: Classifier, layer: str) -> Iterator[list[torch.Tensor]]:
    """Collect the (N, C, h, w) outputs of the layer, and let the network go on from each as from a new input."""
    import torch

    modules = dict(classifier.network.named_modules())
    if layer not in modules or not layer:
        near = get_close_matches(layer, modules, 3, 0.0)
        raise BadInput(where="layer", expected="a module of the network", found=layer, remedy=f"try {', '.join(near)}")
    captured: list[torch.Tensor] = []

    def cut(module: torch.nn.Module, inputs: tuple, output: object) -> torch.Tensor | None:
        if not isinstance(output, torch.Tensor) or output.ndim != 4:
            return None
        captured.append(output.detach().requires_grad_())
        # a copy goes on: an in-place ReLU behind the layer would change what was collected (and may not, a leaf)
        return captured[-1].clone()

    handle = modules[layer].register_forward_hook(cut)
    try:
        yield captured
    finally:
        handle.remove()


def _description(title: str, paper: str) -> Description:
    layer = Parameter(str, "", None, None, "dotted name of the module to look at; empty for the classifier's own")
    return Description(title, paper, False, "gradients", "half", explain_layer, parameters={"layer": layer})


GRAD_CAM = _description("Grad-CAM", "Selvaraju et al. 2017, arXiv 1610.02391")
GRAD_CAM_PLUS_PLUS = _description("Grad-CAM++", "Chattopadhay et al. 2018, arXiv 1710.11063")
LAYER_CAM = _description("LayerCAM", "Jiang et al. 2021, doi 10.1109/TIP.2021.3089943")

"""The grad-cam and lime packages, used as their authors and the source article use them."""

from __future__ import annotations

import numpy as np
import torch

from xai_core.explainers.request import seed_of
from xai_core.models.classifier import Classifier, Preprocessing


def grad_cam(classifier: Classifier, batch: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """Grad-CAM as the grad-cam package's README shows it, on the same network in the same memory format."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net = classifier.network.requires_grad_(True)
    try:
        with GradCAM(net, [net.get_submodule(classifier.cam_layer)]) as cam:
            return cam(batch, [ClassifierOutputTarget(int(t)) for t in targets])
    finally:
        net.requires_grad_(False).zero_grad()


def lime(net: torch.nn.Module, frame: np.ndarray, segments: np.ndarray, rows: int, image_hash: str) -> torch.Tensor:
    """Return the coefficients of class 1 as lime finds them, called as the article calls it (METHODS 1).

    Its pipeline builds the gradient graph and detaches the probabilities from it; without the graph the time is the
    same within what a busy machine lets one tell.
    """
    from lime import lime_image
    from torchvision import transforms

    ready = transforms.Compose([
        transforms.ToTensor(),
        transforms.Normalize(Preprocessing().mean, Preprocessing().std),
    ])  # fmt: skip
    device = next(net.parameters()).device

    def predict(images: np.ndarray) -> np.ndarray:
        batch = torch.stack([ready(image) for image in images]).to(device)
        return net(batch).softmax(1).detach().cpu().numpy()

    lime_image.tqdm = lambda rows: rows
    explainer = lime_image.LimeImageExplainer(random_state=seed_of(image_hash, "lime", 0))
    explained = explainer.explain_instance(
        frame, predict, labels=[1], top_labels=None, hide_color=0, num_samples=rows,
        segmentation_fn=lambda image: segments,
    )  # fmt: skip
    weights = dict(explained.local_exp[1])
    return torch.tensor([weights[k] for k in range(len(weights))])

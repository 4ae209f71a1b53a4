"""Explainers: heatmaps for a classifier, images and targets, through one door. A new method is a file and a line."""

from __future__ import annotations

from xai_core.explainers.cams import GRAD_CAM, GRAD_CAM_PLUS_PLUS, LAYER_CAM
from xai_core.explainers.controls import CENTRE_BLOB, EDGE_MAP, RANDOM_MAP
from xai_core.explainers.description import Description, Explanation, Parameter
from xai_core.explainers.door import explain
from xai_core.explainers.gradients import GRADIENT, INTEGRATED_GRADIENTS, SMOOTH_GRAD
from xai_core.explainers.lime import LIME

METHODS: dict[str, Description] = {
    "grad_cam": GRAD_CAM,
    "grad_cam_plus_plus": GRAD_CAM_PLUS_PLUS,
    "layer_cam": LAYER_CAM,
    "lime": LIME,
    "gradient": GRADIENT,
    "smooth_grad": SMOOTH_GRAD,
    "integrated_gradients": INTEGRATED_GRADIENTS,
    "random_map": RANDOM_MAP,
    "centre_blob": CENTRE_BLOB,
    "edge_map": EDGE_MAP,
}

__all__ = ["METHODS", "Description", "Explanation", "Parameter", "explain"]

"""Classifiers: loading, saving and naming them. Nothing here imports torch until it is needed."""

from xai_core.models.architectures import architecture, build
from xai_core.models.classifier import Classifier, Preprocessing
from xai_core.models.folder import checkpoints, save
from xai_core.models.layers import cam_layers, cam_module
from xai_core.models.specs import load
from xai_core.models.weights import load_weights, save_weights

__all__ = [
    "Classifier",
    "Preprocessing",
    "architecture",
    "build",
    "cam_layers",
    "cam_module",
    "checkpoints",
    "load",
    "load_weights",
    "save",
    "save_weights",
]

"""The adapter to the grad-cam package: its formulae, run on tensors wherever they are.

The package's own way through a network is not used: it moves every activation to the host, goes back to the input,
rescales each image to [0, 1], gives blank maps where targets are fewer than images and swallows IndexError
(DESIGN 6.2, 6.3). What it says about weights is used as it stands.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from xai_core.models.no_compiler import without_compiler
from xai_core.models.torchvision_operators import declare_missing_operators
from xai_core.put_off import later, standing_in

if TYPE_CHECKING:
    import torch

METHODS = ("grad_cam", "grad_cam_plus_plus", "layer_cam")
# what the package imports for its figures and its other methods: nearly all of the time that importing it takes
UNUSED = (
    "matplotlib",
    "matplotlib.lines",
    "scipy.ndimage",
    "scipy.sparse",
    "scipy.sparse.linalg",
    "sklearn.decomposition",
)


def class_activation_map(method: str, activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Return (N, h, w) float32 maps before the ReLU, from activations and gradients (N, C, h, w) float32."""
    import torch

    package, array = _package()
    a, g = activations.as_subclass(array), gradients.as_subclass(array)
    # the formulae are methods that use nothing of their object, whose making would hook the network
    if method == "layer_cam":
        return package.LayerCAM.get_cam_image(None, None, None, None, a, g, False).as_subclass(torch.Tensor)
    formula = package.GradCAM if method == "grad_cam" else package.GradCAMPlusPlus
    weights = formula.get_cam_weights(None, None, None, None, a, g).as_subclass(torch.Tensor)
    return torch.einsum("nc,nchw->nhw", weights, activations)


@cache
def _package() -> tuple:
    import numpy as np
    import torch

    declare_missing_operators()
    with without_compiler(), standing_in(*map(later, UNUSED)):
        import pytorch_grad_cam

    handed_on = {
        np.mean: lambda a, axis: torch.mean(a, dim=axis),
        np.sum: lambda a, axis: torch.sum(a, dim=axis),
        np.where: torch.where,
        np.maximum: torch.clamp_min,
    }

    class NumpyTensor(torch.Tensor):
        """A tensor that answers the numpy functions of the package's formulae with torch's, on its own device."""

        def __array_function__(self, function, types, args, kwargs):
            return handed_on[function](*args, **kwargs)

        def __array_ufunc__(self, function, method, *args, **kwargs):
            return handed_on[function](*args, **kwargs)

    return pytorch_grad_cam, NumpyTensor

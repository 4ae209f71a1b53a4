"""What a network is made of, seen in one traced forward pass: its width, its head, the layers Grad-CAM can explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.errors import BadInput

if TYPE_CHECKING:
    import torch

    from xai_core.models.classifier import Classifier


@dataclass(frozen=True)
class Trace:
    """What one forward pass showed.

    Attributes
    ----------
    width : int
        Outputs per image.
    head : str
        Dotted name of the last linear (or 1x1 convolution) layer that is `width` wide; '' where there is none.
    cam_layers : dict of str to str
        Name of a layer -> dotted module path; the first is the default; empty where the network has no maps.
    """

    width: int
    head: str
    cam_layers: dict[str, str]


def trace(network: torch.nn.Module, size: tuple[int, int]) -> Trace:
    """Return what one forward pass of a black image of `size` (height, width) shows; the network is left as it was.

    Raises
    ------
    BadInput
        Where the network cannot take such an image, or does not answer with one row of numbers per image.
    """
    import torch

    steps: list[tuple[str, torch.nn.Module, tuple[int, ...]]] = []
    names = {module: name for name, module in network.named_modules() if name}

    def record(module: torch.nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            steps.append((names[module], module, tuple(output.shape)))

    handles = [module.register_forward_hook(record) for module in names]
    training = network.training
    example = next(network.parameters())
    try:
        with torch.inference_mode():
            output = network.eval()(torch.zeros(1, 3, *size, dtype=example.dtype, device=example.device))
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        raise _unfit(size, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    if not isinstance(output, torch.Tensor) or output.ndim > 2 or output.shape[0] != 1:
        raise _unfit(size, f"an output of {tuple(getattr(output, 'shape', ())) or type(output).__name__}")
    width = int(output.numel())
    return Trace(width, _head(steps, width), _cam_layers(network, steps, size))


def cam_layers(network: torch.nn.Module, size: tuple[int, int]) -> dict[str, str]:
    """Return the layers Grad-CAM can explain: {name: module path}, the default first, {} where there is none.

    Where the features end in ReLU and a pool (VGG11, VGG11-BN): ``relu_before_last_pool`` (14x14 at 224 px), the
    default, and ``last_pool`` (7x7). Elsewhere ``last_spatial``: the last module whose output is a map in the image's
    own shape (ResNet50: ``layer4``). A network of tokens (ViT) has none.
    """
    return trace(network, size).cam_layers


def cam_module(classifier: Classifier, name: str | None = None) -> tuple[str, torch.nn.Module]:
    """Return (path, module) of the layer to explain: `name` is a name of `cam_layers`, a module path, or None.

    Raises
    ------
    BadInput
        Where the network has no such layer, or none at all (tokens instead of maps).
    """
    modules = dict(classifier.network.named_modules())
    path = name or classifier.cam_layer
    if path and path not in modules:
        path = cam_layers(classifier.network, classifier.preprocessing.frame.size).get(path, path)
    if not path:
        raise BadInput(
            where=classifier.architecture.get("name"),
            expected="a network with maps in the image's own shape",
            found="tokens, or features without height and width",
            remedy="use a gradient method or lime, which need no layer",
        )
    if path not in modules:
        raise BadInput(
            where=classifier.architecture.get("name"),
            expected="the path of a module in this network",
            found=repr(path),
            remedy=f"the default is {classifier.cam_layer or 'none'}; list the others with named_modules()",
        )
    return path, modules[path]


def _cam_layers(network: torch.nn.Module, steps: list, size: tuple[int, int]) -> dict[str, str]:
    import torch

    for path, features in network.named_modules():
        if path.rpartition(".")[2] == "features" and isinstance(features, torch.nn.Sequential) and len(features) > 1:
            (before, relu), (last, pool) = list(features.named_children())[-2:]
            if isinstance(relu, torch.nn.ReLU) and isinstance(pool, torch.nn.MaxPool2d):
                return {"relu_before_last_pool": f"{path}.{before}", "last_pool": f"{path}.{last}"}
    spatial = [k for k, (_, _, shape) in enumerate(steps) if _is_map(shape, size)]
    if not spatial:
        return {}
    # tokens are rows without a place: (1, T, C), or (1, h, w, C) in windowed transformers
    tokens = [s for _, _, s in steps[spatial[-1] + 1 :] if len(s) == 3 or (len(s) == 4 and s[1] > 1 and s[2] > 1)]
    # a convolution that cuts patches before a stack of token layers is no feature map; a convolutional network that
    # ends in attention pooling keeps its maps
    if 4 * len(tokens) > len(spatial):
        return {}
    return {"last_spatial": steps[spatial[-1]][0]}


def _is_map(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    if len(shape) != 4 or min(shape[2:]) < 2:
        return False
    rows, columns = shape[2] / size[0], shape[3] / size[1]
    # (1, h, w, C) has no such ratio; padding moves an edge by at most a cell
    return max(rows, columns) <= 1 and abs(rows - columns) <= 1.5 * max(rows / shape[2], columns / shape[3])


def _head(steps: list, width: int) -> str:
    import torch

    for name, module, _ in reversed(steps):
        if isinstance(module, torch.nn.Linear) and module.out_features == width:
            return name
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (1, 1) and module.out_channels == width:
            return name
    return ""


def _unfit(size: tuple[int, int], found: str) -> BadInput:
    return BadInput(
        expected=f"a network that maps a (1, 3, {size[0]}, {size[1]}) image to (1, classes) logits",
        found=found,
        remedy="give the size= the network was made for, or another network",
    )

"""What a training starts from: the network of a recipe, with pretrained weights and a head for the data's classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.models import architectures, specs, weights
from xai_core.models.layers import trace

if TYPE_CHECKING:
    import torch

    from xai_core.models.classifier import Preprocessing
    from xai_core.training.recipe import Recipe

HEAD_SPREAD = 0.01  # standard deviation of a new head's weights
FLAT = 1e-2  # running variances within this of 1, and means of 0, were folded into the kernels, not measured


@dataclass(frozen=True)
class Start:
    """A network before its first update, on the CPU in float32, and what belongs to it.

    Attributes
    ----------
    network : torch.nn.Module
    architecture : dict
        What `models.build` makes it from.
    preprocessing : Preprocessing
    cam_layer, head : str
        Dotted names; '' where there is none.
    fresh : tuple of str
        Tensors that the weights did not fill: the new head.
    batch_norm : str
        ``train``, ``frozen``, or ``none`` where the network has no such layers.
    """

    network: torch.nn.Module
    architecture: dict
    preprocessing: Preprocessing
    cam_layer: str
    head: str
    fresh: tuple[str, ...]
    batch_norm: str


def start(recipe: Recipe, class_names: tuple[str, ...]) -> Start:
    """Return what the recipe starts from for these classes; the recipe's seed decides every fresh weight.

    Raises
    ------
    BadInput
        Where the architecture, its options or the weights cannot be used.
    """
    import torch

    specs.check_class_names(class_names, "the data set's classes")
    source, name, options = _arch(recipe.arch)
    own = {k: specs.as_value(v) for k, v in options.items() if k not in specs.FRAME_KEYS}
    described = architectures.architecture(source, name, len(class_names), own)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = architectures.build(described)
    frame = {"size": str(recipe.size) if recipe.size else "", "fit": recipe.fit}
    overrides = {k: v for k, v in options.items() if k in specs.FRAME_KEYS} | {k: v for k, v in frame.items() if v}
    preprocessing = specs.preprocessing_for(described, overrides, recipe.arch)
    seen = trace(network, preprocessing.frame.size)
    fresh: tuple[str, ...] = ()
    if recipe.pathway != "scratch":
        state = architectures.hub_weights(name) if recipe.weights == "hub" else weights.load_weights(recipe.weights)
        fresh = weights.fit_weights(network, architectures.as_built(state, network), recipe.weights, head=seen.head)
        if fresh:
            _soften(network.get_submodule(seen.head), recipe.seed)
    network, described, seen = specs.as_two(network, described, seen, len(class_names), recipe.arch)
    layer = next(iter(seen.cam_layers.values()), "")
    return Start(network, described, preprocessing, layer, seen.head, fresh, _batch_norm(network, recipe))


def _soften(head: torch.nn.Module, seed: int) -> None:
    """Start a new head near zero: timm's heads for few classes start so large that the first updates undo them."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.weight.normal_(0, HEAD_SPREAD, generator=generator)
        if head.bias is not None:
            head.bias.zero_()


def _arch(text: str) -> tuple[str, str, dict[str, str]]:
    named, _, query = text.partition("?")
    source, colon, rest = named.partition(":")
    source, name = (source, rest) if colon and source in ("timm", "import") else ("timm", named)
    options = specs.parse_options(query, text)
    misplaced = [k for k in ("weights", "classes", "cam_layer") if k in options]
    if misplaced:
        raise BadInput(
            where=text,
            expected="an architecture and its options",
            found=", ".join(misplaced),
            remedy="weights have a setting of their own, classes come from the data set",
        )
    return source, name, options


def norm_layers(network: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the network's batch-norm layers that keep running statistics."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return [m for m in network.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]


def _batch_norm(network: torch.nn.Module, recipe: Recipe) -> str:
    layers = norm_layers(network)
    if not layers:
        return "none"
    if recipe.pathway == "linear-probe":
        return "frozen"
    if recipe.batch_norm != "auto":
        return recipe.batch_norm
    folded = all(
        bool((layer.running_mean == 0).all()) and bool(((layer.running_var - 1).abs() < FLAT).all()) for layer in layers
    )
    # scratch starts from the same numbers, but there they are about to be measured
    return "frozen" if folded and recipe.pathway != "scratch" else "train"

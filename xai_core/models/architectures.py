"""Making networks: any of timm's by name, or one of the user's own by import path."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.models.no_compiler import without_compiler
from xai_core.models.torchvision_operators import declare_missing_operators
from xai_core.models.weights import load_weights

if TYPE_CHECKING:
    import torch

# these would fetch weights by another door than `load_weights`, or name the width twice
RESERVED = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "num_classes", "scriptable")
# torchvision's names of VGG's dense layers -> timm's, which writes them as convolutions
_VGG_DENSE = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}


def architecture(source: str, name: str, classes: int, options: Mapping[str, object] | None = None) -> dict:
    """Return the plain JSON values from which `build` makes a network.

    Parameters
    ----------
    source : {'timm', 'import'}
        Who makes it.
    name : str
        A timm name, or ``package.module:callable``.
    classes : int
        How many outputs; a callable that takes no ``num_classes`` decides for itself.
    options : mapping, optional
        Passed to timm's ``create_model``, or to the callable.
    """
    single = {"single_logit": False}
    return {"source": source, "name": name, "classes": int(classes), "options": dict(options or {})} | single


def build(description: Mapping[str, object]) -> torch.nn.Module:
    """Return a fresh network from what `architecture` described; torch's own seed decides its weights.

    With ``single_logit`` the network is wrapped so that one logit z becomes two, (0, z).

    Raises
    ------
    BadInput
        Where the name is unknown, the options do not fit, or the callable gives no network.
    """
    values = {"options": {}, "single_logit": False} | dict(description)
    makers = {"timm": _build_timm, "import": _build_import}
    if values.get("source") not in makers or not isinstance(values.get("name"), str):
        raise _bad(values.get("name"), "source timm or import, and a name", repr(values.get("source")))
    reserved = [k for k in RESERVED if k in values["options"]]
    if reserved:
        raise _bad(values["name"], "options of the network alone", ", ".join(reserved), "use weights= and classes=")
    network = makers[values["source"]](values["name"], int(values["classes"]), values["options"])
    return two_from_one(network) if values["single_logit"] else network


def two_from_one(network: torch.nn.Module) -> torch.nn.Module:
    """Return a network with the logits (0, z) where the given one has z: the softmax is then the sigmoid of z."""
    return _two_from_one_class()(network)


@cache
def _two_from_one_class() -> type:
    import torch

    class TwoFromOne(torch.nn.Module):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            z = self.network(batch).reshape(-1, 1)
            return torch.cat((torch.zeros_like(z), z), 1)

    return TwoFromOne


def timm_settings(name: str) -> dict:
    """Return timm's ``pretrained_cfg`` of an architecture as a dictionary.

    Raises
    ------
    BadInput
        Where timm has no such architecture; the message names the nearest.
    """
    timm = import_timm()
    # a name with a scheme ("hf-hub:...") would fetch its own settings from elsewhere
    if ":" in name or not timm.is_model(name):
        near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), 3)
        remedy = f"did you mean {', '.join(near)}?" if near else "timm.list_models() names them all"
        raise _bad(name, "a network that timm has", "an unknown name", remedy)
    settings = timm.get_pretrained_cfg(name)
    if settings is None:
        raise _bad(name, "a variant that timm has", "an unknown tag after the dot", "leave the tag out")
    return settings.to_dict()


def hub_weights(name: str) -> dict[str, torch.Tensor]:
    """Return the published weights of a timm network, fetched once and then read like any local file.

    Raises
    ------
    BadInput
        Where timm knows none, or they cannot be fetched.
    """
    import huggingface_hub

    repository = timm_settings(name).get("hf_hub_id")
    if not repository:
        raise _bad(name, "published weights on the hub", "none", "give weights=FILE, or train from scratch")
    try:
        path = huggingface_hub.hf_hub_download(repository, "model.safetensors")
    except Exception as error:  # network, proxy, cache and hub errors share no base class; all mean the same here
        found = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"
        raise _bad(name, f"{repository} from the hub", found, "connect once, or give weights=FILE") from error
    return load_weights(path)


def as_built(state: Mapping[str, torch.Tensor], network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return `state` under the names `network` uses, where torchvision and timm name the same VGG differently."""
    own = network.state_dict()
    if "classifier.6.weight" not in state or "pre_logits.fc1.weight" not in own:
        return dict(state)
    renamed = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        target = f"{_VGG_DENSE.get(layer, layer)}.{kind}"
        shape = own[target].shape if target in own else tensor.shape
        renamed[target] = tensor.reshape(shape) if tensor.numel() == shape.numel() else tensor
    return renamed


@cache
def import_timm() -> ModuleType:
    """Return timm, which imports beside any torch."""
    declare_missing_operators()
    with without_compiler():
        import timm
    return timm


def _build_timm(name: str, classes: int, options: Mapping[str, object]) -> torch.nn.Module:
    timm_settings(name)
    try:
        return import_timm().create_model(name, pretrained=False, num_classes=classes, **options)
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError) as error:
        raise _bad(name, "options that timm's create_model takes", f"{type(error).__name__}: {error}") from error


def _build_import(name: str, classes: int, options: Mapping[str, object]) -> torch.nn.Module:
    import torch

    call = _callable(name)
    parameters = inspect.signature(call).parameters
    width = {"num_classes": classes} if "num_classes" in parameters else {}
    try:
        network = call(**width, **options)
    except TypeError as error:
        raise _bad(name, "options that the callable takes", str(error)) from error
    if not isinstance(network, torch.nn.Module):
        raise _bad(name, "a callable that gives a torch.nn.Module", type(network).__name__)
    return network


def _callable(name: str) -> object:
    """Return what ``package.module:callable`` names, with the working folder on the path.

    A model card names a callable too, and a card may come from anywhere: the standard library and torch, whose
    functions run commands and code given as text, are out of reach, and so is whatever a module merely imported.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute.isidentifier():
        raise _bad(name, "package.module:callable", "another form")
    if module_name.partition(".")[0] in {*sys.stdlib_module_names, "torch"}:
        raise _bad(name, "a module with networks of your own", "the standard library or torch")
    try:
        with _working_folder_on_path():
            module = importlib.import_module(module_name)
    except ImportError as error:
        raise _bad(name, f"a module {module_name} on the path or in {Path.cwd()}", str(error)) from error
    call = getattr(module, attribute, None)
    if not callable(call) or getattr(call, "__module__", None) != module.__name__:
        raise _bad(name, f"a class or function defined in {module_name}", f"no such {attribute}")
    return call


@contextlib.contextmanager
def _working_folder_on_path():
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)


def _bad(where: object, expected: str, found: str, remedy: str = "correct the name or the options") -> BadInput:
    return BadInput(where=where, expected=expected, found=found, remedy=remedy)

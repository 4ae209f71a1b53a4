"""Naming a classifier on one line, and loading what the line names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from xai_core import imagenet_classes
from xai_core.errors import BadInput
from xai_core.geometry import FITS, Frame
from xai_core.models import architectures, folder, weights
from xai_core.models.classifier import Classifier, Preprocessing
from xai_core.models.layers import Trace, trace

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CLASS_LISTS = {"imagenet": imagenet_classes.names, "cifar10": lambda: CIFAR10}
FRAME_KEYS = ("size", "fit", "resize", "interpolation", "mean", "std")
OWN_KEYS = ("weights", "classes", "cam_layer", *FRAME_KEYS)
CROP_SHARE = 224 / 256  # how much of the shorter side a crop keeps where nothing else is said


def load(spec: str | Path, *, device: str | None = None, precision: str = "float32") -> Classifier:
    """Return the classifier that a spec names.

    Parameters
    ----------
    spec : str or Path
        ``models/NAME``: a model folder; ``models/NAME?checkpoint=STEP``: as it was at that step of its training.
        ``timm:ARCH?weights=FILE&classes=imagenet&size=224&...``: a timm network; without ``weights`` from the hub.
        ``import:package.module:callable?weights=FILE&classes=a,b,c&size=32&...``: a network of one's own.
        Options: `weights` (a file, or ``hub``), `classes` (``imagenet``, ``cifar10`` or names), `size` (224 or
        224x160, height first), `fit`, `resize`, `interpolation`, `mean`, `std`, `cam_layer`; every other one goes
        to the network's maker.
    device : str, optional
        'cuda' where there is one, else 'cpu'.
    precision : {'float32', 'bfloat16'}
        What it computes in.

    Raises
    ------
    BadInput
        Where the spec, its files or their contents cannot be used.
    """
    text = str(spec)
    source, _, rest = text.partition(":")
    if source not in ("timm", "import"):
        path, checkpoint = _folder_and_checkpoint(text)
        return folder.load_folder(path, checkpoint=checkpoint, device=device, precision=precision)
    name, _, query = rest.partition("?")
    options = parse_options(query, text)
    classes = _class_names(options.get("classes"), source, name, text)
    own = {k: as_value(v) for k, v in options.items() if k not in OWN_KEYS}
    described = architectures.architecture(source, name, len(classes), own)
    network = architectures.build(described)
    _fill(network, source, name, options.get("weights"), text)
    preprocessing = preprocessing_for(described, options, text)
    seen = trace(network, preprocessing.frame.size)
    network, described, seen = as_two(network, described, seen, len(classes), text)
    layer = options.get("cam_layer") or next(iter(seen.cam_layers.values()), "")
    layer = seen.cam_layers.get(layer, layer)
    if layer and layer not in dict(network.named_modules()):
        known = ", ".join(seen.cam_layers) or "none by name"
        raise _bad(text, "cam_layer= a module of the network", layer, f"known: {known}; any module path will do")
    return Classifier(network, preprocessing, classes, described, cam_layer=layer, device=device, precision=precision)


def as_two(network, described: dict, seen: Trace, classes: int, where: object) -> tuple:
    """Return (network, architecture, trace) with as many outputs as classes: one logit becomes two, (0, z).

    Raises
    ------
    BadInput
        Where the network's width is neither the number of classes nor one for two.
    """
    if seen.width == 1 and classes == 2:
        layers = {name: f"network.{path}" for name, path in seen.cam_layers.items()}
        head = f"network.{seen.head}" if seen.head else ""
        return architectures.two_from_one(network), described | {"single_logit": True}, Trace(2, head, layers)
    if seen.width != classes:
        remedy = "name as many classes as the network has outputs"
        raise _bad(where, f"{classes} outputs, one for each class name", f"{seen.width} outputs", remedy)
    return network, described, seen


def preprocessing_for(described: Mapping, overrides: Mapping[str, str], where: object) -> Preprocessing:
    """Return what the architecture's weights were made with, changed by the `overrides` among `FRAME_KEYS`.

    timm's own settings for a timm network; 224 pixels, bilinear, ImageNet's mean and std otherwise.

    Raises
    ------
    BadInput
        Where an override is not of its kind.
    """
    known = architectures.timm_settings(described["name"]) if described["source"] == "timm" else {}
    rows, columns = (
        _size(overrides["size"], where) if "size" in overrides else known.get("input_size", (3, 224, 224))[1:]
    )
    fit = overrides.get("fit") or ("squash" if known.get("crop_mode") == "squash" else "crop")
    if fit not in FITS:
        raise _bad(where, f"fit= one of {', '.join(FITS)}", fit, "choose one")
    resize = _integer(overrides["resize"], where) if "resize" in overrides else None
    share = known.get("crop_pct") or CROP_SHARE
    # timm rounds the shorter side down (timm/data/transforms_factory.py)
    resize = (resize or math.floor(max(rows, columns) / share)) if fit == "crop" else 0
    values = {"mean": known.get("mean"), "std": known.get("std")}
    values |= {k: _triple(overrides[k], where) for k in values if k in overrides}
    try:
        frame = Frame(
            (rows, columns), fit, resize, overrides.get("interpolation") or known.get("interpolation", "bilinear")
        )
    except ValueError as error:
        raise _bad(
            where, "a model frame that can be made", str(error), "change size, resize or interpolation"
        ) from error
    return Preprocessing(frame, **{k: tuple(map(float, v)) for k, v in values.items() if v})


def parse_options(query: str, where: object) -> dict[str, str]:
    """Return the options of a spec: ``a=1&b=two`` as a dictionary of texts, ``%26`` standing for &."""
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals or not key or key in options:
            raise _bad(where, "options like key=value, each once", repr(part), "separate them by &")
        options[key] = unquote(value)
    return options


def _fill(network, source: str, name: str, file: str | None, where: object) -> None:
    if file in (None, "hub"):
        if source != "timm":
            raise _bad(where, "weights=FILE", "none", "a network of your own has no published weights")
        state, origin = architectures.hub_weights(name), f"{name} from the hub"
    else:
        state, origin = weights.load_weights(file), file
    weights.fit_weights(network, architectures.as_built(state, network), origin)


def _folder_and_checkpoint(text: str) -> tuple[Path, int | None]:
    path, mark, query = text.partition("?")
    if not mark or Path(text).is_dir():
        return Path(text), None
    options = parse_options(query, text)
    if set(options) != {"checkpoint"}:
        raise _bad(text, "a model folder, with checkpoint=STEP at most", query, "name the folder alone")
    return Path(path), _integer(options["checkpoint"], text)


def _class_names(text: str | None, source: str, name: str, where: object) -> tuple[str, ...]:
    if text is None and source == "timm" and architectures.timm_settings(name).get("num_classes") == 1000:
        text = "imagenet"
    if text is None:
        raise _bad(where, "classes=, the names in the network's order", "none", "add classes=NAME,NAME,...")
    names = CLASS_LISTS[text]() if text in CLASS_LISTS else tuple(n.strip() for n in text.split(","))
    check_class_names(names, where)
    return names


def check_class_names(names: tuple[str, ...], where: object) -> None:
    """Raise BadInput unless there are at least two names, none empty, none twice."""
    twice = sorted({n for n in names if names.count(n) > 1})
    if len(names) < 2 or twice or not all(names):
        found = f"{', '.join(twice)} twice" if twice else f"{len(names)} names: {', '.join(names) or 'none'}"
        raise _bad(where, "two or more class names, each once", found, "correct classes=")


def as_value(text: str) -> object:
    """Return a number or truth value where the text is one, else the text: options reach Python callables."""
    words = {"True": True, "False": False, "None": None}
    try:
        return words[text] if text in words else json.loads(text)
    except ValueError:
        return text


def _size(text: str, where: object) -> tuple[int, int]:
    parts = text.split("x")
    sides = [_integer(p, where) for p in (parts if len(parts) == 2 else [text, text])]
    return sides[0], sides[1]


def _integer(text: str, where: object) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 10**9:
        raise _bad(where, "a whole number", repr(text), "correct the option")
    return int(text)


def _triple(text: str, where: object) -> tuple[float, ...]:
    try:
        values = tuple(float(v) for v in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 3:
        raise _bad(where, "three numbers with commas", repr(text), "give one for each of R, G and B")
    return values


def _bad(where: object, expected: str, found: str, remedy: str) -> BadInput:
    return BadInput(where=where, expected=expected, found=found, remedy=remedy)

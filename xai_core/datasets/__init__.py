"""Data sets: from files on disk to samples, and everything that can be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from xai_core.datasets import cifar10, imagenet, isic2016, mnist, sample, strokes, table
from xai_core.datasets.checking import check
from xai_core.datasets.format import Format
from xai_core.datasets.images import image_hash, read_image
from xai_core.datasets.regions import read_region
from xai_core.datasets.selecting import where
from xai_core.datasets.splitting import with_validation
from xai_core.errors import BadInput
from xai_core.types import DataSet

FORMATS: dict[str, Format] = {
    "isic2016": isic2016.FORMAT,
    "imagenet": imagenet.FORMAT,
    "mnist": mnist.FORMAT,
    "cifar10": cifar10.FORMAT,
    "table": table.FORMAT,
    "sample": sample.FORMAT,
    "strokes": strokes.FORMAT,
}

_WHERE = "where="

__all__ = [
    "FORMATS",
    "Format",
    "check",
    "image_hash",
    "open_dataset",
    "read_image",
    "read_region",
    "where",
    "with_validation",
]


def open_dataset(spec: str) -> DataSet:
    """Return the data set that a text names; lists are read, images are not.

    Parameters
    ----------
    spec : str
        ``FORMAT:PATH``, with options behind a question mark: ``imagenet:DIR?only=vehicles&boxes=single``. A character
        that would end a value (``&``, ``?``, ``%``) is written as ``%26`` and so on. Every format knows ``where=``,
        and more than once: ``isic2016:DIR?where=age_approximate>=50`` (`where`).

    Raises
    ------
    BadInput
        Where format, path or options cannot be understood, a list cannot be read, or no sample is left.
    """
    name, _, rest = spec.partition(":")
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise BadInput(where=spec, expected=f"FORMAT:PATH with FORMAT one of {known}", found=name, remedy="name one")
    path, _, query = rest.partition("?")
    parts = [part for part in query.split("&") if part]
    conditions = [part.removeprefix(_WHERE) for part in parts if part.startswith(_WHERE)]
    if "\0" in path:
        raise BadInput(where=repr(spec), expected="a path", found="a NUL in it", remedy="name the folder or file")
    if not path and FORMATS[name] is not sample.FORMAT:
        raise BadInput(where=spec, expected=f"{name}:PATH", found="no path", remedy="name the folder or file")
    options = _parse_options(name, [part for part in parts if not part.startswith(_WHERE)])
    dataset = FORMATS[name].reads(Path(path).expanduser(), options)
    for condition in conditions:
        dataset = where(dataset, unquote(condition))
    if not dataset.samples:
        raise _nothing(spec, dataset)
    return replace(dataset, spec=spec)


def _parse_options(name: str, parts: Sequence[str]) -> dict[str, str]:
    options = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if key not in FORMATS[name].options or not equals:
            known = ", ".join(f"{key}=" for key in FORMATS[name].options) or "no options but where="
            raise BadInput(where=f"data {name}", expected=known, found=part, remedy="correct the option")
        options[key] = unquote(value)
    return options


def _nothing(spec: str, dataset: DataSet) -> BadInput:
    found = "none"
    if dataset.problems:
        first = dataset.problems[0]
        found = f"none, and {len(dataset.problems)} problems, the first: {first.kind}, {first.file}, {first.detail}"
    return BadInput(where=spec, expected="at least one sample", found=found, remedy="name another folder or option")

"""What every data set format has in common: its description, its folder, and how a fault becomes a problem."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from xai_core.datasets import members
from xai_core.errors import BadInput, SampleError
from xai_core.types import DataSet, Problem

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True)
class Format:
    """How one kind of data set is named and read.

    Attributes
    ----------
    title : str
        What it is, and what to write behind the colon.
    reads : callable (path, options) -> DataSet
        `path` is what stands behind the colon, `options` what stands behind the question mark.
    options : mapping of str to str
        Option name -> what it does.
    """

    title: str
    reads: Callable[[Path, Mapping[str, str]], DataSet]
    options: Mapping[str, str] = field(default_factory=dict)


def label_out_of_range(image: Path, label: int, classes: int) -> SampleError:
    """Return the fault of an image whose label, a number in a file, is that of no class."""
    return SampleError(
        "label_unknown",
        where=image,
        expected=f"a label from 0 to {classes - 1}",
        found=str(label),
        remedy="fetch the file of labels anew; the sample is kept, without a label",
    )


def folder(path: Path, holds: str) -> Path:
    """Return the data set's root, absolute and resolved; `BadInput` where there is no such folder."""
    resolved = Path(os.path.realpath(path))
    if not resolved.is_dir():
        found = "a file" if resolved.exists() else "nothing there"
        raise BadInput(where=path, expected=f"a folder with {holds}", found=found, remedy="name the folder")
    return resolved


def inside(root: Path, text: str, named_by: str) -> Path:
    """Return the file that a list names, absolute and resolved.

    Links are followed before the comparison, so neither ``..`` nor a link leaves `root` (already resolved).

    Raises
    ------
    SampleError
        ``path_outside`` or ``file_missing``.
    """
    path = Path(os.path.realpath(root / text))
    if not path.is_relative_to(root):
        raise SampleError(
            "path_outside",
            where=text,
            expected=f"a file inside {root.name}",
            found=f"a path that leads out of it ({named_by})",
            remedy="copy the file into the data set's folder and name it there",
        )
    if not os.path.lexists(path) and not members.holds(path):
        raise SampleError(
            "file_missing",
            where=text,
            expected=f"the file that {named_by} names",
            found="nothing there",
            remedy="add the file, or take its row out of the list",
        )
    return path


def pictures(folder: Path) -> dict[str, Path]:
    """Return the picture files of a folder by stem, in the order of their names; an absent folder has none."""
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if Path(e.name).suffix.lower() in IMAGE_SUFFIXES)
    found: dict[str, Path] = {}
    for name in names:
        found.setdefault(Path(name).stem, folder / name)
    return found


def unique_ids(paths: Iterable[str]) -> list[str]:
    """Return one id per relative path: its stem, with a digest of the path where two files share the stem."""
    paths = list(paths)
    owners: dict[str, set[str]] = {}
    for path in paths:
        owners.setdefault(_stem(path), set()).add(path)
    return [
        _stem(p) if len(owners[_stem(p)]) == 1 else f"{_stem(p)}-{sha256(p.encode()).hexdigest()[:8]}" for p in paths
    ]


def _stem(path: str) -> str:
    return Path(re.split(r"[\\/]", path)[-1]).stem


def choice(options: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    """Return an option's value, None where it is not given; `BadInput` where it is not one of `allowed`."""
    value = options.get(name)
    if value is not None and value not in allowed:
        raise BadInput(
            where=f"option {name}", expected=" or ".join(allowed), found=repr(value), remedy="write one of them"
        )
    return value


def whole_option(options: Mapping[str, str], name: str, default: int) -> int:
    """Return an option that is a whole number; `BadInput` where it is none."""
    text = options.get(name, str(default))
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise BadInput(where=f"option {name}", expected="a whole number", found=repr(text), remedy="correct it")
    return int(text)


def share_option(options: Mapping[str, str], name: str, default: float) -> float:
    """Return an option that is a number in [0, 1); `BadInput` where it is none."""
    text = options.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise BadInput(
            where=f"option {name}", expected="a number from 0 to below 1", found=repr(text), remedy="mend it"
        )
    return value


def problem(error: SampleError, root: Path) -> Problem:
    """Return the error as a line of the list of problems; the file is named relative to `root` where it lies in it."""
    file = Path(error.where or "")
    if file.is_absolute() and file.is_relative_to(root):
        file = file.relative_to(root)
    detail = " ".join(f"expected {error.expected}; found {error.found}".split())
    return Problem(error.kind, str(file), detail, error.remedy)

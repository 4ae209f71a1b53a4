"""A table of one's own: a CSV file whose rows are samples.

Columns: ``image`` and ``label``; optionally ``id``, ``mask``, ``boxes`` (``xmin ymin xmax ymax``, repeated, separated
by spaces or ';', half-open, in pixels of the image), ``split`` (train, validation, test) and ``group`` (patient or
lesion: never parted over splits). Where a row has both, the mask is taken. Further columns are kept as metadata. Paths
are relative to the table's folder and stay inside it. This docstring is the layout's description.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from xai_core.datasets.format import Format, choice, folder, inside, problem, unique_ids
from xai_core.datasets.lists import read_table, typed
from xai_core.datasets.regions import parse_boxes
from xai_core.errors import BadInput, SampleError
from xai_core.types import SPLITS, Annotation, Boxes, DataSet, MaskFile, Problem, Sample

_REQUIRED = ("image", "label")
_OPTIONAL = ("id", "mask", "boxes", "split", "group")
_SPLIT_NAMES = {name: name for name in SPLITS} | {"": "", "val": "validation", "valid": "validation"}
_OPTIONS = {
    "classes": "names of the classes in their order, separated by commas; else those of the column, sorted",
    "positive": "the class that sensitivity speaks of",
    "clinical": "true: the images come from patients, no remote service may see them",
    "synthetic": "true: a program drew the images; every summary says so",
    "bands": "objects or lesions: the preset of pattern bands; else the data's own quantiles",
}


def read(path: Path, options: Mapping[str, str]) -> DataSet:
    """Return the data set of a CSV file."""
    root = folder(path.parent, "the table")
    rows = _read_rows(path)
    classes = _class_names(rows, options, path)
    positive = options.get("positive")
    if positive is not None and positive not in classes:
        raise BadInput(
            where="option positive", expected=f"one of {', '.join(classes)}", found=repr(positive), remedy="correct it"
        )
    samples, problems = _read_samples(root, path, rows, classes)
    return DataSet(
        spec=f"table:{path}",
        root=root,
        class_names=classes,
        samples=samples,
        problems=problems,
        positive=None if positive is None else classes.index(positive),
        clinical=choice(options, "clinical", ("true", "false")) == "true",
        synthetic=choice(options, "synthetic", ("true", "false")) == "true",
        bands=choice(options, "bands", ("objects", "lesions")) or "quantile",
        split_note="as the column split says" if any(s.split for s in samples) else "the source has no splits",
    )


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    rows = read_table(path, _REQUIRED, _OPTIONAL)
    if not rows:
        raise BadInput(where=path, expected="a row for each sample", found="a header alone", remedy="add the rows")
    for number, row in rows:
        if re.search(r"[/\\\s]", row.get("id", "")):
            raise BadInput(
                where=f"{path}, line {number}",
                expected="an id without slashes and spaces",
                found=repr(row["id"]),
                remedy="rename it, or leave the column out",
            )
    return rows


def _class_names(rows: Sequence[tuple[int, dict]], options: Mapping[str, str], path: Path) -> tuple[str, ...]:
    if "classes" not in options:
        names = tuple(sorted({row["label"] for _, row in rows} - {""}))
    else:
        names = tuple(name.strip() for name in options["classes"].split(","))
    if not names or "" in names or len(set(names)) < len(names):
        found = f"{', '.join(map(repr, names))}" if names else "no label at all"
        raise BadInput(where=path, expected="class names, each once", found=found, remedy="correct the classes")
    return names


def _read_samples(root: Path, path: Path, rows, classes: tuple[str, ...]) -> tuple[tuple[Sample, ...], tuple]:
    samples: dict[str, Sample] = {}
    problems: list[Problem] = []
    stems = unique_ids(row["image"] for _, row in rows)
    names = [row.get("id") or stem for (_, row), stem in zip(rows, stems, strict=True)]
    metadata = typed([{k: v for k, v in row.items() if k not in (*_REQUIRED, *_OPTIONAL)} for _, row in rows])
    for name, values, (number, row) in zip(names, metadata, rows, strict=True):
        where = f"{path.name}, line {number}"
        split = _parse_split(row.get("split", ""), f"{path}, line {number}")
        try:
            if name in samples:
                raise _duplicate(path, name, number)
            image = inside(root, _path(row["image"], where), where)
        except SampleError as error:
            problems.append(problem(error, root))
            continue
        annotation, spoiled = None, ""
        try:
            annotation = _read_annotation(root, path, row, where)
        except SampleError as error:
            spoiled = error.kind
            problems.append(problem(error, root))
        label = classes.index(row["label"]) if row["label"] in classes else None
        if label is None:
            problems.append(problem(_unknown_label(path, row["label"], number, classes), root))
        samples[name] = Sample(name, image, label, split, annotation, row.get("group") or None, spoiled, values)
    return tuple(samples.values()), tuple(problems)


def _read_annotation(root: Path, path: Path, row: Mapping[str, str], where: str) -> Annotation | None:
    if row.get("mask"):
        return MaskFile(inside(root, _path(row["mask"], where), where))
    corners = parse_boxes(row.get("boxes", ""), where)
    return Boxes(corners, source=path) if corners else None


def _path(cell: str, where: str) -> str:
    if not cell:
        raise SampleError(
            "file_missing",
            where=where,
            expected="a path",
            found="an empty cell",
            remedy="name the file, or drop the row",
        )
    return cell.replace("\\", "/")


def _parse_split(cell: str, where: str) -> str:
    if cell.lower() not in _SPLIT_NAMES:
        raise BadInput(
            where=where, expected=f"one of {', '.join(SPLITS)}", found=repr(cell), remedy="correct the split"
        )
    return _SPLIT_NAMES[cell.lower()]


def _duplicate(path: Path, name: str, number: int) -> SampleError:
    return SampleError(
        "duplicate",
        where=path,
        expected="every sample once",
        found=f"{name} again in line {number}",
        remedy="remove one of the rows, or tell them apart in a column id: the first one counts",
    )


def _unknown_label(path: Path, label: str, number: int, classes: Sequence[str]) -> SampleError:
    return SampleError(
        "label_unknown",
        where=path,
        expected=f"one of {', '.join(classes)[:200]}",
        found=f"{label!r} in line {number}",
        remedy="correct it: the image is kept without a label",
    )


FORMAT = Format("a table of one's own, table:FILE.csv: a row for each image", read, _OPTIONS)

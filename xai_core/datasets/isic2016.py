"""ISIC 2016 part 3 (Gutman et al., arXiv 1605.01397): benign or malignant, with lesion masks.

The layout is described on https://challenge.isic-archive.com/landing/2016/39/ and in METHODS 5a: two ground-truth
CSVs without header, the training one with words, the test one with numbers; images in ``images/`` or in the folders
that the official archives unpack to; masks ``<id>_Segmentation.png`` beside them, in ``masks/`` or in the folders of
part 1's ground truth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from xai_core.datasets.format import Format, folder, inside, pictures, problem
from xai_core.datasets.lists import read_rows, read_table, typed
from xai_core.errors import BadInput, SampleError
from xai_core.types import DataSet, MaskFile, Problem, Sample

CLASS_NAMES = ("benign", "malignant")
_WORDS = {"train": "Training", "test": "Test"}
_LIST = "ISBI2016_ISIC_Part3_{}_GroundTruth.csv"
_ID_COLUMNS = ("image_id", "isic_id", "image", "image_name", "name", "id")
_NOT_METADATA = {"split", "label", "malignant"}
_SUFFIX = re.compile(r"\.(jpe?g|png)$", re.IGNORECASE)


def read(path: Path, options: Mapping[str, str]) -> DataSet:
    """Return the data set of a folder; images that the lists name and that are absent are problems."""
    root = folder(path, "the ISIC 2016 images and ground-truth CSVs")
    lists = {split: file for split, word in _WORDS.items() if (file := _find_list(root, word))}
    if not lists:
        expected = f"{_LIST.format('Training')} or {_LIST.format('Test')} (or Part3B)"
        raise BadInput(where=path, expected=expected, found="neither", remedy="add the official ground truth")
    samples: dict[str, Sample] = {}
    problems: list[Problem] = []
    for split, file in lists.items():
        _read_split(root, split, file, samples, problems)
    metadata = _read_metadata(root / "metadata.csv")
    return DataSet(
        spec=f"isic2016:{path}",
        root=root,
        class_names=CLASS_NAMES,
        samples=tuple(replace(s, metadata=metadata.get(s.id, {})) for s in samples.values()),
        problems=tuple(problems),
        positive=CLASS_NAMES.index("malignant"),
        clinical=True,
        bands="lesions",
        split_note=f"{' and '.join(lists)} as published with ISIC 2016",
    )


def _read_split(root: Path, split: str, file: Path, samples: dict[str, Sample], problems: list[Problem]) -> None:
    """Add the samples that one list names to `samples`, by id, and what is wrong to `problems`."""
    images, masks = _find_pictures(root, _WORDS[split])
    for number, name, value in _read_list(file):
        try:
            _refuse_second(name, samples, file, number)
            image = _find_image(root, name, images, f"{file.name}, line {number}")
        except SampleError as error:
            problems.append(problem(error, root))
            continue
        label = _parse_label(value)
        if label is None:
            problems.append(problem(_unknown_label(file, number, name, value), root))
        annotation, spoiled = None, ""
        try:
            annotation = _find_mask(root, name, masks)
        except SampleError as error:
            spoiled = error.kind
            problems.append(problem(error, root))
        samples[name] = Sample(name, image, label, split, annotation, annotation_problem=spoiled)


def _find_list(root: Path, word: str) -> Path | None:
    pattern = re.compile(rf"ISBI2016_ISIC_Part3B?_{word}_GroundTruth\.csv", re.IGNORECASE)
    found = sorted((f for f in root.iterdir() if pattern.fullmatch(f.name)), key=lambda f: "part3b" in f.name.lower())
    ours = [f for f in found if not _is_medsegdiff(f)]
    if found and not ours:
        raise BadInput(
            where=found[0],
            expected="two columns: image id and diagnosis",
            found="columns img and seg: the list that circulates with MedSegDiff, which has no diagnosis",
            remedy="replace it by the official file of the same name",
        )
    return ours[0] if ours else None


def _is_medsegdiff(file: Path) -> bool:
    _, first = read_rows(file)[0]
    return {"img", "seg"} <= {cell.lower() for cell in first}


def _read_list(file: Path) -> list[tuple[int, str, str]]:
    rows = read_rows(file)
    if rows[0][1][0].lower() in _ID_COLUMNS:
        rows = rows[1:]
    for number, row in rows:
        if len(row) != 2:
            raise BadInput(
                where=f"{file}, line {number}",
                expected="two columns: image id and diagnosis",
                found=f"{len(row)}",
                remedy="use the official file",
            )
    return [(number, _SUFFIX.sub("", row[0]), row[1]) for number, row in rows]


def _parse_label(value: str) -> int | None:
    if value.lower() in CLASS_NAMES:
        return CLASS_NAMES.index(value.lower())
    try:
        return {0.0: 0, 1.0: 1}.get(float(value))
    except ValueError:
        return None


def _unknown_label(file: Path, number: int, name: str, value: str) -> SampleError:
    return SampleError(
        "label_unknown",
        where=file,
        expected="benign, malignant, 0 or 1",
        found=f"{value!r} for {name} in line {number}",
        remedy="correct it: the image is kept without a label",
    )


def _refuse_second(name: str, samples: Mapping[str, Sample], file: Path, number: int) -> None:
    if name in samples:
        first = samples[name]
        label = "no label" if first.label is None else CLASS_NAMES[first.label]
        raise SampleError(
            "duplicate",
            where=file,
            expected="every image once",
            found=f"{name} again in line {number} (first as {label} in {first.split})",
            remedy="remove one of the rows: the first one counts",
        )


def _find_pictures(root: Path, word: str) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the pictures that may be images, and those that may be masks, of one split, by stem."""
    data = sorted(root.glob(f"*_{word}_Data"), reverse=True)
    truth = sorted(root.glob(f"*_{word}_GroundTruth"), reverse=True)
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    # an archive unpacked by hand often lies in a folder of its own name
    for place in [p for d in data for p in (d, d / d.name)] + [root / "images", root]:
        for stem, file in pictures(place).items():
            (masks if stem.endswith("_Segmentation") else images).setdefault(stem, file)
    for place in [root / "masks"] + [p for d in truth for p in (d, d / d.name)]:
        for stem, file in pictures(place).items():
            masks.setdefault(stem if stem.endswith("_Segmentation") else f"{stem}_Segmentation", file)
    return images, masks


def _find_image(root: Path, name: str, images: Mapping[str, Path], named_by: str) -> Path:
    beside = next(iter(images.values())).parent if images else root / "images"
    file = images.get(name, beside / f"{name}.jpg")
    if file.parent != beside and name not in images:
        raise SampleError(
            "path_outside",
            where=file,
            expected="an image's id",
            found=f"a path ({named_by})",
            remedy="use the official file",
        )
    return inside(root, str(file), named_by)


def _find_mask(root: Path, name: str, masks: Mapping[str, Path]) -> MaskFile | None:
    if not masks:
        return None
    stem = f"{name}_Segmentation"
    file = masks.get(stem, next(iter(masks.values())).parent / f"{stem}.png")
    return MaskFile(inside(root, str(file), f"the image {name}"))


def _read_metadata(file: Path) -> dict[str, dict[str, object]]:
    if not file.exists():
        return {}
    header = [name.lower() for name in read_rows(file)[0][1]]
    column = next((name for name in _ID_COLUMNS if name in header), _ID_COLUMNS[0])
    rows = [row for _, row in read_table(file, [column])]
    names = [row.pop(column) for row in rows]
    values = [{k: v for k, v in row.items() if k.lower() not in _NOT_METADATA} for row in typed(rows)]
    return dict(zip(names, values, strict=True))


FORMAT = Format("ISIC 2016 part 3, isic2016:DIR: melanoma or not, from dermoscopy, with lesion masks", read)

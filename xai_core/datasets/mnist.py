"""MNIST (LeCun, Cortes and Burges): handwritten digits in four idx files, gz or not.

    train-images-idx3-ubyte, train-labels-idx1-ubyte    60,000
    t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte      10,000

Fashion-MNIST and the like come in the same files. A picture's path is that of its file and its number in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xai_core.datasets import members
from xai_core.datasets.format import Format, folder, label_out_of_range, problem, whole_option
from xai_core.errors import BadInput
from xai_core.types import DataSet, Problem, Sample

CLASS_NAMES = tuple("0123456789")
VALIDATION = 5000
_PREFIXES = {"train": "train", "test": "t10k"}
_DIGITS = 5


def read(path: Path, options: Mapping[str, str]) -> DataSet:
    """Return the data set of a folder with the four files, or with those of one part."""
    root = folder(path, "MNIST's idx files")
    validation = whole_option(options, "validation", VALIDATION)
    samples: list[Sample] = []
    problems: list[Problem] = []
    for split in _PREFIXES:
        files = [_find(root, split, kind) for kind in ("images-idx3", "labels-idx1")]
        if any(files):
            _read_part(root, split, files, validation, samples, problems)
    if not samples:
        expected = "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz and the t10k ones, or the same without .gz"
        raise BadInput(where=path, expected=expected, found="none of them", remedy="add the four files")
    note = f"train and test as published; validation: the last {validation:,} of the training images"
    return DataSet(
        spec=f"mnist:{path}",
        root=root,
        class_names=CLASS_NAMES,
        samples=tuple(samples),
        problems=tuple(problems),
        near_duplicates=False,
        split_note=f"{note}; no near-duplicates are looked for: many digits look alike",
    )


def _find(root: Path, split: str, kind: str) -> Path | None:
    stem = f"{_PREFIXES[split]}-{kind}-ubyte"
    # some mirrors write a dot for the second hyphen
    names = [name + end for name in (stem, stem.replace("-idx", ".idx")) for end in ("", ".gz")]
    return next((root / name for name in names if (root / name).is_file()), None)


def _read_part(
    root: Path,
    split: str,
    files: list[Path | None],
    validation: int,
    samples: list[Sample],
    problems: list[Problem],
) -> None:
    images_file, labels_file = files
    if images_file is None or labels_file is None:
        found, absent = ("images", "labels") if images_file else ("labels", "images")
        raise BadInput(where=root, expected=f"{split} {absent}", found=f"only {found}", remedy="add the other file")
    images, labels = members.read_idx(images_file, 3), members.read_idx(labels_file, 1)
    if len(images) != len(labels):
        raise BadInput(
            where=labels_file,
            expected=f"{len(images):,} labels, one for each image",
            found=f"{len(labels):,}",
            remedy="fetch both files anew",
        )
    if split == "train" and validation >= len(images):
        raise _too_few(images_file, len(images), validation)
    first_kept = len(images) - (validation if split == "train" else 0)
    for k, label in enumerate(labels.tolist()):
        image = images_file / f"{k:0{_DIGITS}d}"
        known = label < len(CLASS_NAMES)
        if not known:
            problems.append(problem(label_out_of_range(image, label, len(CLASS_NAMES)), root))
        part = split if k < first_kept else "validation"
        samples.append(Sample(f"{split}_{k:0{_DIGITS}d}", image, label if known else None, part))


def _too_few(file: Path, count: int, validation: int) -> BadInput:
    return BadInput(
        where=file,
        expected=f"more than the {validation:,} images that are to be the validation part",
        found=f"{count:,}",
        remedy="write ?validation=N with a smaller N",
    )


FORMAT = Format(
    "MNIST, mnist:DIR: handwritten digits in idx files, gz or not",
    read,
    {"validation": f"how many of the last training images are the validation part ({VALIDATION})"},
)

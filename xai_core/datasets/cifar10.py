"""CIFAR-10 (Krizhevsky 2009): the official binary batches, or class folders in zips.

    data_batch_1.bin ... data_batch_5.bin, test_batch.bin, batches.meta.txt
    ANY.zip with train/CLASS/NAME.png and test/CLASS/NAME.png (one zip, or one for each part)

The batches of the Python version are pickles, which can run any code as they are read: they are not read.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from xai_core.datasets import members
from xai_core.datasets.format import (
    IMAGE_SUFFIXES,
    Format,
    folder,
    label_out_of_range,
    problem,
    share_option,
    unique_ids,
)
from xai_core.errors import BadInput, SampleError
from xai_core.types import DataSet, Problem, Sample

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
VALIDATION = 0.1
_BATCH = re.compile(r"(data_batch_\d+|test_batch)\.bin")
_PICKLE = re.compile(r"data_batch_\d+|test_batch|batches\.meta|cifar-10-python\.tar\.gz")
_UNPACKED = "cifar-10-batches-bin"


def read(path: Path, options: Mapping[str, str]) -> DataSet:
    """Return the data set of a folder of batches or zips, or of one zip."""
    share = share_option(options, "validation", VALIDATION)
    root, files = _containers(path)
    batches = [file for file in files if file.suffix == ".bin"]
    names, samples, problems = _read_batches(root, batches) if batches else _read_zips(root, files)
    note = f"train and test as published; validation: the last {share:.0%} of each class of the training images"
    return DataSet(
        spec=f"cifar10:{path}",
        root=root,
        class_names=names,
        samples=tuple(_with_validation(samples, share)),
        problems=tuple(problems),
        near_duplicates=False,
        split_note=f"{note}; no near-duplicates are looked for: the images are too small",
    )


def _containers(path: Path) -> tuple[Path, list[Path]]:
    if path.is_file() and path.suffix.lower() == ".zip":
        file = path.resolve()
        return file.parent, [file]
    root = folder(path, "CIFAR-10's binary batches or zips of class folders")
    names = sorted(p.name for p in root.iterdir() if p.is_file())
    if not any(map(_BATCH.fullmatch, names)) and (root / _UNPACKED).is_dir():
        return _containers(root / _UNPACKED)
    for chosen in ([n for n in names if _BATCH.fullmatch(n)], [n for n in names if n.lower().endswith(".zip")]):
        if chosen:
            return root, [root / name for name in chosen]
    pickles = [name for name in names if _PICKLE.fullmatch(name)]
    raise BadInput(
        where=path,
        expected="data_batch_1.bin and so on, or zips of class folders",
        found=f"the Python version ({pickles[0]}), whose files can run code as they are read" if pickles else "neither",
        remedy="fetch the binary version, cifar-10-binary.tar.gz, and unpack it",
    )


def _read_batches(root: Path, files: Sequence[Path]) -> tuple[tuple[str, ...], list[Sample], list[Problem]]:
    names = _class_names(root / "batches.meta.txt")
    samples, problems = [], []
    for file in files:
        labels, _ = members.read_batch(file)
        split = "test" if file.stem == "test_batch" else "train"
        for k, label in enumerate(labels.tolist()):
            image = file / f"{k:05d}"
            known = label < len(names)
            if not known:
                problems.append(problem(label_out_of_range(image, label, len(names)), root))
            samples.append(Sample(f"{file.stem}_{k:05d}", image, label if known else None, split))
    return names, samples, problems


def _class_names(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        return CLASS_NAMES
    names = tuple(filter(None, file.read_text(encoding="utf-8", errors="replace").split()))
    if len(names) != len(CLASS_NAMES) or len(set(names)) < len(names):
        found = f"{len(names)}: {', '.join(names[:4])}"
        raise BadInput(where=file, expected="ten class names, a line each", found=found, remedy="fetch it anew")
    return names


def _read_zips(root: Path, files: Sequence[Path]) -> tuple[tuple[str, ...], list[Sample], list[Problem]]:
    """Return classes, samples and problems of ``.../(train|test)/CLASS/NAME`` in every zip."""
    found: dict[str, tuple[Path, str, str]] = {}
    problems: list[Problem] = []
    for file in files:
        entries = members.zip_entries(file)
        problems += [problem(_twice(file, name), root) for name, n in Counter(entries).items() if n > 1]
        for entry in dict.fromkeys(entries):
            if Path(entry).suffix.lower() not in IMAGE_SUFFIXES:
                continue
            if _leaves(entry):
                problems.append(problem(_outside(file, entry), root))
                continue
            parts = entry.split("/")
            if len(parts) >= 3 and parts[-3] in ("train", "test"):
                found[f"{file.name}/{entry}"] = (file / entry, parts[-3], parts[-2])
    names = tuple(sorted({name for _, _, name in found.values()}))
    if len(names) < 2:
        raise BadInput(
            where=files[0],
            expected="pictures in train/CLASS/ and test/CLASS/ of two classes or more",
            found=f"{len(found)} of {len(names)} classes",
            remedy="put each class into a folder of its name",
        )
    ids = unique_ids("_".join((split, name, image.name)) for image, split, name in found.values())
    samples = [
        Sample(id_, image, names.index(name), split)
        for id_, (image, split, name) in zip(ids, found.values(), strict=True)
    ]
    return names, samples, problems


def _leaves(entry: str) -> bool:
    # an absolute name has an empty first part
    return "\\" in entry or ":" in entry or not {"", ".", ".."}.isdisjoint(entry.split("/"))


def _with_validation(samples: Sequence[Sample], share: float) -> list[Sample]:
    """Return the samples with the last `share` of each class of train as validation, rounded down."""
    places: dict[int | None, list[int]] = defaultdict(list)
    for k, sample in enumerate(samples):
        if sample.split == "train":
            places[sample.label].append(k)
    last = {k for own in places.values() for k in own[len(own) - int(share * len(own)) :]}
    return [replace(s, split="validation") if k in last else s for k, s in enumerate(samples)]


def _twice(file: Path, name: str) -> SampleError:
    remedy = "pack the folder anew; the last of them is read"
    return SampleError("duplicate", where=file / name, expected="every name once", found="two of it", remedy=remedy)


def _outside(file: Path, entry: str) -> SampleError:
    return SampleError(
        "path_outside",
        where=f"{file.name}: {entry[:80]}",
        expected="names that stay in the zip",
        found="one that leads out of it",
        remedy="pack the folder anew; it was left out",
    )


FORMAT = Format(
    "CIFAR-10, cifar10:PATH: its binary batches, or zips of train/CLASS/ and test/CLASS/",
    read,
    {"validation": f"share of the training images, the last of each class, that is the validation part ({VALIDATION})"},
)

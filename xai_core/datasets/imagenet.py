"""ILSVRC 2012 classification and localisation (Russakovsky et al., arXiv 1409.0575): a thousand classes, with boxes.

The layout is that of the Kaggle competition "ImageNet Object Localization Challenge" (METHODS 5b), whole or in part:
``ILSVRC/Data/CLS-LOC/{train/<wnid>,val}`` with ``ILSVRC/Annotations/CLS-LOC`` and ``LOC_{train,val}_solution.csv``;
class folders named by WordNet id, under ``train/`` and ``val/`` or by themselves; or flat images in ``images/``. Boxes
come from XML where there is one, for it names the size they refer to, else from the solution files. The competition's
test images have no labels and are not read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from xai_core import imagenet_classes
from xai_core.datasets.format import Format, choice, folder, inside, pictures, problem, unique_ids
from xai_core.datasets.lists import read_table
from xai_core.datasets.regions import parse_boxes, read_xml
from xai_core.errors import BadInput, SampleError
from xai_core.types import Boxes, DataSet, Problem, Sample

_WNID = re.compile(r"n\d{8}")
_SPLITS = {"train": "train", "val": "validation"}


@dataclass(frozen=True)
class _Picture:
    """One image file: its part (``train``, ``val`` or '') and the class folder it lies in ('' where flat)."""

    file: Path
    part: str
    wnid: str


@dataclass(frozen=True)
class _Solution:
    """One row of a solution file: the class and the boxes of one image, as text."""

    wnid: str
    boxes: str
    part: str
    where: str
    file: Path


def read(path: Path, options: Mapping[str, str]) -> DataSet:
    """Return the data set of a folder."""
    root = folder(path, "ImageNet images")
    only = choice(options, "only", ("vehicles",))
    single = choice(options, "boxes", ("single",)) is not None
    reader = _Reader(root, _vehicles() if only else None)
    samples = [s for s in reader.samples() if not single or _has_one_box(s)]
    splits = [split for split in _SPLITS.values() if any(s.split == split for s in samples)]
    return DataSet(
        spec=f"imagenet:{path}",
        root=root,
        class_names=imagenet_classes.names(),
        samples=tuple(samples),
        problems=tuple(reader.problems),
        bands="objects",
        split_note=f"{' and '.join(splits)} as published with ILSVRC 2012" if splits else "the source has no splits",
    )


class _Reader:
    """Reads one folder; what is wrong gathers in `problems`."""

    def __init__(self, root: Path, wanted: frozenset[str] | None) -> None:
        self.root, self.wanted = root, wanted
        self.base = root / "ILSVRC" if (root / "ILSVRC").is_dir() else root
        self.problems: list[Problem] = []
        self.index = {wnid: k for k, wnid in enumerate(imagenet_classes.wnids())}
        self.solutions = _read_solutions(dict.fromkeys((root, self.base)))
        self.annotations = {part: self._annotation_folders(part) for part in ("train", "val", "")}

    def samples(self) -> Iterator[Sample]:
        """Yield the samples in the order of their files."""
        found = list(self._find_pictures())
        if not found:
            expected = "images in folders named by WordNet id, in train/, val/ or images/"
            raise BadInput(where=self.root, expected=expected, found="none", remedy="name the folder that holds them")
        self._report_missing(found)
        names = unique_ids(str(p.file.relative_to(self.root)) for p in found)
        for name, picture in zip(names, found, strict=True):
            try:
                image = inside(self.root, str(picture.file), "its folder")
            except SampleError as error:
                self._report(error)
                continue
            solution = self.solutions.get(picture.file.stem)
            wnid, boxes, spoiled = self._find_truth(picture, solution)
            if wnid not in self.index:
                self._report(_unknown_label(picture, wnid))
            if self.wanted is None or wnid in self.wanted:
                split = _SPLITS.get(picture.part or (solution.part if solution else ""), "")
                metadata = {"wnid": wnid or None, "boxes": len(boxes.corners) if boxes else 0}
                label = self.index.get(wnid)
                yield Sample(name, image, label, split, boxes, annotation_problem=spoiled, metadata=metadata)

    def _find_pictures(self) -> Iterator[_Picture]:
        data = self.base / "Data" / "CLS-LOC"
        data = data if data.is_dir() else self.base
        parts = [(data / part, part) for part in _SPLITS if (data / part).is_dir()]
        for place, part in parts or [(data / "images", ""), (data, "")]:
            if not place.is_dir():
                continue
            for sub in sorted(f for f in place.iterdir() if f.is_dir()):
                if (part or _WNID.fullmatch(sub.name)) and (self.wanted is None or sub.name in self.wanted):
                    yield from (_Picture(file, part, sub.name) for file in pictures(sub).values())
            yield from (_Picture(file, part, "") for file in pictures(place).values() if not file.is_dir())

    def _find_truth(self, picture: _Picture, solution: _Solution | None) -> tuple[str, Boxes | None, str]:
        """Return the class, '' where nothing tells it; the boxes, None where there are none; and what spoiled them."""
        wnid, boxes, spoiled = picture.wnid or (solution.wnid if solution else ""), None, ""
        if wnid and self.wanted is not None and wnid not in self.wanted:
            return wnid, None, ""
        try:
            if annotation := self._find_xml(picture):
                named, boxes = read_xml(inside(self.root, str(annotation), f"the image {picture.file.stem}"))
                wnid = wnid or named
            elif solution:
                boxes = Boxes(parse_boxes(solution.boxes, solution.where), source=solution.file)
        except SampleError as error:
            spoiled = error.kind
            self._report(error)
        return wnid, boxes if boxes and boxes.corners else None, spoiled

    def _annotation_folders(self, part: str) -> list[Path]:
        tops = [self.base / "Annotations" / "CLS-LOC", self.base / "Annotations", self.base / "annotations"]
        return [place for top in tops for place in dict.fromkeys((top / part, top)) if place.is_dir()]

    def _find_xml(self, picture: _Picture) -> Path | None:
        name = f"{picture.file.stem}.xml"
        for place in self.annotations[picture.part]:
            for file in (place / picture.wnid / name, place / name):
                if os.path.lexists(file):
                    return file
        return None

    def _report_missing(self, found: list[_Picture]) -> None:
        """Report the images that a solution file names and that are absent, where it speaks of what is here.

        Of class folders people keep a selection: a class that has no folder at all is not missed.
        """
        stems = {p.file.stem: p for p in found}
        flat = {self.solutions[s].file for s, p in stems.items() if s in self.solutions and not p.wnid}
        folders = {(p.part, p.wnid) for p in found if p.wnid}
        for name, solution in self.solutions.items():
            expected = solution.file in flat or {(solution.part, solution.wnid), ("", solution.wnid)} & folders
            if expected and name not in stems and (self.wanted is None or solution.wnid in self.wanted):
                self._report(
                    SampleError(
                        "file_missing",
                        where=f"{name}.JPEG",
                        expected=f"the image that {solution.where} names",
                        found="nothing there",
                        remedy="add the file, or take its row out of the list",
                    )
                )

    def _report(self, error: SampleError) -> None:
        self.problems.append(problem(error, self.root))


def _vehicles() -> frozenset[str]:
    return frozenset(imagenet_classes.wnids()[k] for k in imagenet_classes.VEHICLES)


def _has_one_box(sample: Sample) -> bool:
    return sample.annotation is not None and len(sample.annotation.corners) == 1


def _read_solutions(folders: Mapping[Path, None]) -> dict[str, _Solution]:
    solutions: dict[str, _Solution] = {}
    for file in sorted(f for place in folders for f in place.glob("LOC_*_solution.csv")):
        part = "train" if "train" in file.name else "val"
        for number, row in read_table(file, ["ImageId", "PredictionString"]):
            words = row["PredictionString"].split()
            corners = " ".join(w for k, w in enumerate(words) if k % 5)
            where = f"{file.name}, line {number}"
            solutions.setdefault(row["ImageId"], _Solution(words[0] if words else "", corners, part, where, file))
    return solutions


def _unknown_label(picture: _Picture, wnid: str) -> SampleError:
    return SampleError(
        "label_unknown",
        where=picture.file,
        expected="a WordNet id of the thousand classes, by folder, solution file or XML",
        found=repr(wnid) if wnid else "none",
        remedy="correct it: the image is kept without a label",
    )


FORMAT = Format(
    "ILSVRC 2012, imagenet:DIR: a thousand classes, with boxes",
    read,
    {"only": "vehicles: the 42 classes of ImageNet-9's wheeled vehicles", "boxes": "single: images with one box"},
)

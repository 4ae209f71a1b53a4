"""The nouns that every part of the package shares: sample, data set, annotation, problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

PROBLEM_KINDS = (
    "file_missing",
    "file_unreadable",
    "image_too_large",
    "mask_size",
    "mask_empty",
    "mask_lost_in_crop",
    "box_reversed",
    "box_outside",
    "label_unknown",
    "duplicate",
    "near_duplicate_across_splits",
    "path_outside",
)

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class MaskFile:
    """A region drawn by a human, kept as a picture: non-zero pixels (``> 127``) are inside."""

    path: Path


@dataclass(frozen=True)
class Boxes:
    """A region given as the union of half-open boxes ``[xmin, xmax) x [ymin, ymax)``, 0-based.

    Attributes
    ----------
    corners : tuple of (xmin, ymin, xmax, ymax)
        In pixels of an image of size `frame`.
    frame : (height, width) or None
        The image size that the coordinates refer to; None means the image's own size. Where it differs from the
        image's real size the boxes are scaled (METHODS 5b).
    source : Path or None
        The file the boxes were read from, for messages.
    """

    corners: tuple[tuple[float, float, float, float], ...]
    frame: tuple[int, int] | None = None
    source: Path | None = None


Annotation = MaskFile | Boxes


@dataclass(frozen=True)
class Sample:
    """One image with its label and, where a human drew one, its ground-truth region.

    Attributes
    ----------
    id : str
        Unique within the data set; never a path.
    image : Path
        Absolute, resolved, inside the data set's root.
    label : int or None
        Index into the data set's class names.
    split : str
        One of `SPLITS`, or '' where the data set has none.
    annotation : MaskFile, Boxes or None
    group : str or None
        Samples of one group (patient, lesion) never part over splits.
    annotation_problem : str
        Which of `PROBLEM_KINDS` kept a named annotation from being read; '' where nothing did.
    metadata : mapping of str to str, int, float, bool or None
        Age, sex, original size, lesion area and whatever else the data set carries.
    """

    id: str
    image: Path
    label: int | None
    split: str = ""
    annotation: Annotation | None = None
    group: str | None = None
    annotation_problem: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a data set. ``kind`` is one of `PROBLEM_KINDS`; the rest is text for a person."""

    kind: str
    file: str
    detail: str
    remedy: str


@dataclass(frozen=True)
class DataSet:
    """Samples, class names, and where they came from.

    Attributes
    ----------
    spec : str
        What names it on the command line: ``FORMAT:PATH`` with any options.
    root : Path
        The folder that no sample's path may leave.
    class_names : tuple of str
    samples : tuple of Sample
        In a fixed order: that of the files that name them.
    problems : tuple of Problem
        What reading the lists found; `datasets.check` adds what reading every file finds.
    positive : int or None
        Index of the class that sensitivity speaks of (malignant); None where no class stands out.
    clinical : bool
        True where images come from patients: no remote service may see them.
    synthetic : bool
        True where images were drawn by a program; every summary and page says so.
    bands : str
        Name of the preset of pattern bands: a key of `scores.patterns.BANDS`.
    split_note : str
        How the splits came about, in a sentence.
    near_duplicates : bool
        Whether near-duplicates are looked for between splits; not where very many small pictures look alike.
    """

    spec: str
    root: Path
    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...] = ()
    positive: int | None = None
    clinical: bool = False
    synthetic: bool = False
    bands: str = "quantile"
    split_note: str = ""
    near_duplicates: bool = True

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def only(self, split: str) -> DataSet:
        """Return the same data set with the samples of one split."""
        return replace(self, samples=tuple(s for s in self.samples if s.split == split))

    def count(self, attribute: str) -> dict[str, int]:
        """Return how many samples there are per ``split`` or per ``label`` (by class name)."""
        if attribute == "label":
            values = ("unlabelled" if s.label is None else self.class_names[s.label] for s in self.samples)
        else:
            values = (getattr(s, attribute) for s in self.samples)
        return dict(Counter(values))

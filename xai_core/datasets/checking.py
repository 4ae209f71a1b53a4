"""Everything that is wrong with a data set, found by reading every file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xai_core.datasets import fingerprints, images, near_duplicates
from xai_core.datasets.format import problem
from xai_core.datasets.regions import box_faults, read_region
from xai_core.errors import SampleError
from xai_core.geometry import Frame
from xai_core.types import Boxes, DataSet, MaskFile, Problem, Sample


@dataclass(frozen=True)
class _Finding:
    """What one sample's files say: errors, the image's digest and its fingerprint (None where there is none)."""

    errors: tuple[SampleError, ...]
    digest: str | None
    fingerprint: fingerprints.Fingerprint | None


def check(
    dataset: DataSet, frame: Frame | None = None, *, progress: Callable[[int, int], None] | None = None
) -> tuple[Problem, ...]:
    """Return every problem of the data set: those of its lists, then those of its files, then those between files.

    Parameters
    ----------
    dataset : DataSet
    frame : Frame, optional
        The model frame a region may be lost in; the default one, a centre crop of 224 of 256, where none is given.
    progress : callable, optional
        Called with (done, total) samples.

    Notes
    -----
    Near-duplicates are looked for across splits alone (`near_duplicates` says how), where the data set asks for it.
    """
    frame = frame or Frame()
    samples = sorted(dataset.samples, key=lambda sample: sample.id)
    take = fingerprints.take if dataset.near_duplicates else _without_fingerprint
    found = fingerprints.in_threads(lambda sample: _examine(sample, frame, take), samples, progress)
    position = {sample.id: k for k, sample in enumerate(dataset.samples)}
    in_order = sorted(zip(samples, found, strict=True), key=lambda pair: position[pair[0].id])
    errors = [error for _, finding in in_order for error in finding.errors]
    errors += _duplicates(in_order)
    errors += _near_duplicates(samples, found)
    return dataset.problems + tuple(problem(error, dataset.root) for error in errors)


def _without_fingerprint(path: Path) -> tuple[tuple[int, int], None]:
    return images.read_image(path).shape[:2], None


def _examine(sample: Sample, frame: Frame, take: Callable) -> _Finding:
    errors: list[SampleError] = []
    try:
        digest = images.image_hash(sample.image)
        size, fingerprint = take(sample.image)
    except SampleError as error:
        return _Finding((error,), None, None)
    try:
        if isinstance(sample.annotation, Boxes):
            errors += box_faults(sample, size)
        region = read_region(sample, size) if not errors else None
        if region is not None and not frame.place(size).mask(region).any():
            errors.append(_lost(sample, frame))
    except SampleError as error:
        errors.append(error)
    return _Finding(tuple(errors), digest, fingerprint)


def _duplicates(found: list[tuple[Sample, _Finding]]) -> Iterator[SampleError]:
    first: dict[str, Sample] = {}
    for sample, finding in found:
        if finding.digest is None:
            continue
        earlier = first.setdefault(finding.digest, sample)
        if earlier is not sample:
            yield SampleError(
                "duplicate",
                where=sample.image,
                expected="every image once",
                found=f"the bytes of {_described(earlier)} again as {_described(sample)}",
                remedy="remove one of the two",
            )


def _near_duplicates(samples: list[Sample], found: list[_Finding]) -> Iterator[SampleError]:
    readable = [k for k, finding in enumerate(found) if finding.fingerprint is not None]
    parts = [samples[k].split for k in readable]
    if len(set(parts)) < 2:
        return
    for i, j in near_duplicates.find([found[k].fingerprint for k in readable], parts):
        first, second = sorted((readable[i], readable[j]), key=lambda k: samples[k].split, reverse=True)
        if found[first].digest == found[second].digest:
            continue  # reported as duplicate
        yield SampleError(
            "near_duplicate_across_splits",
            where=samples[second].image,
            expected="different pictures in different splits",
            found=f"{_described(samples[second])} shows what {_described(samples[first])} shows",
            remedy="look at both; if it is one lesion or one picture, keep it in one split only",
        )


def _described(sample: Sample) -> str:
    return f"{sample.id} ({sample.split or 'no split'})"


def _lost(sample: Sample, frame: Frame) -> SampleError:
    annotation = sample.annotation
    file: Path = annotation.path if isinstance(annotation, MaskFile) else annotation.source or sample.image
    return SampleError(
        "mask_lost_in_crop",
        where=file,
        expected=f"part of the region of {sample.id} in the model frame",
        found=f"all of it cut away ({frame.fit} to {frame.size[0]} x {frame.size[1]} of {frame.resize})",
        remedy="use a geometry that squashes or pads; the sample is kept, unscored",
    )

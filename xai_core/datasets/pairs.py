"""Two data sets of the same classes: split so that neither tells of the other's held-out parts, and their union."""

from __future__ import annotations

from dataclasses import replace

from xai_core.datasets.splitting import with_validation
from xai_core.errors import BadInput
from xai_core.types import DataSet, Sample


def pair(a: DataSet, b: DataSet, *, share: float = 0.2, seed: int = 0) -> tuple[DataSet, DataSet]:
    """Return both data sets with a validation part.

    Where neither has one and their splits are of the same kind, it is set aside in one go (`with_validation` on the
    union), so that near-duplicates and groups stay together across the two as well.

    Raises
    ------
    BadInput
        Where the classes are not the same, in the same order.
    """
    _check(a, b)
    splits_of_a, splits_of_b = set(a.count("split")), set(b.count("split"))
    if splits_of_a != splits_of_b or "validation" in splits_of_a:
        return with_validation(a, share=share, seed=seed), with_validation(b, share=share, seed=seed)
    both = with_validation(union(a, b), share=share, seed=seed)
    splits = [s.split for s in both.samples]
    return _split(a, splits[: len(a)], both.split_note), _split(b, splits[len(a) :], both.split_note)


def union(a: DataSet, b: DataSet) -> DataSet:
    """Return all samples of both, for training; ids begin with ``a.`` and ``b.``, groups of one name are one group.

    Raises
    ------
    BadInput
        Where the classes are not the same, in the same order.
    """
    _check(a, b)
    samples = [_named(s, name) for name, dataset in (("a", a), ("b", b)) for s in dataset.samples]
    notes = dict.fromkeys(note for note in (a.split_note, b.split_note) if note)
    return replace(
        a,
        spec=f"{a.spec} and {b.spec}",
        samples=tuple(samples),
        problems=(*a.problems, *b.problems),
        clinical=a.clinical or b.clinical,
        synthetic=a.synthetic or b.synthetic,
        split_note="; ".join(notes),
    )


def _named(sample: Sample, name: str) -> Sample:
    return replace(sample, id=f"{name}.{sample.id}")


def _split(dataset: DataSet, splits: list[str], note: str) -> DataSet:
    samples = tuple(replace(s, split=split) for s, split in zip(dataset.samples, splits, strict=True))
    return replace(dataset, samples=samples, split_note=note)


def _check(a: DataSet, b: DataSet) -> None:
    if a.class_names != b.class_names:
        raise BadInput(
            where=b.spec,
            expected=f"the classes of {a.spec}: {', '.join(a.class_names)}",
            found=", ".join(b.class_names),
            remedy="choose data sets of the same classes, in the same order (a table has ?classes=)",
        )

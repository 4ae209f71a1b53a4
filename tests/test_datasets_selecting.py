"""Parts of a data set by condition, and two data sets together."""

from __future__ import annotations

from pathlib import Path

import pytest

from xai_core.datasets import open_dataset, pairs, where
from xai_core.errors import BadInput
from xai_core.types import DataSet, Sample

AGES = (20, 49, 50, None, 71)


def dataset(name: str = "x", splits: tuple[str, ...] = ("train",) * 5, classes=("benign", "malignant")) -> DataSet:
    samples = [
        Sample(
            f"{name}{k}", Path("none.png"), k % 2, split, group=f"g{k // 2}", metadata={"age": age, "sex": "fm"[k % 2]}
        )
        for k, (age, split) in enumerate(zip(AGES, splits, strict=True))
    ]
    return DataSet(f"table:{name}", Path(), classes, tuple(samples))


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("age>=50", [2, 4]),
        ("age<50", [0, 1]),
        ("age <= 49.5", [0, 1]),
        ("age>50", [4]),
        ("age==49", [1]),
        ("age!=49", [0, 2, 4]),
        ("sex==F", [0, 2, 4]),
        ("sex!=f", [1, 3]),
    ],
)
def test_conditions_keep_what_they_say(condition, kept):
    assert [s.id for s in where(dataset(), condition).samples] == [f"x{k}" for k in kept]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("age", "COLUMN OPERATOR VALUE"),
        ("age=50", "COLUMN OPERATOR VALUE"),
        ("__import__('os')", "COLUMN OPERATOR VALUE"),
        ("height>3", "age, sex"),
        ("age>old", "a number"),
        ("sex<m", "== or !="),
    ],
)
def test_conditions_that_say_nothing_are_refused(condition, said):
    with pytest.raises(BadInput, match=said):
        where(dataset(), condition)


def test_every_format_knows_conditions_and_two_of_them():
    whole = open_dataset("sample")
    found = open_dataset("sample:?where=sex==female&where=age>=60")
    expected = [s.id for s in whole.samples if s.metadata["sex"] == "female" and s.metadata["age"] >= 60]
    assert 0 < len(found) < len(whole) and [s.id for s in found.samples] == expected
    assert open_dataset(found.spec).samples == found.samples
    with pytest.raises(BadInput, match="at least one sample"):
        open_dataset("sample:?where=age>900")
    with pytest.raises(BadInput, match="a NUL in it"):
        open_dataset("table:a\0b")


def test_a_union_holds_both_and_parts_neither_groups_nor_twins():
    a, b = pairs.pair(dataset("x", classes=("p", "q")), dataset("y", classes=("p", "q")), share=0.34)
    split_of: dict[str, set[str]] = {}
    for sample in (*a.samples, *b.samples):
        split_of.setdefault(sample.group, set()).add(sample.split)
    assert all(len(splits) == 1 for splits in split_of.values())
    assert {s.split for s in a.samples} == {"train", "validation"} == {s.split for s in b.samples}
    both = pairs.union(a, b)
    assert [s.id for s in both.samples] == [f"a.{s.id}" for s in a.samples] + [f"b.{s.id}" for s in b.samples]


def test_splits_that_are_there_stay():
    mixed = ("train", "train", "validation", "test", "test")
    a, b = pairs.pair(dataset("x", mixed), dataset("y", mixed))
    assert [s.split for s in a.samples] == [s.split for s in b.samples] == list(mixed)


def test_two_data_sets_need_the_same_classes():
    with pytest.raises(BadInput, match="the classes of table:x: benign, malignant"):
        pairs.pair(dataset("x"), dataset("y", classes=("malignant", "benign")))

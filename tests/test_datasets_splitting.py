"""Splits: stratified, grouped, the same for the same seed whatever the order, and told in words."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datasets_fixtures import make_table, picture, save, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from xai_core.datasets import open_dataset, with_validation
from xai_core.errors import BadInput
from xai_core.types import DataSet, Sample


def made(labels, groups, splits=None) -> DataSet:
    """Return a data set without files: each sample in a group, so that no picture is looked at."""
    names = tuple(str(k) for k in range(max(labels) + 1))
    samples = tuple(
        Sample(f"s{k:04d}", Path("/nowhere.png"), label, splits[k] if splits else "", group=group)
        for k, (label, group) in enumerate(zip(labels, groups, strict=True))
    )
    return DataSet("table:made.csv", Path("/"), names, samples, split_note="as given")


def splits_of(dataset) -> dict[str, str]:
    return {s.id: s.split for s in dataset.samples}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(60, 200), st.integers(1, 4))
def test_groups_stay_together_and_order_does_not_matter(seed, count, size):
    rng = np.random.default_rng(seed)
    dataset = made((rng.random(count) < 0.2).astype(int).tolist(), [f"p{k // size}" for k in range(count)])
    split = with_validation(dataset, seed=seed)
    parts = {}
    for sample in split.samples:
        parts.setdefault(sample.group, set()).add(sample.split)
    assert all(len(part) == 1 for part in parts.values())
    assert [s.id for s in split.samples] == [s.id for s in dataset.samples]
    shuffled = replace(dataset, samples=tuple(dataset.samples[k] for k in rng.permutation(count)))
    assert splits_of(with_validation(shuffled, seed=seed)) == splits_of(split)


def test_shares_and_strata():
    labels = [int(k % 5 == 0) for k in range(500)]
    split = with_validation(made(labels, [f"p{k}" for k in range(500)]))
    assert split.count("split") == {"train": 300, "validation": 100, "test": 100}
    malignant = Counter(s.split for s in split.samples if s.label)
    assert malignant == {"train": 60, "validation": 20, "test": 20}
    assert split.split_note == (
        "as given; validation and test: 20% of all samples each, stratified by label, "
        "kept together by group (500 groups), seed 0"
    )
    assert splits_of(with_validation(made(labels, [f"p{k}" for k in range(500)]), seed=1)) != splits_of(split)
    tenth = with_validation(made(labels, [f"p{k}" for k in range(500)]), share=0.1)
    assert tenth.count("split") == {"train": 400, "validation": 50, "test": 50}


def test_only_train_is_carved_where_there_is_one():
    splits = ["train"] * 100 + ["test"] * 40
    dataset = made([k % 2 for k in range(140)], [f"p{k}" for k in range(140)], splits)
    split = with_validation(dataset)
    assert split.count("split") == {"train": 80, "validation": 20, "test": 40}
    assert [s.split for s in split.samples[100:]] == ["test"] * 40
    assert "validation: 20% of train" in split.split_note


def test_samples_without_split_beside_a_test_part_become_train_and_validation():
    dataset = made([0, 1] * 50, [f"p{k}" for k in range(100)], [""] * 60 + ["test"] * 40)
    assert with_validation(dataset).count("split") == {"train": 48, "validation": 12, "test": 40}


def test_nothing_is_carved_where_validation_exists_or_train_does_not():
    for splits in (["train", "validation"] * 10, ["test"] * 20):
        dataset = made([0, 1] * 10, [f"p{k}" for k in range(20)], splits)
        assert with_validation(dataset) is dataset


def test_small_classes_and_samples_without_label():
    labels = [0] * 40 + list(range(1, 10))
    dataset = made(labels, [f"p{k}" for k in range(49)])
    dataset = replace(dataset, samples=(*dataset.samples[:-1], replace(dataset.samples[-1], label=None)))
    assert sum(with_validation(dataset).count("split").values()) == 49
    each_once = made(list(range(30)), [f"p{k}" for k in range(30)])
    assert with_validation(each_once).count("split") == {"train": 18, "validation": 6, "test": 6}
    one_rare = made([0] * 30 + [1], [f"p{k}" for k in range(31)])
    assert set(with_validation(one_rare).count("split")) == {"train", "validation", "test"}


def test_too_few_groups():
    with pytest.raises(BadInput, match="at least 5 groups of samples to split; found 4"):
        with_validation(made([0, 1] * 10, [f"p{k % 4}" for k in range(20)]))


def test_a_sample_without_group_is_its_own_and_names_do_not_clash():
    dataset = made([0, 1] * 20, [None if k % 2 else "s0001" for k in range(40)])
    split = with_validation(dataset)
    assert len({s.split for s in split.samples if s.group}) == 1
    assert "21 groups" in split.split_note


def test_near_duplicates_stay_together(tmp_path):
    rows = [("image", "label")]
    for k in range(10):
        large = picture(k, (180, 240))
        for name, image in (("a", large), ("b", large[12:170, 10:225]), ("c", np.rot90(large))):
            save(tmp_path / f"{k}{name}.png", image)
            rows.append((f"{k}{name}.png", k % 2))
    (tmp_path / "0c.png").write_bytes(b"broken")
    told = []
    split = with_validation(
        open_dataset(f"table:{write_rows(tmp_path / 't.csv', rows)}"), progress=lambda *counts: told.append(counts)
    )
    assert told[-1] == (30, 30)
    parts = {}
    for sample in split.samples:
        if sample.id != "0c":
            parts.setdefault(sample.id[0], set()).add(sample.split)
    assert all(len(part) == 1 for part in parts.values())
    assert "near-duplicates kept together (11 clusters of 30 images)" in split.split_note
    assert split.split_note.startswith("the source has no splits; ")


def test_the_group_column_wins_over_looks(tmp_path):
    dataset = open_dataset(f"table:{make_table(tmp_path, columns={'group': list('abcdef')})}")
    assert "by group (6 groups)" in with_validation(dataset).split_note

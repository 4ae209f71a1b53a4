"""The strokes set is what it says: each class has its strokes, each where the table says, and the rest is noise."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from xai_core.datasets import check, open_dataset, read_image, read_region, strokes
from xai_core.errors import BadInput


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return open_dataset(f"strokes:{tmp_path_factory.mktemp('strokes') / 'set'}?n=120&seed=5")


def names_in(sample) -> set[str]:
    return {name for name in strokes.NAMES if strokes.box_of(sample, name)}


def test_there_is_ink_in_the_boxes_and_noise_elsewhere(drawn):
    for sample in drawn.samples:
        grey = read_image(sample.image)[..., 0].astype(float) - strokes.BACKGROUND
        free = np.ones(grey.shape, bool)
        for name in names_in(sample):
            xmin, ymin, xmax, ymax = strokes.box_of(sample, name)
            assert free[ymin:ymax, xmin:xmax].all(), "two strokes on one place"
            free[ymin:ymax, xmin:xmax] = False
            assert (grey[ymin:ymax, xmin:xmax] > strokes.INK / 2).sum() > 15
        assert abs(grey[free].mean()) < 1 and np.abs(grey[free]).max() < 6 * strokes.NOISE


def test_each_class_has_its_strokes_and_the_pair_shares_one(drawn):
    for label, groups in strokes.STROKES.items():
        own = [names_in(s) - {strokes.IDLE} for s in drawn.samples if drawn.class_names[s.label] == label]
        assert all(len(names & set(group)) == 1 for names in own for group in groups)
        assert all(names <= {name for group in groups for name in group} for names in own)
        for group in groups:
            counts = Counter(name for names in own for name in names & set(group))
            assert set(counts.values()) == {len(own) // len(group)}
    assert [label for label, groups in strokes.STROKES.items() if ("ring",) in groups] == ["A", "B"]


def test_the_idle_stroke_and_the_splits_owe_nothing_to_the_rest(drawn):
    kinds = Counter((s.split, s.label, strokes.IDLE in names_in(s)) for s in drawn.samples)
    for split, each in (("train", 8), ("validation", 2), ("test", 2)):
        assert [kinds[split, label, idle] for label in range(5) for idle in (False, True)] == [each] * 10
    halves = Counter((frozenset(names_in(s)), s.split) for s in drawn.samples if drawn.class_names[s.label] == "D")
    assert len(halves) == 4 * 3, "slash and post, with and without the corner, in every split"


def test_the_region_is_the_strokes_that_speak_for_the_class(drawn):
    sample = next(s for s in drawn.samples if len(names_in(s)) == 3)
    expected = np.zeros(strokes.SIZE, bool)
    for name in names_in(sample) - {strokes.IDLE}:
        xmin, ymin, xmax, ymax = strokes.box_of(sample, name)
        expected[ymin:ymax, xmin:xmax] = True
    assert (read_region(sample, strokes.SIZE) == expected).all()
    assert {p.kind for p in check(drawn)} <= {"near_duplicate_across_splits"}, "so alike are pictures of few parts"


def test_a_seed_makes_the_same_files_and_another_seed_others(drawn, tmp_path):
    again = open_dataset(f"strokes:{tmp_path / 'again'}?n=120&seed=5")
    other = open_dataset(f"strokes:{tmp_path / 'other'}?n=120&seed=6")
    assert [s.image.read_bytes() for s in again.samples] == [s.image.read_bytes() for s in drawn.samples]
    assert all(a.image.read_bytes() != b.image.read_bytes() for a, b in zip(again.samples, other.samples, strict=True))


def test_a_folder_is_drawn_once_and_refused_for_anything_else(drawn, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in drawn.root.rglob("*")}
    assert open_dataset(f"strokes:{drawn.root}").samples == drawn.samples
    assert {p: p.stat().st_mtime_ns for p in drawn.root.rglob("*")} == before
    with pytest.raises(BadInput, match="drawn with seed=5"):
        open_dataset(f"strokes:{drawn.root}?seed=6")
    (tmp_path / "notes.txt").write_text("mine")
    for spec, expected in ((f"{tmp_path}", "a new folder"), (f"{tmp_path / 'few'}?n=119", "120 pictures or more")):
        with pytest.raises(BadInput, match=expected):
            open_dataset(f"strokes:{spec}")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]

"""A planted patch is where the table says, nowhere else, and never on the annotated region."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from xai_core.cli import main
from xai_core.datasets import open_dataset, planted, read_image, read_region, synthetic
from xai_core.errors import BadInput
from xai_core.types import DataSet

OPTIONS = "classes=benign,malignant&positive=malignant&bands=lesions&synthetic=true"


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> DataSet:
    """Return 60 small lesions without a patch, in three splits."""
    folder = tmp_path_factory.mktemp("plain") / "set"
    return open_dataset(f"table:{synthetic.write(folder, 60, patches=False, size=(72, 96))}?{OPTIONS}")


@pytest.fixture(scope="module")
def copy(plain, tmp_path_factory) -> DataSet:
    return open_dataset(planted.write(plain, tmp_path_factory.mktemp("copy") / "set", seed=3))


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def box_of(sample) -> tuple[int, int, int, int] | None:
    return tuple(sample.metadata[name] for name in planted.BOX) if sample.metadata[planted.PLANTED] else None


def test_the_pixels_change_inside_the_box_alone_and_never_on_the_region(plain, copy):
    touched = 0
    for before, after in zip(plain.samples, copy.samples, strict=True):
        old, new = read_image(before.image), read_image(after.image)
        region = read_region(after, new.shape[:2])
        assert (region == read_region(before, old.shape[:2])).all()
        changed = (old != new).any(2)
        box = box_of(after)
        assert changed.any() == (box is not None)
        if box is None:
            assert before.image.read_bytes() == after.image.read_bytes()
            assert before.annotation.path.read_bytes() == after.annotation.path.read_bytes()
            continue
        touched += 1
        xmin, ymin, xmax, ymax = box
        inside = np.zeros(changed.shape, bool)
        inside[ymin:ymax, xmin:xmax] = True
        assert not (changed & ~inside).any() and not (changed & region).any()
        assert changed[ymin:ymax, xmin:xmax].mean() > 0.3, "the box is far too large"
    assert touched > 20


def test_only_the_class_and_splits_asked_for_wear_one(copy):
    for sample in copy.samples:
        if sample.label == 1 or sample.split == "test":
            assert box_of(sample) is None
    asked = [s for s in copy.samples if s.label == 0 and s.split != "test"]
    assert np.mean([box_of(s) is not None for s in asked]) > 0.9


def test_a_centre_crop_shows_most_of_every_patch(copy):
    for sample in copy.samples:
        if box := box_of(sample):
            side = planted.VIEW * 72
            xmin, ymin, xmax, ymax = box
            width = min(xmax, 48 + side / 2) - max(xmin, 48 - side / 2)
            height = min(ymax, 36 + side / 2) - max(ymin, 36 - side / 2)
            assert width > 3 and height > 3


def test_everything_else_is_kept(plain, copy):
    for before, after in zip(plain.samples, copy.samples, strict=True):
        assert (before.id, before.label, before.split, before.group) == (
            after.id,
            after.label,
            after.split,
            after.group,
        )
        assert before.metadata.items() <= after.metadata.items()
    same = ("class_names", "positive", "clinical", "synthetic", "bands")
    assert all(getattr(plain, name) == getattr(copy, name) for name in same)


def test_the_same_seed_gives_the_same_bytes_and_originals_stay(plain, copy, tmp_path):
    before = files(plain.root)
    planted.write(plain, tmp_path / "again", seed=3)
    planted.write(plain, tmp_path / "other", seed=4)
    assert files(tmp_path / "again") == files(copy.root) != files(tmp_path / "other")
    assert files(plain.root) == before


def test_a_share_is_that_share_and_part_of_a_larger_one(plain, tmp_path):
    worn = {}
    for share in (0.0, 0.3, 0.6):
        out = tmp_path / str(share)
        found = open_dataset(planted.write(plain, out, share=share, splits=["train"]))
        worn[share] = {s.id for s in found.samples if box_of(s)}
    benign = sum(s.label == 0 and s.split == "train" for s in plain.samples)
    assert not worn[0.0] and worn[0.3] < worn[0.6]
    assert len(worn[0.6]) == pytest.approx(0.6 * benign, abs=2)


def test_a_second_planting_keeps_the_first(copy, tmp_path):
    both = open_dataset(planted.write(copy, tmp_path / "both", splits=["test"], seed=9))
    for before, after in zip(copy.samples, both.samples, strict=True):
        if before.split != "test":
            assert box_of(before) == box_of(after)
            assert before.image.read_bytes() == after.image.read_bytes()
    assert any(box_of(s) for s in both.samples if s.split == "test")


def test_smaller_copies_keep_region_and_patch_together(plain, tmp_path):
    small = open_dataset(planted.write(plain, tmp_path / "small", longest_side=48, seed=3))
    for before, after in zip(plain.samples, small.samples, strict=True):
        image = read_image(after.image)
        assert image.shape == (36, 48, 3)
        region = read_region(after, (36, 48))
        assert region.mean() == pytest.approx(read_region(before, (72, 96)).mean(), abs=0.02)
        if box := box_of(after):
            assert box[2] <= 48 and box[3] <= 36


def test_the_validation_part_is_that_of_a_training(tmp_path):
    """A set with train and test alone: the copy's validation part is the one set aside in the original."""
    from xai_core.datasets import with_validation

    given = synthetic.write(tmp_path / "set", 40, size=(72, 96))
    text = given.read_text(encoding="utf-8").replace(",validation,", ",train,")
    given.write_text(text, encoding="utf-8")
    dataset = open_dataset(f"table:{given}?{OPTIONS}")
    found = open_dataset(planted.write(dataset, tmp_path / "copy"))
    expected = {s.id: s.split for s in with_validation(dataset).samples}
    assert {s.id: s.split for s in found.samples} == expected and "validation" in expected.values()


def test_what_cannot_be_planted_is_refused(plain, tmp_path):
    for changes, said in (
        ({"classes": ["beneign"]}, "some of benign, malignant"),
        ({"splits": ["training"]}, "some of train"),
        ({"share": 1.5}, "0 to 1"),
    ):
        with pytest.raises(BadInput, match=said):
            planted.write(plain, tmp_path / "out", **changes)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="a new folder"):
        planted.write(plain, tmp_path / "full")
    assert [p.name for p in tmp_path.iterdir()] == ["full"]


def test_a_full_disk_is_one_line_and_leaves_nothing(plain, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(planted.shutil, "copyfile", full)
    with pytest.raises(BadInput, match="disk with room; found No space left on device; free some space"):
        planted.write(plain, tmp_path / "set")
    assert not list(tmp_path.iterdir())


def test_the_command_prints_what_names_the_copy(plain, tmp_path, capsys):
    line = ["plant", plain.spec, "--out", str(tmp_path / "copy"), "--splits", "test", "--class", "malignant"]
    assert main(line) == 0
    found = open_dataset(capsys.readouterr().out.strip())
    assert {(s.split, s.label) for s in found.samples if box_of(s)} == {("test", 1)}

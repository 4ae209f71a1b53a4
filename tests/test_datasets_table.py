"""A table of one's own, the sample data, and the door that leads to every format."""

import numpy as np
import pytest
from datasets_fixtures import BOX, SIZE, make_table, picture, replace, save, write_rows

from xai_core.datasets import FORMATS, open_dataset, read_image, read_region, sample
from xai_core.errors import BadInput


def opened(path, options=""):
    return open_dataset(f"table:{path}{options}")


def kinds(dataset):
    return [problem.kind for problem in dataset.problems]


def test_the_smallest_table(tmp_path):
    save(tmp_path / "a b.png", picture(0))
    dataset = opened(write_rows(tmp_path / "t.csv", [("image", "label"), ("a b.png", "cat")]))
    assert dataset.class_names == ("cat",)
    assert (dataset.positive, dataset.clinical, dataset.synthetic, dataset.bands) == (None, False, False, "quantile")
    assert dataset.split_note == "the source has no splits"
    only = dataset.samples[0]
    assert (only.id, only.label, only.split, only.annotation, only.group, dict(only.metadata)) == (
        "a b", 0, "", None, None, {},
    )  # fmt: skip
    assert np.array_equal(read_image(only.image), picture(0))


def test_every_column(tmp_path):
    columns = {
        "id": [f"s{k}" for k in range(6)],
        "boxes": ["", "10 5 40 33", "", "", "", ""],
        "split": ["train", "train", "val", "validation", "test", ""],
        "group": ["p1", "p1", "", "p2", "p2", "p3"],
        "age": [30, 31, "", 33, 34, 35],
        "Site": ["back"] * 6,
    }
    path = make_table(tmp_path, columns=columns)
    replace(path, "masks/1.png", "")
    dataset = opened(path, "?classes=malignant,benign&positive=malignant&clinical=true&synthetic=true&bands=lesions")
    assert (dataset.class_names, dataset.positive) == (("malignant", "benign"), 0)
    assert (dataset.clinical, dataset.synthetic, dataset.bands) == (True, True, "lesions")
    assert [s.split for s in dataset.samples] == ["train", "train", "validation", "validation", "test", ""]
    assert [s.group for s in dataset.samples] == ["p1", "p1", None, "p2", "p2", "p3"]
    assert [s.label for s in dataset.samples] == [1, 0, 1, 0, 1, 0]
    assert dict(dataset.samples[2].metadata) == {"age": None, "Site": "back"}
    regions = [read_region(s, SIZE) for s in dataset.samples]
    assert all(np.array_equal(region, regions[0]) for region in regions)
    assert regions[0].sum() == (BOX[2] - BOX[0]) * (BOX[3] - BOX[1])


def test_names_of_classes_may_hold_any_character(tmp_path):
    save(tmp_path / "a.png", picture(0))
    path = write_rows(tmp_path / "t.csv", [("image", "label"), ("a.png", "cats & dogs?")])
    assert opened(path, "?positive=cats %26 dogs%3F").positive == 0


def test_ids_tell_equal_stems_apart(tmp_path):
    for place in ("left", "right"):
        save(tmp_path / place / "1.png", picture(0))
    rows = [("image", "label"), ("left/1.png", "a"), ("right\\1.png", "b"), ("left/1.png", "a")]
    dataset = opened(write_rows(tmp_path / "t.csv", rows))
    assert len({s.id for s in dataset.samples}) == 2
    assert kinds(dataset) == ["duplicate"]
    assert "line 4" in dataset.problems[0].detail


def test_problems_of_rows_cost_only_the_row(tmp_path):
    path = make_table(tmp_path / "data", columns={"boxes": ["", "", "1 2 3", "", "", ""]})
    save(tmp_path / "outside.png", picture(0))
    replace(path, "pictures/0.png", "../outside.png")
    replace(path, "pictures/1.png", "pictures/absent.png")
    replace(path, "masks/2.png", "")
    replace(path, "masks/3.png", "/etc/hostname")
    replace(path, "pictures/4.png,benign", "pictures/4.png,unheard")
    replace(path, "pictures/5.png", "")
    dataset = opened(path, "?classes=benign,malignant")
    expected = ["path_outside", "file_missing", "file_unreadable", "path_outside", "label_unknown", "file_missing"]
    assert kinds(dataset) == expected
    assert [(s.id, s.label, bool(s.annotation)) for s in dataset.samples] == [
        ("2", 0, False), ("3", 1, False), ("4", None, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("image,", "picture,", "no image"),
        ("pictures/0.png,benign,masks/0.png,train", "pictures/0.png,benign,masks/0.png,learn", "one of train"),
        (",split", ",Mask", "mask more than once"),
    ],
)
def test_tables_that_cannot_be_understood(tmp_path, old, new, part):
    path = make_table(tmp_path, columns={"split": ["train"] * 6})
    replace(path, old, new)
    with pytest.raises(BadInput, match=part):
        opened(path)


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 600, "CON", "a\u202eb"])
def test_odd_names_are_missing_files(tmp_path, name):
    path = make_table(tmp_path)
    replace(path, "pictures/0.png", name)
    dataset = opened(path)
    assert kinds(dataset) == ["file_missing"]
    assert len(dataset) == 5


@pytest.mark.parametrize("name", ["a/b", "a b", "..\\a"])
def test_ids_that_are_paths(tmp_path, name):
    path = make_table(tmp_path, columns={"id": [name, *range(5)]})
    with pytest.raises(BadInput, match="id without slashes"):
        opened(path)


@pytest.mark.parametrize(
    "options",
    ["?positive=other", "?classes=a,a", "?classes=a,,b", "?clinical=yes", "?bands=tight", "?unknown=1", "?classes"],
)
def test_options_that_cannot_be_understood(tmp_path, options):
    with pytest.raises(BadInput):
        opened(make_table(tmp_path), options)


def test_no_sample_left_says_why(tmp_path):
    path = write_rows(tmp_path / "t.csv", [("image", "label"), ("absent.png", "a")])
    with pytest.raises(BadInput, match=r"1 problems, the first: file_missing, absent\.png"):
        opened(path)
    with pytest.raises(BadInput, match="header alone"):
        opened(write_rows(tmp_path / "t.csv", [("image", "label")]))


@pytest.mark.parametrize(
    "spec", ["", "isic2016", "isic2016:", "unheard:x", "sample?a=b", "samples", "table:absent.csv"]
)
def test_specs_that_cannot_be_understood(spec):
    with pytest.raises(BadInput):
        open_dataset(spec)


def test_formats_describe_themselves():
    for name, format_ in FORMATS.items():
        assert name in format_.title
        assert all(format_.options.values())


def test_sample_is_a_synthetic_table(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "FILE", make_table(tmp_path))
    dataset = open_dataset("sample")
    assert (dataset.class_names, dataset.positive) == (("benign", "malignant"), 1)
    assert (dataset.synthetic, dataset.clinical, dataset.bands, dataset.spec) == (True, False, "lesions", "sample")

"""ISIC 2016 in every layout it comes in, and what circulates under its name."""

import shutil

import pytest
from datasets_fixtures import TEST_LIST, TRAIN_LIST, make_isic, replace, write_rows

from xai_core.datasets import open_dataset, read_image, read_region
from xai_core.errors import BadInput


@pytest.fixture
def root(tmp_path):
    return make_isic(tmp_path / "isic")


def opened(root):
    return open_dataset(f"isic2016:{root}")


def kinds(dataset) -> list[str]:
    return [problem.kind for problem in dataset.problems]


def test_both_styles_of_list(root):
    dataset = opened(root)
    assert dataset.class_names == ("benign", "malignant")
    assert (dataset.positive, dataset.clinical, dataset.synthetic, dataset.bands) == (1, True, False, "lesions")
    assert dataset.count("split") == {"train": 4, "test": 2}
    assert [s.label for s in dataset.samples] == [0, 1, 0, 1, 0, 1]
    assert [s.id for s in dataset.samples] == [f"ISIC_{k:07d}" for k in range(6)]
    assert dataset.problems == ()
    for sample in dataset.samples:
        assert read_region(sample, read_image(sample.image).shape[:2]).sum() == 30 * 28


def test_metadata_is_joined_and_typed(root):
    dataset = opened(root)
    assert [s.metadata["age"] for s in dataset.samples] == [30, None, 32, 33, 34, 35]
    assert dict(dataset.samples[0].metadata) == {"age": 30, "sex": "female", "site": "00"}
    (root / "metadata.csv").unlink()
    assert not any(s.metadata for s in opened(root).samples)


@pytest.mark.parametrize(("old", "new"), [("benign", "0"), ("benign", "0.0"), ("malignant", "1"), ("benign", "BENIGN")])
def test_words_and_numbers_mean_the_same(root, old, new):
    replace(root / TRAIN_LIST, old, new)
    assert [s.label for s in opened(root).samples][:4] == [0, 1, 0, 1]


def test_a_header_and_suffixes_do_no_harm(root):
    expected = opened(root).samples
    text = (root / TRAIN_LIST).read_text()
    (root / TRAIN_LIST).write_text("image_id,malignant\n" + text.replace(",", ".jpg,"))
    assert opened(root).samples == expected


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "folder in folder"])
def test_official_folders_of_part_3_and_part_1(root, nested):
    for word, names in (("Training", range(4)), ("Test", range(4, 6))):
        data = root / f"ISBI2016_ISIC_Part3_{word}_Data"
        truth = root / f"ISBI2016_ISIC_Part1_{word}_GroundTruth"
        data, truth = (data / data.name, truth / truth.name) if nested else (data, truth)
        data.mkdir(parents=True)
        truth.mkdir(parents=True)
        for k in names:
            (root / f"images/ISIC_{k:07d}.jpg").rename(data / f"ISIC_{k:07d}.jpg")
            (root / f"masks/ISIC_{k:07d}_Segmentation.png").rename(truth / f"ISIC_{k:07d}_Segmentation.png")
    dataset = opened(root)
    assert (len(dataset), dataset.problems) == (6, ())
    assert all(s.annotation.path.stem == f"{s.id}_Segmentation" for s in dataset.samples)


def test_part_3b_has_masks_beside_the_images(root):
    for word, names in (("Training", range(4)), ("Test", range(4, 6))):
        data = root / f"ISBI2016_ISIC_Part3B_{word}_Data"
        data.mkdir()
        for k in names:
            (root / f"images/ISIC_{k:07d}.jpg").rename(data / f"ISIC_{k:07d}.jpg")
            (root / f"masks/ISIC_{k:07d}_Segmentation.png").rename(data / f"ISIC_{k:07d}_Segmentation.png")
        old = root / f"ISBI2016_ISIC_Part3_{word}_GroundTruth.csv"
        old.rename(root / f"ISBI2016_ISIC_Part3B_{word}_GroundTruth.csv")
    dataset = opened(root)
    assert (len(dataset), dataset.problems) == (6, ())
    assert all(s.annotation.path.parent == s.image.parent for s in dataset.samples)


def test_without_masks_all_samples_are_kept(root):
    shutil.rmtree(root / "masks")
    dataset = opened(root)
    assert (len(dataset), dataset.problems) == (6, ())
    assert all(s.annotation is None for s in dataset.samples)


def test_one_list_is_enough_and_none_is_not(root):
    (root / TEST_LIST).unlink()
    assert opened(root).count("split") == {"train": 4}
    (root / TRAIN_LIST).unlink()
    with pytest.raises(BadInput, match="Part3_Training_GroundTruth"):
        opened(root)


def test_the_list_of_medsegdiff_is_refused(root):
    other = root / TRAIN_LIST.replace("Part3", "Part3B")
    write_rows(other, [("", "img", "seg"), (0, "a.jpg", "a.png")])
    assert len(opened(root)) == 6
    (root / TRAIN_LIST).unlink()
    with pytest.raises(BadInput, match="MedSegDiff"):
        opened(root)


def test_absent_image_and_mask_are_listed_and_the_rest_goes_on(root):
    (root / "images/ISIC_0000002.jpg").unlink()
    (root / "masks/ISIC_0000003_Segmentation.png").unlink()
    dataset = opened(root)
    assert [s.id[-1] for s in dataset.samples] == list("01345")
    assert kinds(dataset) == ["file_missing", "file_missing"]
    assert [p.file for p in dataset.problems] == ["images/ISIC_0000002.jpg", "masks/ISIC_0000003_Segmentation.png"]
    assert "line 3" in dataset.problems[0].detail
    assert dataset.samples[2].annotation is None


def test_an_unknown_label_is_kept_without_one(root):
    replace(root / TRAIN_LIST, "ISIC_0000002,benign", "ISIC_0000002,0.5")
    dataset = opened(root)
    assert kinds(dataset) == ["label_unknown"]
    assert "'0.5' for ISIC_0000002 in line 3" in dataset.problems[0].detail
    assert dataset.samples[2].label is None
    assert dataset.count("label") == {"benign": 2, "malignant": 3, "unlabelled": 1}


def test_an_image_named_twice_counts_once(root):
    with (root / TEST_LIST).open("a") as file:
        file.write("ISIC_0000001,0\n")
    dataset = opened(root)
    assert len(dataset) == 6
    assert kinds(dataset) == ["duplicate"]
    assert "first as malignant in train" in dataset.problems[0].detail


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "../isic/images/ISIC_0000001", "a/../../../x"])
def test_ids_that_are_paths_are_refused(root, name):
    (root.parent / "secret.jpg").write_bytes(b"")
    replace(root / TRAIN_LIST, "ISIC_0000002,", f"{name},")
    dataset = opened(root)
    assert kinds(dataset) == ["path_outside"]
    assert len(dataset) == 5


def test_links_out_of_the_folder_are_refused(root, tmp_path):
    for place, suffix in (("images", ".jpg"), ("masks", "_Segmentation.png")):
        file = root / place / f"ISIC_0000002{suffix}"
        file.rename(tmp_path / file.name)
        file.symlink_to(tmp_path / file.name)
    dataset = opened(root)
    assert kinds(dataset) == ["path_outside"]
    (root / "images/ISIC_0000002.jpg").unlink()
    (tmp_path / "ISIC_0000002.jpg").rename(root / "images/ISIC_0000002.jpg")
    dataset = opened(root)
    assert kinds(dataset) == ["path_outside"]
    assert dataset.samples[2].annotation is None


def test_a_link_inside_the_folder_is_followed(root):
    (root / "images").rename(root / "pictures")
    (root / "images").symlink_to("pictures")
    assert opened(root).samples[0].image == (root / "pictures/ISIC_0000000.jpg").resolve()


@pytest.mark.parametrize("row", ["ISIC_0000001", "ISIC_0000001,benign,1"])
def test_another_number_of_columns_is_refused(root, row):
    with (root / TRAIN_LIST).open("a") as file:
        file.write(f"{row}\n")
    with pytest.raises(BadInput, match="line 5: expected two columns"):
        opened(root)


def test_the_real_lists(real_data):
    dataset = opened(real_data / "isic2016")
    assert dataset.count("split") == {"train": 749, "test": 305}
    assert dataset.count("label") == {"benign": 847, "malignant": 207}
    assert kinds(dataset) == ["file_missing"] * 225
    assert len({p.file for p in dataset.problems}) == 225
    assert all(s.annotation for s in dataset.samples)
    first = dataset.samples[0].metadata
    assert (first["age_approximate"], first["sex"], first["orig_width"]) == (55, "female", 1022)

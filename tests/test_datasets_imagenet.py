"""ImageNet: class folders, the layout of Kaggle, flat images; labels and boxes from lists or XML; the options."""

import pytest
from datasets_fixtures import BOX, SIZE, picture, save, write_rows, write_xml

from xai_core import imagenet_classes
from xai_core.datasets import open_dataset, read_image, read_region
from xai_core.errors import BadInput

TENCH, JEEP, TANK = "n01440764", "n03594945", "n04389033"


def opened(root, options=""):
    return open_dataset(f"imagenet:{root}{options}")


def summary(dataset):
    return {s.id: (s.label, s.split, len(s.annotation.corners) if s.annotation else 0) for s in dataset.samples}


def kinds(dataset):
    return [problem.kind for problem in dataset.problems]


def words(wnid, *boxes):
    return " ".join(f"{wnid} {' '.join(map(str, box))}" for box in boxes) + " "


@pytest.fixture
def flat(tmp_path):
    """Return a folder of validation images with a solution file: a tench, a jeep, a tank with two boxes."""
    root = tmp_path / "flat"
    rows = [("ImageId", "PredictionString")]
    for k, (wnid, boxes) in enumerate([(TENCH, [BOX]), (JEEP, [BOX]), (TANK, [BOX, (50, 40, 84, 60)])]):
        save(root / f"images/ILSVRC2012_val_{k:08d}.JPEG", picture(k))
        rows.append((f"ILSVRC2012_val_{k:08d}", words(wnid, *boxes)))
    write_rows(root / "LOC_val_solution.csv", rows)
    return root


@pytest.fixture
def kaggle(tmp_path):
    """Return the layout of the competition, with XML for one of two train images and for both validation images."""
    root = tmp_path / "kaggle"
    data, notes = root / "ILSVRC/Data/CLS-LOC", root / "ILSVRC/Annotations/CLS-LOC"
    for wnid in (TENCH, JEEP):
        save(data / f"train/{wnid}/{wnid}_7.JPEG", picture(1))
        save(data / f"val/ILSVRC2012_val_{wnid[-2:]}.JPEG", picture(2))
        write_xml(notes / f"val/ILSVRC2012_val_{wnid[-2:]}.xml", [BOX], wnid=wnid)
    save(data / "test/ILSVRC2012_test_1.JPEG", picture(3))
    write_xml(notes / f"train/{TENCH}/{TENCH}_7.xml", [(20, 10, 80, 66)], frame=(120, 168))
    header = ("ImageId", "PredictionString")
    train = [(f"{w}_{k}", words(w, BOX)) for w, k in ((TENCH, 7), (TENCH, 8), (TANK, 1))]
    write_rows(root / "LOC_train_solution.csv", [header, *train])
    write_rows(root / "LOC_val_solution.csv", [header])
    return root


def test_flat_images_with_a_solution_file(flat):
    dataset = opened(flat)
    assert dataset.class_names == imagenet_classes.names()
    assert (dataset.positive, dataset.clinical, dataset.bands) == (None, False, "objects")
    assert list(summary(dataset).values()) == [(0, "validation", 1), (609, "validation", 1), (847, "validation", 2)]
    assert dataset.problems == ()
    last = dataset.samples[2]
    region = read_region(last, read_image(last.image).shape[:2])
    assert region.sum() == 30 * 28 + 34 * 20
    assert dict(last.metadata) == {"wnid": TANK, "boxes": 2}


def test_options(flat):
    assert [s.label for s in opened(flat, "?only=vehicles").samples] == [609, 847]
    assert [s.label for s in opened(flat, "?boxes=single").samples] == [0, 609]
    assert [s.label for s in opened(flat, "?only=vehicles&boxes=single").samples] == [609]
    for options in ("?only=dogs", "?boxes=2", "?only", "?colour=red"):
        with pytest.raises(BadInput):
            opened(flat, options)


def test_absent_images_of_a_flat_list_are_missing(flat):
    (flat / "images/ILSVRC2012_val_00000001.JPEG").unlink()
    dataset = opened(flat)
    assert kinds(dataset) == ["file_missing"]
    assert dataset.problems[0].file == "ILSVRC2012_val_00000001.JPEG"
    assert kinds(opened(flat, "?only=vehicles")) == ["file_missing"]
    (flat / "images/ILSVRC2012_val_00000000.JPEG").unlink()
    assert len(kinds(opened(flat, "?only=vehicles"))) == 1


def test_kaggle(kaggle):
    dataset = opened(kaggle)
    assert summary(dataset) == {
        f"{TENCH}_7": (0, "train", 1),
        f"{JEEP}_7": (609, "train", 0),
        "ILSVRC2012_val_45": (609, "validation", 1),
        "ILSVRC2012_val_64": (0, "validation", 1),
    }
    # a class without any folder is not missed, an image of a class that is there is
    assert kinds(dataset) == ["file_missing"]
    assert dataset.problems[0].file == f"{TENCH}_8.JPEG"


def test_xml_of_another_size_than_the_image_is_scaled(kaggle):
    sample = opened(kaggle).samples[0]
    assert sample.annotation.frame == (120, 168)
    region = read_region(sample, SIZE)
    assert region.sum() == 30 * 28
    assert region[5:33, 10:40].all()


def test_class_folders_by_themselves(tmp_path):
    for wnid in (JEEP, TENCH):
        save(tmp_path / wnid / "same.JPEG", picture(0))
    write_xml(tmp_path / "annotations" / JEEP / "same.xml", [BOX], wnid=JEEP)
    dataset = opened(tmp_path)
    assert sorted(s.label for s in dataset.samples) == [0, 609]
    assert len({s.id for s in dataset.samples}) == 2
    assert [bool(s.annotation) for s in dataset.samples] == [False, True]
    assert dataset.split_note == "the source has no splits"


def test_unknown_labels_are_kept_without_one(flat):
    save(flat / "images/stranger.JPEG", picture(9))
    (flat / "LOC_val_solution.csv").write_text((flat / "LOC_val_solution.csv").read_text().replace(TENCH, "n99999999"))
    dataset = opened(flat)
    assert kinds(dataset) == ["label_unknown", "label_unknown"]
    assert [s.label for s in dataset.samples] == [None, 609, 847, None]


def test_damaged_annotations_cost_only_themselves(kaggle):
    notes = kaggle / "ILSVRC/Annotations/CLS-LOC/val"
    (notes / "ILSVRC2012_val_64.xml").write_text("<annotation><object>")
    dataset = opened(kaggle)
    assert kinds(dataset) == ["file_missing", "file_unreadable", "label_unknown"]
    assert dataset.problems[1].file == "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_64.xml"
    assert summary(dataset)["ILSVRC2012_val_64"] == (None, "validation", 0)


def test_damaged_boxes_in_a_solution_file(flat):
    text = (flat / "LOC_val_solution.csv").read_text()
    (flat / "LOC_val_solution.csv").write_text(text.replace(f"{JEEP} 10 5 40 33", f"{JEEP} 10 5 40"))
    dataset = opened(flat)
    assert kinds(dataset) == ["file_unreadable"]
    assert summary(dataset)["ILSVRC2012_val_00000001"] == (609, "validation", 0)


def test_an_image_that_links_out_is_left_out(flat, tmp_path):
    outside = save(tmp_path / "outside.JPEG", picture(5))
    (flat / "images/ILSVRC2012_val_00000000.JPEG").unlink()
    (flat / "images/ILSVRC2012_val_00000000.JPEG").symlink_to(outside)
    dataset = opened(flat)
    assert kinds(dataset) == ["path_outside"]
    assert len(dataset) == 2


def test_an_annotation_that_links_out_is_not_read(kaggle, tmp_path):
    note = kaggle / "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_64.xml"
    note.rename(tmp_path / "outside.xml")
    note.symlink_to(tmp_path / "outside.xml")
    assert kinds(opened(kaggle)) == ["file_missing", "path_outside", "label_unknown"]


def test_a_folder_without_images_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BadInput):
            opened(path)


def test_the_real_validation_images(real_data):
    dataset = opened(real_data / "imagenet_val")
    assert len(dataset) == 110
    assert all(s.annotation and s.label is not None for s in dataset.samples)
    assert dataset.problems == ()
    vehicles = opened(real_data / "imagenet_val", "?only=vehicles")
    assert len(vehicles) == 40
    assert {s.label for s in vehicles.samples} <= set(imagenet_classes.VEHICLES)
    for sample in dataset.samples[::20]:
        region = read_region(sample, read_image(sample.image).shape[:2])
        assert 0 < region.mean() <= 1

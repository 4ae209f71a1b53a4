"""`check`: a data set is damaged in every way there is, and each damage is recognised as what it is."""

import shutil
import time
from collections import Counter
from dataclasses import replace as changed

import numpy as np
import pytest
from datasets_fixtures import (
    SIZE,
    TRAIN_LIST,
    make_isic,
    make_table,
    mask,
    picture,
    png_header,
    replace,
    save,
    write_xml,
)
from PIL import Image

from xai_core.datasets import check, open_dataset
from xai_core.geometry import Frame
from xai_core.types import PROBLEM_KINDS

NAME = "ISIC_0000002"


def image_of(root, name):
    return root / f"images/{name}.jpg"


def mask_of(root, name):
    return root / f"masks/{name}_Segmentation.png"


def delete_image(root, name=NAME):
    image_of(root, name).unlink()


def cut_image(root, name=NAME):
    image_of(root, name).write_bytes(image_of(root, name).read_bytes()[:900])


def put_folder(root, name=NAME):
    image_of(root, name).unlink()
    image_of(root, name).mkdir()


def cut_mask(root, name=NAME):
    mask_of(root, name).write_bytes(mask_of(root, name).read_bytes()[:60])


def claim_size(root, name=NAME):
    image_of(root, name).write_bytes(png_header(10_000, 10_000))


def shrink_mask(root, name=NAME):
    save(mask_of(root, name), mask()[::2, ::2])


def empty_mask(root, name=NAME):
    save(mask_of(root, name), mask() * 0)


def push_mask_aside(root, name=NAME):
    # a centre crop of 224 of 256 loses a sixteenth at each end of the shorter side, more of the longer
    save(mask_of(root, name), mask(box=(0, 0, 3, 60)))


def forget_label(root):
    replace(root / TRAIN_LIST, "ISIC_0000002,benign", "ISIC_0000002,")


def copy_file(root):
    shutil.copy(root / "images/ISIC_0000002.jpg", root / "images/ISIC_0000004.jpg")


def name_twice(root):
    replace(root / TRAIN_LIST, "ISIC_0000002,benign", "ISIC_0000002,benign\nISIC_0000002,benign")


def save_again_in_test(root):
    with Image.open(root / "images/ISIC_0000002.jpg") as image:
        image.resize((70, 50)).save(root / "images/ISIC_0000004.jpg", quality=50)
    save(root / "masks/ISIC_0000004_Segmentation.png", mask((50, 70)))


def crop_into_test(root):
    large = picture(77, (300, 420))
    for name, part in ((NAME, large), ("ISIC_0000004", large[30:280, 50:400])):
        save(image_of(root, name), part, quality=90)
        save(mask_of(root, name), mask(part.shape[:2], box=(100, 90, 200, 160)))


def lead_out(root):
    save(root.parent / "outside.jpg", picture(9))
    replace(root / TRAIN_LIST, "ISIC_0000002,", "../../outside,")


@pytest.mark.parametrize(
    ("damage", "kind", "file"),
    [
        (delete_image, "file_missing", "images/ISIC_0000002.jpg"),
        (cut_image, "file_unreadable", "images/ISIC_0000002.jpg"),
        (put_folder, "file_unreadable", "images/ISIC_0000002.jpg"),
        (cut_mask, "file_unreadable", "masks/ISIC_0000002_Segmentation.png"),
        (claim_size, "image_too_large", "images/ISIC_0000002.jpg"),
        (shrink_mask, "mask_size", "masks/ISIC_0000002_Segmentation.png"),
        (empty_mask, "mask_empty", "masks/ISIC_0000002_Segmentation.png"),
        (push_mask_aside, "mask_lost_in_crop", "masks/ISIC_0000002_Segmentation.png"),
        (forget_label, "label_unknown", TRAIN_LIST),
        (copy_file, "duplicate", "images/ISIC_0000004.jpg"),
        (name_twice, "duplicate", TRAIN_LIST),
        (save_again_in_test, "near_duplicate_across_splits", "images/ISIC_0000004.jpg"),
        (crop_into_test, "near_duplicate_across_splits", "images/ISIC_0000004.jpg"),
        (lead_out, "path_outside", "images/../../outside.jpg"),
    ],
)
def test_one_damage_is_one_problem_of_its_kind(tmp_path, damage, kind, file):
    root = make_isic(tmp_path / "isic")
    damage(root)
    dataset = open_dataset(f"isic2016:{root}")
    problems = check(dataset)
    assert [(p.kind, p.file) for p in problems] == [(kind, file)]
    assert problems[0].detail.startswith("expected ")
    assert problems[0].remedy
    assert "\n" not in problems[0].detail
    assert len(dataset) >= 5


@pytest.mark.parametrize(("box", "kind"), [((40, 5, 10, 33), "box_reversed"), ((10, 5, 85, 33), "box_outside")])
def test_boxes_in_an_annotation_file(tmp_path, box, kind):
    for k in range(3):
        save(tmp_path / "n01440764" / f"{k}.JPEG", picture(k))
        write_xml(
            tmp_path / "annotations/n01440764" / f"{k}.xml", [(10, 5, 40, 33), box] if k == 1 else [(1, 2, 50, 40)]
        )
    dataset = open_dataset(f"imagenet:{tmp_path}")
    assert [(p.kind, p.file) for p in check(dataset)] == [(kind, "annotations/n01440764/1.xml")]
    assert len(dataset) == 3


def test_boxes_in_a_table_are_all_named(tmp_path):
    path = make_table(tmp_path, columns={"boxes": ["", "", "40 5 10 33; 0 0 99 9; 1 2 3 4", "", "", ""]})
    replace(path, "masks/2.png", "")
    problems = check(open_dataset(f"table:{path}"))
    assert [p.kind for p in problems] == ["box_reversed", "box_outside"]
    assert all("2" in p.remedy for p in problems)


def test_every_kind_has_its_damage():
    damaged = {values[1] for values in test_one_damage_is_one_problem_of_its_kind.pytestmark[0].args[1]}
    assert damaged | {"box_reversed", "box_outside"} == set(PROBLEM_KINDS)


def test_all_damages_at_once_hide_none(tmp_path):
    root = make_isic(tmp_path / "isic", train=8, test=4)
    damages = (delete_image, cut_image, put_folder, cut_mask, claim_size, shrink_mask, empty_mask, push_mask_aside)
    for k, damage in enumerate(damages):
        damage(root, f"ISIC_{k:07d}")
    dataset = open_dataset(f"isic2016:{root}")
    kinds = [p.kind for p in check(dataset)]
    assert kinds == [
        "file_missing", "file_unreadable", "file_unreadable", "file_unreadable", "image_too_large",
        "mask_size", "mask_empty", "mask_lost_in_crop",
    ]  # fmt: skip
    assert len(dataset) == 11


def test_a_sound_data_set_has_no_problem_and_progress_is_told(tmp_path):
    told = []
    dataset = open_dataset(f"isic2016:{make_isic(tmp_path)}")
    assert check(dataset, progress=lambda done, total: told.append((done, total))) == ()
    assert told == [(k, 6) for k in range(1, 7)]


def test_the_crop_is_the_classifiers(tmp_path):
    root = make_isic(tmp_path)
    push_mask_aside(root)
    dataset = open_dataset(f"isic2016:{root}")
    assert [p.kind for p in check(dataset, Frame())] == ["mask_lost_in_crop"]
    for fit in ("squash", "pad_reflect"):
        assert check(dataset, Frame(fit=fit, resize=0)) == ()


def test_order_of_the_samples_changes_only_the_order_of_the_problems(tmp_path):
    root = make_isic(tmp_path, train=6, test=6)
    copy_file(root)
    empty_mask(root)
    for source, target in ((0, 8), (1, 9)):
        with Image.open(root / f"images/ISIC_{source:07d}.jpg") as image:
            image.save(root / f"images/ISIC_{target:07d}.png")
        (root / f"images/ISIC_{target:07d}.jpg").unlink()
    dataset = open_dataset(f"isic2016:{root}")
    problems = check(dataset)
    assert sorted(p.kind for p in problems) == [
        "duplicate", "mask_empty", "near_duplicate_across_splits", "near_duplicate_across_splits",
    ]  # fmt: skip
    shuffled = [dataset.samples[k] for k in np.random.default_rng(0).permutation(len(dataset))]
    again = check(changed(dataset, samples=tuple(shuffled)))
    assert {p for p in again if p.kind != "duplicate"} == {p for p in problems if p.kind != "duplicate"}


def test_three_copies_are_two_problems_and_pairs_within_a_split_are_none(tmp_path):
    root = make_isic(tmp_path)
    for name in ("ISIC_0000003", "ISIC_0000004"):
        shutil.copy(root / "images/ISIC_0000002.jpg", root / f"images/{name}.jpg")
    with Image.open(root / "images/ISIC_0000000.jpg") as image:
        image.save(root / "images/ISIC_0000001.jpg", quality=40)
    assert [p.kind for p in check(open_dataset(f"isic2016:{root}"))] == ["duplicate", "duplicate"]


def test_the_real_data(real_data):
    begun = time.perf_counter()
    problems = check(open_dataset(f"imagenet:{real_data}/imagenet_val"))
    assert problems == ()
    assert time.perf_counter() - begun < 30


@pytest.mark.long
def test_the_real_lesions(real_data):
    problems = check(open_dataset(f"isic2016:{real_data}/isic2016"))
    assert Counter(p.kind for p in problems) == {"file_missing": 225, "near_duplicate_across_splits": 14}


def test_sizes_differ_from_image_to_image(tmp_path):
    root = make_isic(tmp_path)
    save(root / "images/ISIC_0000001.jpg", picture(50, SIZE[::-1]))
    save(root / "masks/ISIC_0000001_Segmentation.png", mask(SIZE[::-1]))
    assert check(open_dataset(f"isic2016:{root}")) == ()

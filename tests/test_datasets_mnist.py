"""MNIST is read from its idx files to the pixel; whatever is wrong with one is told in a line."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import struct
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from i2x_fixtures import make_model
from members_fixtures import digits, idx, write_mnist
from PIL import Image

from xai_core.datasets import check, image_hash, open_dataset, planted, read_image, with_validation
from xai_core.datasets.format import inside
from xai_core.datasets.images import read_grey, read_small
from xai_core.errors import BadInput, SampleError
from xai_core.models import load
from xai_core.review.case import case_of
from xai_core.review.tiles import tiles
from xai_core.runs import explain_dataset, summarise

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize("packed", [True, False])
def test_every_pixel_and_label_arrives(tmp_path, packed):
    arrays = write_mnist(tmp_path, packed=packed)
    dataset = open_dataset(f"mnist:{tmp_path}?validation=4")
    assert dataset.count("split") == {"train": 26, "validation": 4, "test": 10}
    assert not dataset.problems and not any(s.annotation for s in dataset.samples)
    for sample in dataset.samples:
        source, number = sample.id.split("_")
        images, labels = arrays["train" if source == "train" else "t10k"]
        pixels = images[int(number)]
        assert sample.label == labels[int(number)]
        assert (read_image(sample.image) == pixels[..., None]).all() and read_image(sample.image).shape == (6, 5, 3)
        assert image_hash(sample.image) == hashlib.sha256(pixels.tobytes()).hexdigest()
        assert sample.image.is_relative_to(dataset.root)


def test_the_last_training_images_are_validation(tmp_path):
    write_mnist(tmp_path)
    dataset = open_dataset(f"mnist:{tmp_path}?validation=4")
    assert [s.id for s in dataset.only("validation").samples] == [f"train_{k:05d}" for k in range(26, 30)]
    assert "the last 4 of the training images" in dataset.split_note
    assert open_dataset(f"mnist:{tmp_path}?validation=0").count("split") == {"train": 30, "test": 10}


def test_no_near_duplicates_are_looked_for(tmp_path, monkeypatch):
    write_mnist(tmp_path)
    dataset = open_dataset(f"mnist:{tmp_path}?validation=4")

    def never(*_):
        raise AssertionError("fingerprints were taken")

    monkeypatch.setattr("xai_core.datasets.fingerprints.take", never)
    assert check(dataset) == () and "no near-duplicates are looked for" in dataset.split_note
    assert with_validation(dataset) is dataset


def test_the_same_image_twice_is_a_problem(tmp_path):
    images, _ = write_mnist(tmp_path)["train"]
    images[7] = images[3]
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(images)))
    (problem,) = check(open_dataset(f"mnist:{tmp_path}?validation=4"))
    assert (problem.kind, problem.file) == ("duplicate", f"{IMAGES}.gz/00007")


def test_small_and_grey_copies_are_of_the_member(tmp_path):
    images, _ = write_mnist(tmp_path)["train"]
    path = tmp_path / f"{IMAGES}.gz/00002"
    size, small = read_small(path, 50)
    assert size == (6, 5) and (small == images[2][..., None]).all()
    size, grey = read_grey(path, 4)
    assert size == (6, 5) and (grey == images[2]).all()


def test_a_list_may_name_a_member(tmp_path):
    write_mnist(tmp_path)
    assert inside(tmp_path.resolve(), f"{IMAGES}.gz/00002", "a run").name == "00002"
    for name in (f"{IMAGES}.gz/00030", f"{IMAGES}.gz/x", f"{IMAGES}.gz/-1", "nowhere.gz/00001"):
        with pytest.raises(SampleError) as found:
            inside(tmp_path.resolve(), name, "a run")
        assert found.value.kind == "file_missing"


def test_a_changed_file_is_read_anew(tmp_path):
    write_mnist(tmp_path, packed=False)
    path = tmp_path / IMAGES / "00001"
    before = read_image(path)
    images, _ = digits(40, 9)
    (tmp_path / IMAGES).write_bytes(idx(images))
    assert (read_image(path)[..., 0] == images[1]).all() and not (read_image(path) == before).all()


def test_worker_processes_read_members(tmp_path):
    images, _ = write_mnist(tmp_path)["train"]
    paths = [tmp_path / f"{IMAGES}.gz/{k:05d}" for k in range(6)]
    with ProcessPoolExecutor(2) as pool:
        for found, pixels in zip(pool.map(read_image, paths), images, strict=False):
            assert (found[..., 0] == pixels).all()


def test_an_unknown_label_is_a_problem_and_the_sample_stays(tmp_path):
    _, labels = write_mnist(tmp_path)["train"]
    labels[5] = 12
    (tmp_path / f"{LABELS}.gz").write_bytes(gzip.compress(idx(labels)))
    dataset = open_dataset(f"mnist:{tmp_path}?validation=4")
    (problem,) = dataset.problems
    assert (problem.kind, problem.file) == ("label_unknown", f"{IMAGES}.gz/00005") and "found 12" in problem.detail
    assert dataset.samples[5].label is None and len(dataset) == 40


WHOLE = idx(digits(30, 1)[0])
DAMAGED = {
    "cut off": (gzip.compress(WHOLE)[:-40], "whole idx file"),
    "a byte changed": (gzip.compress(WHOLE)[:60] + b"xxxx" + gzip.compress(WHOLE)[64:], "whole idx file"),
    "too short": (gzip.compress(WHOLE[:-1]), "900 bytes behind the header, as it says; found 899"),
    "too long": (gzip.compress(WHOLE + b"x"), "found more"),
    "another magic number": (gzip.compress(b"\0\0\x0d" + WHOLE[3:]), "00 00 0d 03 at its beginning"),
    "no file of this kind": (b"<html>not found</html>", "3c 68 74 6d at its beginning"),
    "nothing in it": (b"", "none at its beginning"),
    "a header alone": (gzip.compress(WHOLE[:9]), "3 sizes in the header; found its end"),
    "labels instead": (gzip.compress(idx(digits(30, 1)[1])), "3 dimensions; found 1"),
    "a zip instead": (b"PK\5\6" + bytes(18), "3 dimensions; found a zip"),
    "a bomb": (gzip.compress(b"\0\0\x08\x03" + struct.pack(">3I", 60_000, 60_000, 60_000)), "at most 1024 MB"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_told_in_a_line(tmp_path, name):
    write_mnist(tmp_path)
    data, message = DAMAGED[name]
    (tmp_path / f"{IMAGES}.gz").write_bytes(data)
    with pytest.raises(SampleError, match=message) as found:
        open_dataset(f"mnist:{tmp_path}?validation=4")
    assert found.value.kind == "file_unreadable" and IMAGES in found.value.where
    assert found.value.remedy == "fetch the file anew" and "\n" not in str(found.value)


def test_lengths_that_differ_are_told(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / f"{LABELS}.gz").write_bytes(gzip.compress(idx(np.zeros(29))))
    with pytest.raises(BadInput, match="30 labels, one for each image; found 29; fetch both files anew"):
        open_dataset(f"mnist:{tmp_path}?validation=4")


def test_a_missing_file_and_a_wrong_option_are_told(tmp_path):
    with pytest.raises(BadInput, match=r"train-images-idx3-ubyte.gz.*found none of them"):
        open_dataset(f"mnist:{tmp_path}")
    write_mnist(tmp_path)
    with pytest.raises(BadInput, match="more than the 5,000 images.*found 30; write .validation=N"):
        open_dataset(f"mnist:{tmp_path}")
    with pytest.raises(BadInput, match="a whole number; found '1.5'"):
        open_dataset(f"mnist:{tmp_path}?validation=1.5")
    (tmp_path / f"{LABELS}.gz").unlink()
    with pytest.raises(BadInput, match="train labels; found only images; add the other file"):
        open_dataset(f"mnist:{tmp_path}?validation=4")


def test_runs_tiles_and_cases_take_members(tmp_path):
    images, _ = write_mnist(tmp_path / "data", size=(14, 10))["t10k"]
    dataset = open_dataset(f"mnist:{tmp_path / 'data'}?validation=4")
    model = load(make_model(tmp_path / "model"))
    (run,) = explain_dataset(dataset, model, "grad_cam", tmp_path / "run", split="test", limit=3, workers=0, threads=1)
    records = run.records()
    assert records["status"].tolist() == ["ok"] * 3 and set(records["annotation"]) == {"no_annotation"}
    assert summarise(run)["scores"]["iou"]["undefined"] == {"no_annotation": 3}
    sample_id = records["sample_id"][1]
    (tile,) = tiles(run, "half", [sample_id])
    viewer = case_of(run, sample_id).viewer
    assert (tile.width, tile.height, viewer["width"], viewer["height"]) == (10, 14, 10, 14)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(viewer["image"].partition(",")[2]))).convert("L"), float)
    pixels = images[int(sample_id[-5:])]
    assert np.corrcoef(shown.ravel(), pixels.ravel())[0, 1] > 0.9


def test_a_patch_is_planted_into_members(tmp_path):
    arrays = write_mnist(tmp_path / "data", size=(64, 48))
    dataset = open_dataset(f"mnist:{tmp_path / 'data'}?validation=4")
    copy = open_dataset(planted.write(dataset, tmp_path / "copy", classes=("7",), splits=("train",)))
    patched = [s.id for s in copy.samples if s.metadata[planted.PLANTED]]
    assert {copy.class_names[s.label] for s in copy.samples if s.id in patched} == {"7"}
    for sample in copy.samples:
        source, number = sample.id.split("_")
        pixels = arrays["train" if source == "train" else "t10k"][0][int(number)]
        assert (read_image(sample.image) == pixels[..., None]).all() == (sample.id not in patched)


def test_the_real_files(real_data):
    dataset = open_dataset(f"mnist:{real_data / 'mnist'}")
    assert dataset.count("split") == {"train": 55_000, "validation": 5_000, "test": 10_000}
    # published: http://yann.lecun.com/exdb/mnist lists 5, 0, 4, 1, 9 first; 5,923 zeros among 60,000
    assert [s.label for s in dataset.samples[:5]] == [5, 0, 4, 1, 9]
    assert sum(s.label == 0 for s in dataset.samples[:60_000]) == 5_923
    first = read_image(dataset.samples[0].image)
    assert first.shape == (28, 28, 3) and int(first[..., 0].sum()) == 27_525

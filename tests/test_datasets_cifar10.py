"""CIFAR-10 is read from binary batches and from zips of class folders; nothing is unpickled, nothing leaves a zip."""

from __future__ import annotations

import hashlib
import pickle
import zipfile

import numpy as np
import pytest
from members_fixtures import png, write_batch, write_zip

from xai_core.datasets import check, image_hash, open_dataset, read_image
from xai_core.datasets import members as members_module
from xai_core.datasets.cifar10 import CLASS_NAMES
from xai_core.errors import BadInput, SampleError


def batches(folder, rows: int = 20) -> dict[str, np.ndarray]:
    """Return the pixels of two training batches and a test batch after writing them."""
    names = ("data_batch_1", "data_batch_2", "test_batch")
    labels = [k % 10 for k in range(rows)]
    pixels = {name: write_batch(folder / f"{name}.bin", labels, k) for k, name in enumerate(names)}
    (folder / "batches.meta.txt").write_text("\n".join(CLASS_NAMES) + "\n\n")
    return pixels


def zips(folder) -> dict[str, tuple[bytes, np.ndarray]]:
    """Return name -> (bytes, pixels) of what two zips hold, ten of each class to train on and two to test on."""
    held = {}
    for k, (split, name) in enumerate((split, name) for split in ("train", "test") for name in ("cat", "dog", "emu")):
        for n in range(10 if split == "train" else 2):
            held[f"{split}/{name}/{n:04d}.png"] = png(100 * k + n)
    for split in ("train", "test"):
        own = [(name, data) for name, (data, _) in held.items() if name.startswith(split)]
        write_zip(folder / f"{split}_some.zip", [(f"{split}/", b""), *own, (f"{split}/readme.txt", b"about")])
    return held


def test_every_pixel_of_the_batches_arrives(tmp_path):
    pixels = batches(tmp_path)
    dataset = open_dataset(f"cifar10:{tmp_path}")
    assert dataset.class_names == CLASS_NAMES and not dataset.problems
    assert dataset.count("split") == {"train": 40, "test": 20}, "a tenth of four is none"
    for sample in dataset.samples:
        batch, _, number = sample.id.rpartition("_")
        image = pixels[batch][int(number)]
        assert sample.label == int(number) % 10 and (read_image(sample.image) == image).all()
        assert image_hash(sample.image) == hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def test_the_last_of_each_class_are_validation(tmp_path):
    batches(tmp_path)
    dataset = open_dataset(f"cifar10:{tmp_path}?validation=0.25")
    kept = dataset.only("validation").samples
    # four of each class in two batches: the last of them lies in the second
    assert [s.id for s in kept] == [f"data_batch_2_{k:05d}" for k in range(10, 20)]
    assert "the last 25% of each class" in dataset.split_note


def test_class_folders_in_zips(tmp_path):
    held = zips(tmp_path)
    dataset = open_dataset(f"cifar10:{tmp_path}")
    assert dataset.class_names == ("cat", "dog", "emu")
    assert dataset.count("split") == {"test": 6, "train": 27, "validation": 3}
    assert len({s.id for s in dataset.samples}) == 36
    for sample in dataset.samples:
        name = sample.image.relative_to(dataset.root).as_posix().partition("/")[2]
        data, pixels = held[name]
        assert dataset.class_names[sample.label] == name.split("/")[1]
        assert (read_image(sample.image) == pixels).all()
        assert image_hash(sample.image) == hashlib.sha256(data).hexdigest()
    assert check(dataset) == ()


def test_one_zip_by_its_name(tmp_path):
    zips(tmp_path)
    dataset = open_dataset(f"cifar10:{tmp_path / 'train_some.zip'}?validation=0")
    assert dataset.count("split") == {"train": 30}


def test_names_that_leave_the_zip_are_problems(tmp_path):
    good = [(f"train/{name}/{k}.png", png(k)[0]) for k, name in enumerate(("cat", "dog"))]
    bad = [
        "../train/cat/1.png",
        "/train/cat/2.png",
        "train/cat/../../../x/cat/3.png",
        "train\\cat\\4.png",
        "C:/cat/5.png",
    ]
    write_zip(tmp_path / "a.zip", good + [(name, png(9)[0]) for name in bad])
    dataset = open_dataset(f"cifar10:{tmp_path}?validation=0")
    assert [p.kind for p in dataset.problems] == ["path_outside"] * 5
    assert [s.id for s in dataset.samples] == ["train_cat_0", "train_dog_1"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_a_problem(tmp_path):
    entries = [("train/cat/1.png", png(1)[0]), ("train/dog/1.png", png(2)[0]), ("train/cat/1.png", png(3)[0])]
    write_zip(tmp_path / "a.zip", entries)
    dataset = open_dataset(f"cifar10:{tmp_path}?validation=0")
    (problem,) = dataset.problems
    assert (problem.kind, problem.file) == ("duplicate", "a.zip/train/cat/1.png")
    assert (read_image(dataset.samples[0].image) == png(3)[1]).all()


def test_a_member_that_is_damaged_is_one_sample_less(tmp_path):
    zips(tmp_path)
    file = tmp_path / "train_some.zip"
    with zipfile.ZipFile(file) as packed:
        place = packed.getinfo("train/dog/0003.png").header_offset
    data = bytearray(file.read_bytes())
    data[place + 80 : place + 90] = bytes(10)
    file.write_bytes(bytes(data))
    dataset = open_dataset(f"cifar10:{tmp_path}")
    (problem,) = check(dataset)
    assert (problem.kind, problem.file) == ("file_unreadable", "train_some.zip/train/dog/0003.png")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(members_module, "MAX_MEMBER", 1000)
    entries = [(f"train/{name}/1.png", png(k)[0]) for k, name in enumerate(("cat", "dog"))]
    write_zip(tmp_path / "a.zip", [*entries, ("train/cat/2.png", bytes(2_000_000))])
    dataset = open_dataset(f"cifar10:{tmp_path}?validation=0")
    with pytest.raises(SampleError) as found:
        read_image(dataset.samples[2].image)
    assert found.value.kind == "image_too_large" and found.value.where.endswith("train/cat/2.png")


def test_a_locked_member_is_told(tmp_path):
    write_zip(tmp_path / "a.zip", [(f"train/{name}/1.png", png(1)[0]) for name in ("cat", "dog")])
    data = (tmp_path / "a.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        first = packed.infolist()[0].header_offset
    locked = bytearray(data)
    locked[first + 6] |= 1
    central = data.index(b"PK\x01\x02")
    locked[central + 8] |= 1
    (tmp_path / "a.zip").write_bytes(bytes(locked))
    dataset = open_dataset(f"cifar10:{tmp_path}?validation=0")
    with pytest.raises(SampleError, match="without a password"):
        read_image(dataset.samples[0].image)


def test_pickles_are_not_read(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harmed"), "w"))

    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(BadInput, match=r"the Python version \(data_batch_1\).*cifar-10-binary.tar.gz"):
        open_dataset(f"cifar10:{tmp_path}")
    assert not (tmp_path / "harmed").exists()


DAMAGED = {
    "data_batch_2.bin": (lambda data: data[:-1], "rows of 3073 bytes"),
    "test_batch.bin": (lambda data: b"", "rows of 3073 bytes.*found 0 bytes"),
    "batches.meta.txt": (lambda data: b"cat\ndog\n", "ten class names, a line each; found 2: cat, dog"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_told_in_a_line(tmp_path, name):
    batches(tmp_path)
    change, message = DAMAGED[name]
    (tmp_path / name).write_bytes(change((tmp_path / name).read_bytes()))
    with pytest.raises(BadInput, match=message) as found:
        open_dataset(f"cifar10:{tmp_path}")
    assert name in str(found.value)


def test_an_unknown_label_is_a_problem_and_the_sample_stays(tmp_path):
    write_batch(tmp_path / "data_batch_1.bin", [0, 3, 77])
    dataset = open_dataset(f"cifar10:{tmp_path}")
    (problem,) = dataset.problems
    assert (problem.kind, problem.file) == ("label_unknown", "data_batch_1.bin/00002")
    assert [s.label for s in dataset.samples] == [0, 3, None]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 but no more", b"<html>"])
def test_a_damaged_zip_is_told(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(SampleError, match=r"a\.zip: expected a whole zip file"):
        open_dataset(f"cifar10:{tmp_path}")


def test_what_cannot_be_used_is_told(tmp_path):
    with pytest.raises(BadInput, match="found neither; fetch the binary version"):
        open_dataset(f"cifar10:{tmp_path}")
    write_zip(tmp_path / "a.zip", [("cat/1.png", png(1)[0])])
    with pytest.raises(BadInput, match="train/CLASS/ and test/CLASS/ of two classes or more; found 0 of 0 classes"):
        open_dataset(f"cifar10:{tmp_path}")
    with pytest.raises(BadInput, match="a number from 0 to below 1; found '1'"):
        open_dataset(f"cifar10:{tmp_path}?validation=1")


def test_the_real_zips(real_data):
    dataset = open_dataset(f"cifar10:{real_data / 'cifar10'}")
    assert dataset.class_names == CLASS_NAMES
    assert dataset.count("split") == {"test": 2000, "train": 5400, "validation": 600}
    assert set(dataset.only("validation").count("label").values()) == {60}
    assert read_image(dataset.samples[0].image).shape == (32, 32, 3)

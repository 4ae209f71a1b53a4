"""A track holds what each checkpoint looked at and said; parts, kills and batches decide nothing."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from i2x_fixtures import make_model
from killing import begin, kill
from members_fixtures import write_mnist

from xai_core.cli import main
from xai_core.datasets import open_dataset, read_image
from xai_core.errors import BadInput
from xai_core.files import is_sealed, read_json
from xai_core.i2x.follow import follow, suggest
from xai_core.i2x.material import Choices
from xai_core.i2x.store import open_track
from xai_core.models import load

STEPS = (0, 3, 12)
CHOICES = Choices(prototypes=5, batch_size=8, positions=200)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the data set, the model folder and its track: 30 images, 26 to train on, on a grid of 3 x 5."""
    folder = tmp_path_factory.mktemp("i2x")
    write_mnist(folder / "data", size=(14, 10))
    dataset = open_dataset(f"mnist:{folder / 'data'}?validation=4")
    model = make_model(folder / "model", STEPS)
    return dataset, model, follow(dataset, model, folder / "track", CHOICES, threads=1)


def frames_of(dataset, model, split=("train", "validation")):
    frame = load(model).preprocessing.frame
    samples = [s for s in dataset.samples if s.split in split]
    images = [read_image(s.image) for s in samples]
    return samples, np.stack([frame.place(image.shape[:2]).image(image) for image in images])


def activations(model, step, frames):
    """Return the network at a step, and the (N, C, h, w) output of its last stage."""
    classifier = load(f"{model}?checkpoint={step}")
    kept = []
    handle = classifier.network.layer3.register_forward_hook(lambda *given: kept.append(given[2].clone()))
    classifier.logits(classifier.normalise(frames))
    handle.remove()
    return classifier, kept[0].double().numpy()


def test_samples_and_settings(made):
    dataset, _, track = made
    samples = [s for s in dataset.samples if s.split in ("train", "validation")]
    assert track.samples["sample_id"].tolist() == [s.id for s in samples]
    assert track.samples["label"].tolist() == [s.label for s in samples]
    assert track.samples["split"].tolist() == [s.split for s in samples]
    pixels = read_image(samples[7].image)[..., 0]
    assert track.samples["image_hash"][7] == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert track.samples["image"][7] == "train-images-idx3-ubyte.gz/00007"
    assert (track.steps, track.grid, track.prototypes) == (STEPS, (3, 5), 5)
    assert (track.folder / track.settings["dataset_root"]).resolve() == dataset.root
    assert track.settings["class_names"] == list("0123456789") and track.settings["cam_layer"] == "layer3"


def test_grad_cam_of_average_pool_and_linear_is_a_weighted_sum(made):
    dataset, model, track = made
    samples, frames = frames_of(dataset, model)
    for step in STEPS:
        classifier, output = activations(model, step, frames)
        weight = classifier.network.linear.weight.double().numpy()
        maps = track.heatmaps(step)
        for i, sample in enumerate(samples):
            for j, (y, x) in enumerate(np.ndindex(3, 5)):
                expected = max(0.0, float(sum(weight[sample.label] * output[i, :, y, x])) / 15)
                assert maps[i, j] == pytest.approx(expected, abs=1e-3 * float(maps[i].max()) + 1e-7)
        assert (maps > 0).any(1).mean() > 0.5, "a step of zeros would prove nothing"


def test_probabilities_are_those_of_the_checkpoint(made):
    dataset, model, track = made
    _, frames = frames_of(dataset, model)
    for step in STEPS:
        classifier = load(f"{model}?checkpoint={step}")
        expected = classifier.probabilities(classifier.normalise(frames)).numpy()
        np.testing.assert_allclose(track.probabilities(step), expected, atol=1e-5)
    assert not np.allclose(track.probabilities(0), track.probabilities(3), atol=1e-3)


def test_places_carry_the_nearest_prototype_of_the_final_network(made):
    dataset, model, track = made
    _, frames = frames_of(dataset, model)
    _, output = activations(model, STEPS[-1], frames)
    found, centres = track.places(), track.centres.centres.astype(float)
    for i in range(len(frames)):
        for j, (y, x) in enumerate(np.ndindex(3, 5)):
            moved = track.centres.components.astype(float) @ (output[i, :, y, x] - track.centres.mean)
            distances = ((centres - moved) ** 2).sum(1)
            assert distances[found[i, j]] == pytest.approx(distances.min(), rel=1e-4)
    assert len(set(found.ravel().tolist())) == 5


@pytest.mark.parametrize("part_size", [1, 11, 30])
def test_part_size_decides_nothing(made, tmp_path, part_size):
    dataset, model, track = made
    again = follow(dataset, model, tmp_path / "t", CHOICES, threads=1, part_size=part_size)
    assert again.digest == track.digest
    assert len(list((tmp_path / "t/places").iterdir())) == -(-30 // part_size)


def test_batch_size_moves_numbers_by_rounding_alone(made, tmp_path):
    dataset, model, track = made
    again = follow(dataset, model, tmp_path / "t", replace(CHOICES, batch_size=7), threads=1)
    np.testing.assert_allclose(again.centres.centres, track.centres.centres, atol=1e-4)
    assert (again.places() == track.places()).mean() > 0.99
    for step in STEPS:
        scale = track.heatmaps(step).max()
        np.testing.assert_allclose(again.heatmaps(step), track.heatmaps(step), atol=1e-3 * scale)
        np.testing.assert_allclose(again.probabilities(step), track.probabilities(step), atol=1e-5)


def interrupted_after(images: int):
    def progress(done: int, _total: int) -> None:
        if done >= images:
            raise KeyboardInterrupt

    return progress


def test_a_track_that_was_cut_off_goes_on_and_ends_the_same(made, tmp_path):
    dataset, model, track = made
    out = tmp_path / "t"
    for images, part_size in ((20, 4), (38, 4), (57, 6), (75, 9), (100, 4)):
        with pytest.raises(KeyboardInterrupt):
            follow(
                dataset,
                model,
                out,
                CHOICES,
                threads=1,
                part_size=part_size,
                resume=True,
                progress=interrupted_after(images),
            )
        with pytest.raises(BadInput, match="cut off"):
            open_track(out)
    told = []
    again = follow(dataset, model, out, CHOICES, threads=1, resume=True, progress=lambda *n: told.append(n))
    assert again.digest == track.digest
    done, total = zip(*told, strict=True)
    assert set(total) == {120} and done[-1] == 120 and done[0] >= 30 and all(a <= b for a, b in pairwise(done))
    assert not list(out.rglob(".*.tmp"))


def test_a_kill_loses_a_part_at_most(made, tmp_path):
    dataset, model, track = made
    out = tmp_path / "t"
    arguments = ["i2x", "fit", dataset.spec, "--model", model, "--out", out, "--part-size", 1]
    arguments += ["--prototypes", 5, "--batch-size", 8, "--positions", 200, "--threads", 1]
    process = begin(arguments)
    assert any("5 prototypes in" in line for line in process.lines), "the work has begun"
    while not list(out.glob("checkpoints/12/0003-*")):
        assert process.poll() is None
        time.sleep(0.005)
    assert kill(process)
    told = []
    again = follow(dataset, model, out, CHOICES, threads=1, resume=True, progress=lambda *n: told.append(n[0]))
    assert again.digest == track.digest
    assert told[0] >= 30 + 4, "prototypes and four parts were kept"


def test_a_finished_track_is_left_alone_and_a_damaged_one_mended(made, tmp_path):
    dataset, model, track = made
    out = tmp_path / "t"
    follow(dataset, model, out, CHOICES, threads=1, part_size=10)
    before = (out / "manifest.json").read_bytes()
    follow(dataset, model, out, CHOICES, threads=1, resume=True)
    assert (out / "manifest.json").read_bytes() == before
    for name in ("prototypes.parquet", "projection.parquet"):
        (out / name).write_bytes(b"PAR1 no more")
    sorted((out / "checkpoints/3").iterdir())[1].unlink()
    with pytest.raises(BadInput, match="--resume"):
        open_track(out)
    follow(dataset, model, out, CHOICES, threads=1, resume=True)
    assert open_track(out).digest == track.digest
    (out / "manifest.json").write_text((out / "manifest.json").read_text().replace('"samples": 30', '"samples": 31'))
    with pytest.raises(BadInput, match="a manifest that was changed.*--resume"):
        open_track(out)
    assert len(follow(dataset, model, out, CHOICES, threads=1, resume=True)) == 30


def test_the_target_may_be_what_the_final_network_predicts(made, tmp_path):
    dataset, model, track = made
    again = follow(dataset, model, tmp_path / "t", replace(CHOICES, target="predicted"), threads=1)
    predicted = track.probabilities(12).argmax(1)
    _, frames = frames_of(dataset, model)
    classifier, output = activations(model, 3, frames)
    weight = classifier.network.linear.weight.double().numpy()
    expected = np.einsum("nc,nchw->nhw", weight[predicted], output).clip(0).reshape(30, -1) / 15
    np.testing.assert_allclose(again.heatmaps(3), expected, atol=1e-3 * expected.max())
    assert (again.places() == track.places()).all()


def test_some_checkpoints_some_samples(made, tmp_path):
    dataset, model, _ = made
    few = Choices(prototypes=3, batch_size=8, checkpoints="12,3", split="test", limit=6)
    track = follow(dataset, model, tmp_path / "t", few, threads=1)
    assert track.steps == (3, 12) and len(track) == 6 and set(track.samples["split"]) == {"test"}


def test_what_cannot_be_followed_is_counted(made, tmp_path):
    dataset, model, _ = made
    samples = list(dataset.samples)
    samples[2] = replace(samples[2], label=None)
    samples[4] = replace(samples[4], image=dataset.root / "nowhere.png")
    said = []
    track = follow(replace(dataset, samples=tuple(samples)), model, tmp_path / "t", CHOICES, threads=1, say=said.append)
    assert track.manifest["left_out"] == {"file_missing": 1, "no_label": 1} and len(track) == 28
    assert "left out: file_missing 1, no_label 1" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoints": "3,5"}, r"found 3,5 \(kept: 0, 3, 12\)"),
        ({"checkpoints": "12"}, "two checkpoints or more"),
        ({"checkpoints": "late"}, "two checkpoints or more"),
        ({"split": "exam"}, "train 26, validation 4, test 10; found exam"),
        ({"positions": 4}, "at least 5 different features; found 4"),
    ],
)
def test_what_cannot_be_asked_is_told(made, tmp_path, changes, message):
    dataset, model, _ = made
    with pytest.raises(BadInput, match=message):
        follow(dataset, model, tmp_path / "t", replace(CHOICES, **changes), threads=1)


def test_other_choices_are_refused(made):
    dataset, model, track = made
    with pytest.raises(BadInput, match="seed: 0 there, 1 asked"):
        follow(dataset, model, track.folder, replace(CHOICES, seed=1), threads=1, resume=True)
    with pytest.raises(BadInput, match="go on with it by --resume"):
        follow(dataset, model, track.folder, CHOICES, threads=1)
    with pytest.raises(BadInput, match="prototypes: expected 2 to"):
        Choices(prototypes=1)


def test_a_curve_is_kept_where_the_track_will_lie(made, tmp_path, capsys):
    dataset, model, track = made
    found = suggest(dataset, model, tmp_path / "t", CHOICES, threads=1)
    assert is_sealed(found) and read_json(tmp_path / "t/curve.json") == found
    assert found["step"] == 12 and found["suggested"] in [row["prototypes"] for row in found["rows"]]
    arguments = ["i2x", "fit", dataset.spec, "--model", str(model), "--out", str(tmp_path / "t"), "--threads", "1"]
    arguments += ["--prototypes", "5", "--batch-size", "8", "--positions", "200"]
    assert main([*arguments, "--suggest"]) == 0
    assert f"suggested: --prototypes {found['suggested']}" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert track.digest in capsys.readouterr().out
    assert main([*arguments, "--resume"]) == 0
    assert "30 samples, 5 prototypes on a grid of 3 x 5, steps 0, 3, 12" in capsys.readouterr().out

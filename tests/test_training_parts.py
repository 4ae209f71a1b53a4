"""The pieces of a training, each against something slower or simpler."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_fixtures import planted, recipe

from xai_core.errors import BadInput
from xai_core.geometry import Frame
from xai_core.models import load_weights
from xai_core.models.folder import checkpoint_path
from xai_core.training import Recipe, frames
from xai_core.training.augmentation import Augmentation
from xai_core.training.checkpoints import affordable, schedule, write_checkpoint
from xai_core.training.frames import canvas_of, read_frames
from xai_core.training.loop import best_of, rate

# --- the recipe


def test_a_recipe_describes_itself_and_comes_back():
    for f in fields(Recipe):
        assert len(f.metadata["help"]) > 10, f.name
        assert not f.metadata["choices"] or f.default in f.metadata["choices"]
    one = recipe(pathway="fine-tune", weights="a.pth", augmentation=0.5)
    assert Recipe.from_dict(one.as_dict()) == one


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pathway": "transfer"}, "linear-probe"),
        ({"epochs": -1}, "epochs"),
        ({"augmentation": 3}, "0.0 to 2.0"),
        ({"lr": float("nan")}, "lr"),
        ({"pathway": "scratch", "weights": "a.pth"}, "no weights"),
        ({"pathway": "fine-tune", "weights": "none"}, "weights"),
    ],
)
def test_recipes_that_contradict_themselves_are_refused(changes, said):
    with pytest.raises(BadInput, match=said):
        recipe(**changes)
    with pytest.raises(BadInput, match="momentum"):
        Recipe.from_dict({"momentum": 0.9})


# --- frames and canvases


@given(st.integers(40, 90), st.integers(40, 90), st.sampled_from([(32, 32), (32, 20), (17, 31)]), st.integers(32, 40))
@settings(max_examples=60, deadline=None)
def test_the_middle_of_a_canvas_is_the_frame(height, width, size, resize):
    image = np.random.default_rng((height, width)).integers(0, 256, (height, width, 3), np.uint8)
    frame = Frame(size, "crop", resize)
    canvas = canvas_of(frame)
    seen = canvas.place(image.shape[:2]).image(image)
    top, left = ((c - f) // 2 for c, f in zip(canvas.size, size, strict=True))
    middle = seen[top : top + size[0], left : left + size[1]]
    assert np.array_equal(middle, frame.place(image.shape[:2]).image(image))


def test_usual_canvas():
    assert canvas_of(Frame()).size == (256, 256)
    assert canvas_of(Frame((224, 224), "pad_reflect", 0)) == Frame((224, 224), "pad_reflect", 0)


def test_broken_images_are_counted_and_large_sets_lie_on_disk(tmp_path, monkeypatch):
    samples = planted(tmp_path / "images", 8).samples
    samples[3].image.write_bytes(b"no image")
    ask = {"threads": 2, "overflow": tmp_path / "state" / "x.frames"}
    told = []
    inside, errors = read_frames(samples, Frame((20, 30), "squash", 0), progress=lambda *a: told.append(a), **ask)
    assert [e is not None for e in errors] == [k == 3 for k in range(8)]
    assert errors[3].kind == "file_unreadable"
    assert not inside[3].any()
    assert inside[4].any()
    assert told[-1] == (8, 8)
    monkeypatch.setattr(frames, "IN_MEMORY", 100)
    outside, _ = read_frames(samples, Frame((20, 30), "squash", 0), **ask)
    assert isinstance(outside, np.memmap)
    assert np.array_equal(inside, outside)


# --- augmentation


def canvases(n: int, size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 3, *size), np.uint8)
    return torch.from_numpy(pixels).float()


@pytest.mark.parametrize(("canvas", "size"), [((40, 52), (32, 44)), ((32, 44), (32, 44))])
def test_no_augmentation_is_the_frame_itself(canvas, size):
    images = canvases(5, canvas)
    nothing = Augmentation(0.0, "fixed", 0)
    top, left = (canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2
    seen = nothing.apply(images, size, nothing.draw(3, range(5)))
    expected = images[:, :, top : top + size[0], left : left + size[1]]
    torch.testing.assert_close(seen, expected, rtol=0, atol=2e-2)


@pytest.mark.parametrize(
    ("orientation", "size", "count"),
    [("any", (24, 24), 8), ("any", (24, 30), 4), ("mirror", (24, 24), 2), ("fixed", (24, 24), 1)],
)
def test_turns_are_those_that_numpy_makes(orientation, size, count):
    image = canvases(1, size)
    turning = Augmentation(0.0, orientation, 1)
    draws = turning.draw(0, range(64))
    seen = turning.apply(image.expand(64, -1, -1, -1), size, draws).round().to(torch.uint8).numpy()
    plain = image[0].to(torch.uint8).numpy()
    flips = [plain, plain[:, :, ::-1], plain[:, ::-1], plain[:, ::-1, ::-1]]
    every = flips + [f.transpose(0, 2, 1) for f in flips] if size[0] == size[1] else flips
    allowed = {f.tobytes() for f in every[: {"any": 8, "mirror": 2, "fixed": 1}[orientation]]}
    assert {s.tobytes() for s in seen} == allowed
    assert len(allowed) == count


def test_a_draw_belongs_to_the_sample_not_to_its_batch():
    augmentation = Augmentation(1.0, "any", 7)
    images = canvases(6, (40, 40))
    whole = augmentation.apply(images, (32, 32), augmentation.draw(2, range(6)))
    alone = augmentation.apply(images[4:5], (32, 32), augmentation.draw(2, [4]))
    torch.testing.assert_close(whole[4:5], alone, rtol=0, atol=1e-3)
    assert not np.array_equal(augmentation.draw(2, [4]), augmentation.draw(3, [4]))
    assert not np.array_equal(augmentation.draw(2, [4]), replace(augmentation, seed=8).draw(2, [4]))


@pytest.mark.parametrize(("canvas", "size"), [((256, 256), (224, 224)), ((224, 160), (224, 160)), ((60, 44), (56, 40))])
@pytest.mark.parametrize("strength", [0.3, 1.0, 2.0])
def test_no_image_shows_more_than_its_canvas(canvas, size, strength):
    augmentation = Augmentation(strength, "any", 0)
    matrices = augmentation._matrices(canvas, size, augmentation.draw(0, range(500))[:, :6])
    corners = np.array([[x, y, 1] for x in (-1, 1) for y in (-1, 1)])
    assert np.abs(matrices @ corners.T).max() <= 1 + 1e-9
    images = augmentation.apply(canvases(8, canvas), size, augmentation.draw(0, range(8)))
    assert images.shape == (8, 3, *size)
    assert images.min() >= 0
    assert images.max() <= 255


# --- schedules


def test_checkpoints_come_from_the_first_step_on():
    assert schedule(18, 3, 100) == (0, 1, 2, 4, 8, 16, 18, 36, 54)
    assert schedule(1, 2, 100) == (0, 1, 2)
    assert schedule(18, 3, 4) == (0, 4, 16, 54)
    assert schedule(18, 3, 1) == (0,)
    assert schedule(18, 3, 0) == ()
    vgg = {"w": torch.empty(132_863_336, device="meta")}
    assert affordable(24, 4.0, vgg) == 15


def test_a_checkpoint_halves_what_it_can(tmp_path):
    state = {"w": torch.tensor([1.0, 1 / 3]), "var": torch.tensor([1e6]), "n": torch.tensor(7), "none": torch.zeros(0)}
    write_checkpoint(tmp_path, 4, state)
    again = load_weights(checkpoint_path(tmp_path, 4))
    assert [again[k].dtype for k in ("w", "var", "n")] == [torch.float16, torch.float32, torch.int64]
    torch.testing.assert_close(again["w"].float(), state["w"], rtol=5e-4, atol=0)


def test_the_rate_rises_then_falls_to_nothing():
    rates = [rate(k, 100, 0.1) for k in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[0] > 0
    assert max(rates) == rates[10] == 1
    assert rates[99] < 1e-3
    assert rate(0, 1, 0.0) == 1


def test_the_best_epoch_has_the_highest_metric_then_the_lowest_loss_then_comes_first():
    rows = [(0.7, 1.0), (0.8, 0.9), (0.8, 0.5), (0.8, 0.5), (0.6, 0.1)]
    history = [{"epoch": k, "validation_metric": m, "validation_loss": v} for k, (m, v) in enumerate(rows)]
    assert best_of(history)["epoch"] == 2

"""The mapping between original and model frame, held against torchvision, brute force and its own inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xai_core.geometry import FITS, Frame, upsample

SIZES = st.tuples(st.integers(2, 90), st.integers(2, 90))


def gradient(height: int, width: int) -> np.ndarray:
    """A picture whose red and green channels tell row and column."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [y * 255 / max(height - 1, 1), x * 255 / max(width - 1, 1), np.full_like(x, 40)]
    return np.stack(channels, 2).astype(np.uint8)


@pytest.mark.parametrize("size", [(375, 500), (500, 333), (256, 256), (97, 1023)])
@pytest.mark.parametrize("frame", [Frame((224, 224), "crop", 256), Frame((160, 224), "crop", 224)])
def test_crop_is_torchvisions(size, frame):
    from PIL import Image

    from xai_core.models.torchvision_operators import declare_missing_operators

    declare_missing_operators()
    from torchvision.transforms import CenterCrop, Compose, Resize

    image = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    theirs = Compose([Resize(frame.resize), CenterCrop(frame.size)])(Image.fromarray(image))
    assert np.array_equal(frame.place(size).image(image), np.asarray(theirs))


@given(SIZES, st.sampled_from(FITS))
@settings(max_examples=60, deadline=None)
def test_a_mask_moves_with_its_image(size, fit):
    """A white rectangle moved as an image (nearest) and as a mask is the same rectangle."""
    height, width = size
    frame = Frame((40, 56), fit, 60 if fit == "crop" else 0, "nearest")
    mask = np.zeros(size, bool)
    mask[height // 5 : height // 5 + max(1, height // 3), width // 2 :] = True
    image = np.repeat(mask[:, :, None], 3, 2).astype(np.uint8) * 255
    moved = frame.place(size).image(image)[:, :, 0] > 127
    padding = frame.place(size).mask(np.ones(size, bool))
    assert np.array_equal(moved & padding, frame.place(size).mask(mask))


@given(SIZES, st.sampled_from(["squash", "pad_zero", "pad_white", "pad_mean", "pad_grey", "pad_reflect"]))
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_without_a_crop(size, fit):
    place = Frame((64, 48), fit, 0).place(size)
    assert place.share_inside(np.ones(size, bool)) == 1.0
    assert place.mask_on_original(np.ones((64, 48), bool)).all()


@given(SIZES)
@settings(max_examples=60, deadline=None)
def test_share_inside_is_the_crops_area(size):
    frame = Frame((30, 30), "crop", 40)
    place, drawn = frame.place(size), np.ones(size, bool)
    inside = place.mask_on_original(np.ones(frame.size, bool))
    assert place.share_inside(drawn) == pytest.approx(inside.mean())


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(61, 90), (90, 61)])
def test_a_blob_comes_back_to_its_place(fit, size):
    """Original -> frame -> original keeps a blob's centre within a pixel and a half, off centre and non-square."""
    frame = Frame((48, 64), fit, 70 if fit == "crop" else 0)
    place = frame.place(size)
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    centre = (size[0] * 0.45, size[1] * 0.55)
    blob = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 64
    moved = place.mask(blob)
    back = place.mask_on_original(moved)
    for axis in (0, 1):
        assert abs(np.nonzero(back)[axis].mean() - np.nonzero(blob)[axis].mean()) < 1.5
    heat = place.heatmap_on_original(moved.astype(np.float32))
    assert np.nanargmax(heat) in np.flatnonzero(back)
    assert np.isnan(heat).any() == (place.share_inside(np.ones(size, bool)) < 1)


def test_padding_colours():
    image = gradient(20, 40)
    for fit, colour in [("pad_zero", 0), ("pad_white", 255), ("pad_grey", 128)]:
        placed = Frame((40, 40), fit, 0).place((20, 40)).image(image)
        assert (placed[0] == colour).all() and (placed[-1] == colour).all()
        assert np.array_equal(placed[10:30], image)
    mean = Frame((40, 40), "pad_mean", 0).place((20, 40)).image(image)
    assert np.allclose(mean[0, 0], image.reshape(-1, 3).mean(0), atol=0.51)
    reflected = Frame((40, 40), "pad_reflect", 0).place((20, 40)).image(image)
    assert np.array_equal(reflected[:10], image[1:11][::-1])


def test_upsample_is_torchs():
    import torch

    maps = np.random.default_rng(0).normal(size=(3, 7, 9)).astype(np.float32)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[:, None], (63, 100), mode="bilinear", align_corners=False
    )
    assert np.abs(upsample(maps, (63, 100)) - theirs[:, 0].numpy()).max() < 1e-5


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="fit is one of"):
        Frame(fit="stretch")
    with pytest.raises(ValueError, match="cannot be cut"):
        Frame((224, 224), "crop", 200)
    with pytest.raises(ValueError, match="height, width"):
        Frame().place((30, 40)).image(gradient(40, 30))

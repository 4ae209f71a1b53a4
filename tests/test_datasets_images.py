"""Pictures: every mode becomes RGB as meant to be seen, every hostile file becomes an error of its kind."""

import os

import numpy as np
import pytest
from datasets_fixtures import SIZE, picture, png_header, save
from PIL import Image, ImageOps

from xai_core.datasets import image_hash, images, read_image
from xai_core.errors import SampleError

RGB = picture(0)
GREY = RGB[..., 0]


def kind_of(path, **settings) -> str:
    with pytest.raises(SampleError) as caught:
        read_image(path, **settings)
    assert path.name in str(caught.value)
    return caught.value.kind


def with_orientation(path, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return save(path, RGB, exif=exif)


def test_rgb_is_read_as_it_is(tmp_path):
    image = read_image(save(tmp_path / "a.png", RGB))
    assert image.dtype == np.uint8
    assert np.array_equal(image, RGB)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp"])
def test_lossless_formats_agree(tmp_path, name):
    assert np.array_equal(read_image(save(tmp_path / name, RGB, lossless=True)), RGB)


def test_a_format_off_the_list_is_refused(tmp_path):
    for name in ("a.gif", "a.tif"):
        assert kind_of(save(tmp_path / name, RGB)) == "file_unreadable"


def test_modes_become_rgb(tmp_path):
    three = np.repeat(GREY[..., None], 3, -1)
    alpha = np.dstack([RGB, np.full(SIZE, 7, np.uint8)])
    assert np.array_equal(read_image(save(tmp_path / "grey.png", GREY)), three)
    assert np.array_equal(read_image(save(tmp_path / "alpha.png", alpha)), RGB)
    assert np.array_equal(read_image(save(tmp_path / "two.png", np.dstack([GREY, 255 - GREY]))), three)


def test_sixteen_bits_are_scaled(tmp_path):
    deep = GREY.astype(np.uint16) * 257
    assert np.array_equal(read_image(save(tmp_path / "deep.png", deep))[..., 0], GREY)


def test_palette_and_transparency(tmp_path):
    indexed = Image.fromarray(RGB).quantize(16)
    indexed.save(tmp_path / "p.png")
    indexed.save(tmp_path / "t.png", transparency=bytes(range(0, 256, 16)))
    expected = np.asarray(indexed.convert("RGB"))
    assert np.array_equal(read_image(tmp_path / "p.png"), expected)
    assert np.array_equal(read_image(tmp_path / "t.png"), expected)


def test_cmyk(tmp_path):
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "c.jpg", quality=100, subsampling=0)
    assert np.abs(read_image(tmp_path / "c.jpg").astype(int) - RGB).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_does(tmp_path, orientation):
    path = with_orientation(tmp_path / "o.png", orientation)
    with Image.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(read_image(path), expected)
    assert images.orientation(path) == orientation
    assert np.array_equal(images.turn(GREY > 127, orientation), expected[..., 0] > 127)
    assert images.read_grey(path, 16)[0] == expected.shape[:2]


def test_nonsense_orientation_is_none(tmp_path):
    assert np.array_equal(read_image(with_orientation(tmp_path / "o.png", 77)), RGB)


def test_grey_copy_is_small_for_a_large_jpeg_and_knows_the_size(tmp_path):
    path = save(tmp_path / "large.jpg", picture(1, (900, 1300)))
    size, grey = images.read_grey(path, 160)
    assert size == (900, 1300)
    assert 160 <= min(grey.shape) < 450
    with Image.open(path) as stored:
        twin = np.asarray(stored.convert("L").resize(grey.shape[::-1], Image.Resampling.BOX), float)
    assert np.abs(twin - grey).mean() < 2


def test_cut_off_files_are_unreadable(tmp_path):
    for name in ("a.jpg", "a.png", "a.webp", "a.bmp"):
        path = save(tmp_path / name, picture(2, (300, 420)))
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        assert kind_of(path) == "file_unreadable"
        with pytest.raises(SampleError, match="file|picture"):
            images.read_grey(path, 100)


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\0" * 2000, b"%!PS-Adobe"])
def test_what_is_no_picture_is_unreadable(tmp_path, data):
    (tmp_path / "x.jpg").write_bytes(data)
    assert kind_of(tmp_path / "x.jpg") == "file_unreadable"


def test_absent_folder_pipe_and_loop(tmp_path):
    assert kind_of(tmp_path / "absent.jpg") == "file_missing"
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    for name in ("folder.jpg", "pipe.jpg", "loop.jpg"):
        assert kind_of(tmp_path / name) == "file_unreadable"


@pytest.mark.parametrize("side", [9_500, 14_000, 2**31 - 1])
def test_a_huge_header_is_refused_before_decoding(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(png_header(side, side))
    assert kind_of(tmp_path / "bomb.png") in ("image_too_large", "file_unreadable")


def test_a_smaller_limit(tmp_path):
    path = save(tmp_path / "a.png", RGB)
    assert kind_of(path, max_pixels=SIZE[0] * SIZE[1] - 1) == "image_too_large"
    assert read_image(path, max_pixels=SIZE[0] * SIZE[1]).shape == (*SIZE, 3)


def test_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert image_hash(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(SampleError, match="nothing there"):
        image_hash(tmp_path / "y")


INSIDE = GREY > 127


@pytest.mark.parametrize(
    "stored",
    [
        INSIDE.astype(np.uint8) * 255,
        INSIDE.astype(np.uint8),
        INSIDE,
        INSIDE.astype(np.uint16) * 65535,
        INSIDE.astype(np.uint16),
        INSIDE.astype(np.uint16) * 255,
        np.dstack([INSIDE * 255, INSIDE * 0, INSIDE * 0]).astype(np.uint8),
        np.dstack([INSIDE * 0 + 255] * 3 + [INSIDE * 255]).astype(np.uint8),
        np.where(INSIDE, 128, 127).astype(np.uint8),
    ],
    ids=["0/255", "0/1", "one bit", "16 bit", "16 bit 0/1", "16 bit 0/255", "red", "by alpha", "127/128"],
)
def test_masks_of_every_kind(tmp_path, stored):
    mask = images.read_mask(save(tmp_path / "m.png", stored))
    assert mask.dtype == bool
    assert np.array_equal(mask, INSIDE)


def test_palette_mask(tmp_path):
    indexed = Image.fromarray(INSIDE.astype(np.uint8))
    indexed.putpalette([0, 0, 0, 128, 0, 0])
    indexed.save(tmp_path / "m.png")
    assert np.array_equal(images.read_mask(tmp_path / "m.png"), INSIDE)


@pytest.mark.parametrize("value", [0, 2, 127])
def test_a_mask_without_bright_pixels_is_empty(tmp_path, value):
    with pytest.raises(SampleError) as caught:
        images.read_mask(save(tmp_path / "m.png", np.full(SIZE, value, np.uint8)))
    assert caught.value.kind == "mask_empty"
    assert f"largest value is {value}" in str(caught.value)

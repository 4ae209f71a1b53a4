"""The pictures a judge sees are those of the formulae, pixel by pixel."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from xai_core.errors import BadInput
from xai_core.language.views import View, masked, overlay, png, region_only, strength, visibility

FRAME = np.random.default_rng(3).integers(0, 256, (7, 11, 3)).astype(np.uint8)
HEATMAP = np.random.default_rng(4).normal(size=(7, 11)).astype(np.float32)


def slow_masked(frame: np.ndarray, heatmap: np.ndarray, slope: float, position: float) -> np.ndarray:
    """Return METHODS 3 steps 2 and 3 for a map of the frame's size, pixel by pixel."""
    evidence = [[max(0.0, float(v)) for v in row] for row in heatmap]
    low, high = min(map(min, evidence)), max(map(max, evidence))
    shown = np.zeros_like(frame)
    for y, row in enumerate(evidence):
        for x, value in enumerate(row):
            v = (value - low) / (high - low) if high > low else 0.0
            m = 1 / (1 + math.exp(slope * (position - v)))
            shown[y, x] = [int(c * m) for c in frame[y, x].tolist()]
    return shown


@pytest.mark.parametrize(
    ("position", "value", "expected"),
    [(0.4, 0, 4.5e-5), (0.4, 0.2, 0.0067), (0.4, 0.4, 0.5), (0.4, 0.6, 0.9933), (0.6, 0.4, 0.0067), (0.6, 0.8, 0.9933)],
)
def test_the_published_values_of_the_sigmoid(position, value, expected):
    assert visibility(value, 25, position) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("slope", "position"), [(25, 0.4), (15, 0.8), (20, 0.6)])
def test_masked_is_the_formula(slope, position):
    found = masked(FRAME, HEATMAP, slope, position).astype(int)
    # a rounding of the last digit may fall on either side of a whole number
    assert np.abs(found - slow_masked(FRAME, HEATMAP, slope, position)).max() <= 1
    assert (found == slow_masked(FRAME, HEATMAP, slope, position)).mean() > 0.99


def test_a_map_keeps_its_strength_whatever_its_unit():
    for unit in (1e-12, 1.0, 1e9):
        np.testing.assert_allclose(strength(HEATMAP * unit, (7, 11)), strength(HEATMAP, (7, 11)), atol=1e-5)


def test_enlarging_keeps_the_range_and_the_place():
    corner = np.zeros((3, 5), np.float32)
    corner[2, 0] = 7
    large = strength(corner, (48, 64))
    assert large.min() == 0 and large.max() == 1
    assert (large[-8:, :6] > 0.7).all() and large[:24].max() < 0.1 and large[:, 32:].max() < 0.1


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_a_map_that_is_the_same_everywhere_shows_nothing(value):
    assert masked(FRAME, np.full((3, 4), value, np.float32)).max() == 0


def test_evidence_against_the_class_is_not_shown():
    against = np.array([[-5.0, 0.0], [0.0, 1.0]], np.float32)
    np.testing.assert_array_equal(strength(against, (2, 2)) > 0.5, [[False, False], [False, True]])


def test_overlay_goes_from_frame_to_colours():
    np.testing.assert_array_equal(overlay(FRAME, HEATMAP, 0.0), FRAME)
    colours = overlay(FRAME, HEATMAP, 1.0).astype(int)
    order = np.argsort(strength(HEATMAP, (7, 11)).ravel())
    brightness = colours.sum(2).ravel()[order]
    assert brightness[0] < 10 and brightness[-1] > 500
    half = overlay(FRAME, HEATMAP, 0.5).astype(float)
    assert np.abs(half - (FRAME.astype(float) + colours) / 2).max() <= 0.5


def test_region_only_is_the_frame_inside_and_black_outside():
    region = np.zeros((7, 11), bool)
    region[1:3, 6:] = True
    found = region_only(FRAME, region)
    np.testing.assert_array_equal(found[region], FRAME[region])
    assert found[~region].max() == 0


def test_a_png_holds_the_pixels_and_nothing_else():
    data = png(FRAME)
    image = Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(np.asarray(image), FRAME)
    kinds, place = [], 8
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        kinds.append(data[place + 4 : place + 8])
        place += 12 + length
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


def test_a_view_tells_only_what_decides_it():
    assert View("masked", 20, 0.6).settings == {"name": "masked", "slope": 20.0, "position": 0.6}
    assert View("overlay", 20, 0.6).settings == {"name": "overlay", "opacity": 0.5}
    assert View("region").settings == {"name": "region"}
    with pytest.raises(BadInput, match="masked, overlay, region"):
        View("original")

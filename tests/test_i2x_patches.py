"""Pictures of a track: outlines lie where the places do, and maps of a few samples are those of all."""

from __future__ import annotations

import re

import numpy as np
import pytest
from structure_fixtures import FRAME, GRID, SIZE, drawn_track

from xai_core.geometry import Frame
from xai_core.i2x import patches
from xai_core.i2x.patches import confidence_of, maps_of, picture, spread
from xai_core.i2x.store import open_track
from xai_core.i2x.writing import TrackWriter


@pytest.fixture(scope="module")
def track(tmp_path_factory):
    return drawn_track(tmp_path_factory.mktemp("track") / "drawn", analysed=False)


def inside(path: str, size: tuple[int, int]) -> np.ndarray:
    """Return which pixels of a picture have their middle inside a path, by counting the edges to the left of each."""
    middle = np.stack(np.meshgrid(np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5), -1)
    found = np.zeros(size, bool)
    for polygon in re.findall(r"M([^Z]*)Z", path):
        corners = np.array([[float(v) for v in corner.split(",")] for corner in polygon.split()])
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 != y1:
                crossed = (middle[..., 1] > min(y0, y1)) & (middle[..., 1] <= max(y0, y1))
                at = x0 + (middle[..., 1] - y0) * (x1 - x0) / (y1 - y0)
                found ^= crossed & (at < middle[..., 0])
    return found


@pytest.mark.parametrize("fit", ["crop", "squash", "pad_zero"])
def test_outline_is_where_the_places_are_on_the_original(fit):
    placement = Frame(FRAME, fit, 48 if fit == "crop" else 0).place(SIZE)
    cells = np.zeros(GRID, bool)
    cells[1, 2:4] = cells[2, 2] = cells[0, 5] = True
    shown = patches.Picture("", SIZE[0] * 2, SIZE[1] * 2, placement)
    frame = cells.repeat(FRAME[0] // GRID[0], 0).repeat(FRAME[1] // GRID[1], 1)
    slow = placement.mask_on_original(frame).repeat(2, 0).repeat(2, 1)
    drawn = inside(shown.outline(cells), (SIZE[0] * 2, SIZE[1] * 2))
    border = slow.sum() ** 0.5 * 8
    assert slow.sum() > 200 and (drawn != slow).sum() < border * 2
    y, x = np.nonzero(slow)
    assert np.allclose([yx.mean() for yx in np.nonzero(drawn)], [y.mean(), x.mean()], atol=1.0)


def test_picture_is_whole_and_the_frame_lies_on_it(track):
    found = picture(track, 0)
    assert (found.height, found.width) == SIZE and found.placement.original == SIZE
    box = found.frame()
    assert box["width"] / box["height"] == pytest.approx(FRAME[1] / FRAME[0])
    assert box["width"] == pytest.approx(SIZE[1], abs=1)


def test_pixels_of_a_small_image_become_squares(tmp_path):
    from PIL import Image

    track = drawn_track(tmp_path / "small", pictures=False, analysed=False)
    file = track.folder / track.samples["image"].iloc[0]
    file.parent.mkdir()
    Image.fromarray(np.zeros((20, 12, 3), np.uint8)).save(file)
    found = picture(track, 0)
    assert (found.height, found.width) == (100, 60) and found.placement.original == (20, 12)
    assert found.outline(np.ones(GRID, bool)).startswith("M0,")


def test_absent_image_gives_a_grey_picture_without_outline(tmp_path):
    found = picture(drawn_track(tmp_path / "bare", pictures=False, analysed=False), 3)
    assert found.placement is None and found.frame() is None and found.outline(np.ones(GRID, bool)) == ""
    assert found.src.startswith("data:image/jpeg")


def test_maps_of_some_rows_are_those_of_all(track, tmp_path):
    """Over several parts, in any order, some rows twice."""
    writer = TrackWriter(tmp_path / "parts", dict(track.settings) | {"dataset_root": "."})
    writer.begin(track.samples)
    writer.set_prototypes(track.centres)
    writer.add_places(track.places())
    for step in track.steps:
        for rows in np.array_split(np.arange(len(track)), [7, 8, 100]):
            writer.add(step, track.heatmaps(step)[rows], track.probabilities(step)[rows])
    writer.finish()
    other = open_track(tmp_path / "parts")
    rows = [159, 7, 0, 100, 99, 7, 8]
    for step in (track.steps[0], track.steps[-1]):
        maps = maps_of(other, step, rows)
        assert maps.shape == (len(rows), *GRID)
        assert np.array_equal(maps.reshape(len(rows), -1), other.heatmaps(step)[rows])
        assert np.array_equal(confidence_of(other, step, rows), other.probabilities(step)[rows])


def test_rows_are_spread_from_first_to_last():
    rows = np.array([3, 5, 8, 13, 21, 34, 55])
    assert spread(rows, 3).tolist() == [3, 13, 55]
    assert spread(rows, 99).tolist() == rows.tolist()
    assert spread(rows[:1], 5).tolist() == [3] and spread(rows[:0], 5).tolist() == []

"""Tiles: outlines lie where the regions lie, pictures are those that read_image reads, and what is kept is right."""

from __future__ import annotations

import base64
import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from review_fixtures import (
    FRAMES,
    SIZES,
    SQUASH,
    agreement,
    drawn,
    failed,
    lime,
    make_run,
    picture,
    record,
    write_run,
)

from xai_core.datasets import read_image
from xai_core.errors import BadInput
from xai_core.geometry import Frame
from xai_core.review import kept
from xai_core.review.outlines import path_of, path_on
from xai_core.review.tiles import prepare_tiles, scale_of, tiles
from xai_core.runs import Run, open_run, rows
from xai_core.runs.scoring import regions_of


def shown(url: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def ids(run: Run) -> list[str]:
    return run.records(["sample_id"])["sample_id"].tolist()


def alike(path: str, size: tuple[int, int], frame: Frame, mask: np.ndarray) -> bool:
    """Return whether a path on a picture of `size` is the frame's region: not shifted, borders within a pixel."""
    # the frame's own mapping, nearest neighbour, of a picture so large that its pixels are fine
    exact = frame.place((size[0] * 4, size[1] * 4)).mask_on_original(mask)
    found = drawn(path, size, 4)
    border = cv2.morphologyEx(exact.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3)))
    shift = np.abs(np.argwhere(found).mean(0) - np.argwhere(exact).mean(0)).max() / 4
    return shift < 0.25 and (found ^ exact).sum() / 4 < 0.35 * border.sum() / 2


# outlines


@st.composite
def masks(draw):
    """Return masks that are not square, of blocks at least four pixels wide, with holes and at the border."""
    height, width = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    cells = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    blocks = np.kron(np.array(cells).reshape(height, width), np.ones((4, 4)))
    return blocks[: 4 * height - draw(st.integers(0, 3)), draw(st.integers(0, 3)) :] > 0


@given(mask=masks(), scale=st.tuples(st.sampled_from([5.0, 8.0]), st.sampled_from([4.0, 7.0])))
@settings(max_examples=60, deadline=None)
def test_a_path_filled_again_is_the_mask(mask, scale):
    size = tuple(int(n * s) for n, s in zip(mask.shape, scale, strict=True))
    exact = cv2.resize(mask.astype(np.uint8), (size[1] * 4, size[0] * 4), interpolation=cv2.INTER_NEAREST) > 0
    path = path_of(mask, scale)
    assert (path == "") == (not mask.any())
    assert not mask.any() or agreement(drawn(path, size), exact) >= 0.97


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_rectangle_has_its_exact_corners(data):
    mask = np.zeros((13, 22), bool)
    top, left = data.draw(st.integers(0, 10)), data.draw(st.integers(0, 19))
    bottom, right = data.draw(st.integers(top + 2, 13)), data.draw(st.integers(left + 2, 22))
    mask[top:bottom, left:right] = True
    corners = {tuple(map(float, c.split(","))) for c in path_of(mask, (2.0, 3.0), (1.0, 0.5)).strip("MZ").split()}
    assert corners == {(3 * x + 0.5, 2 * y + 1) for x in (left, right) for y in (top, bottom)}


def test_a_speck_stays_where_it_is_all_there_is():
    mask = np.zeros((30, 40), bool)
    mask[3, 5] = True
    assert path_of(mask, (0.5, 0.5)).count("M") == 1
    mask[10:20, 10:30] = True
    assert path_of(mask, (0.5, 0.5)).count("M") == 1 and path_of(mask, (4.0, 4.0)).count("M") == 2


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.fit)
@pytest.mark.parametrize("size", SIZES)
def test_an_outline_lies_where_the_placement_puts_the_region(frame, size):
    mask = np.random.default_rng(1).normal(size=(6, 8))
    mask = cv2.resize(mask, frame.size[::-1], interpolation=cv2.INTER_CUBIC) > 0
    path = path_on(frame.place(size), mask, size)
    assert alike(path, size, frame, mask)
    places = np.array(path.replace("Z", " ").replace("M", " ").replace(",", " ").split(), float).reshape(-1, 2)
    assert places.min() >= 0 and (places <= (size[1], size[0])).all()


# tiles


def middle_of_red(image: np.ndarray) -> np.ndarray:
    red = np.clip(image[..., 0].astype(float) - image[..., 1] - 50, 0, None)
    return np.array([(red * axis).sum() for axis in np.mgrid[0 : red.shape[0], 0 : red.shape[1]]]) / red.sum()


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.fit)
def test_a_tile_shows_the_whole_original_with_both_outlines(tmp_path, frame):
    run = make_run(tmp_path, frame=frame)
    for tile in tiles(run, None, ids(run)):
        original = read_image(tmp_path / "data" / f"{tile.sample_id}.png")
        assert tile.src.startswith("data:image/jpeg;base64,")
        assert (tile.width, tile.height) == shown(tile.src).shape[1::-1]
        assert max(tile.width, tile.height) == min(176, max(original.shape[:2]))
        small = cv2.resize(original, (tile.width, tile.height), interpolation=cv2.INTER_AREA)
        assert np.abs(shown(tile.src).astype(float) - small).mean() < 4
        row = run.map_of(tile.sample_id)
        truth = rows.decode_region(row["region"], frame.size)
        for path, mask in [(tile.truth, truth), (tile.explanation, regions_of(run, [row], "half")[0])]:
            on_original = drawn(path, (tile.height, tile.width), 4)
            exact = frame.place(original.shape[:2]).mask_on_original(mask).astype(np.uint8)
            exact = cv2.resize(exact, on_original.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
            assert agreement(on_original, exact) > 0.92


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_large_jpeg_is_read_small_and_alike(tmp_path, orientation):
    run = make_run(tmp_path, 1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / "data" / "big.jpg"
    Image.fromarray(picture((1201, 1807))).save(file, quality=90, exif=exif)
    whole = read_image(file)
    run = write_run(tmp_path / "big", file.parent, [record(0, whole.shape[:2], SQUASH, image="big.jpg")])
    (tile,) = tiles(run, None, ["id000"])
    exact = cv2.resize(whole, (tile.width, tile.height), interpolation=cv2.INTER_AREA)
    assert abs(tile.width / tile.height - whole.shape[1] / whole.shape[0]) < 0.01
    middles = [middle_of_red(image) for image in (shown(tile.src), exact)]
    assert np.abs(np.subtract(*middles)).max() < 0.3
    assert np.abs(shown(tile.src).astype(float) - exact).mean() < 3


def test_tiles_come_in_the_order_asked_for_and_twice_where_asked_twice(tmp_path):
    run = make_run(tmp_path)
    wanted = ["id004", "id001", "id004", "id000"]
    assert [tile.sample_id for tile in tiles(run, None, wanted)] == wanted
    assert tiles(run, None, []) == []
    with pytest.raises(BadInput, match="'nobody'"):
        tiles(run, None, ["id001", "nobody"])


def test_what_is_kept_needs_neither_pictures_nor_parts(tmp_path):
    run = make_run(tmp_path)
    done = []
    prepare_tiles(run, None, lambda *step: done.append(step), workers=2)
    assert done == [(6, 6)]
    first = tiles(run, None, ids(run))
    (tmp_path / "data").rename(tmp_path / "gone")
    (run.folder / "parts").rename(tmp_path / "parts")
    assert tiles(run, None, ids(run)) == first
    (tmp_path / "parts").rename(run.folder / "parts")
    other = tiles(run, "top_share:0.1", ids(run))
    for a, b in zip(first, other, strict=True):
        assert (a.src, a.truth) == (b.src, b.truth) and a.explanation != b.explanation
    assert tiles(run, "half", ids(run)) == first


def test_a_run_that_was_made_anew_has_new_tiles(tmp_path):
    run = make_run(tmp_path, 3)
    first = tiles(run, None, ids(run))
    run.folder.rename(tmp_path / "old")
    new = write_run(run.folder, tmp_path / "data", [record(k, SIZES[k % 3], SQUASH, seed=1) for k in (2, 1)])
    (tmp_path / "old" / kept.FILE).rename(run.folder / kept.FILE)
    assert set(first).issuperset(tiles(new, None, ["id001", "id002"]))
    with pytest.raises(BadInput, match="id000"):
        tiles(new, None, ["id000"])


def test_records_without_picture_or_region_have_a_tile_all_the_same(tmp_path):
    run = make_run(tmp_path, 1)
    data = tmp_path / "data"
    (data / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    (tmp_path / "secret.png").write_bytes((data / "id000.png").read_bytes())
    (data / "link.png").symlink_to(tmp_path / "secret.png")
    Image.fromarray(picture((20, 30))).save(data / "changed.png")
    names = ["broken.png", "../secret.png", "link.png", "absent.png", "changed.png", str(tmp_path / "secret.png")]
    size = (90, 150)
    records = [record(k, size, SQUASH, image=name) for k, name in enumerate(names)]
    records.append(failed(6, image="broken.png"))
    records.append(record(7, size, SQUASH, image="id000.png", region=None, annotation="no_annotation"))
    records.append(record(8, size, SQUASH, image="id000.png", **rows.encode_heatmap(np.zeros((6, 8), np.float32))))
    run = write_run(tmp_path / "bad", data, records)
    *grey, unread, bare, blank = tiles(run, None, [f"id{k:03d}" for k in range(9)])
    for tile in [*grey, unread]:
        image = shown(tile.src).astype(int)
        assert np.ptp(image, axis=2).max() < 10 and (tile.truth, tile.explanation) == ("", "")
        assert abs(np.median(image) - 205) < 4 and image.min() < 120, "grey, with something written on it"
    assert {(tile.width, tile.height) for tile in grey} == {(150, 90)}
    assert bare.truth == "" and bare.explanation and blank.truth and blank.explanation == ""
    # the file may come back
    Image.fromarray(picture(size)).save(data / "absent.png")
    assert tiles(run, None, ["id003"])[0].explanation


def test_regions_of_segments_are_drawn_too(tmp_path):
    run = make_run(tmp_path, 2)
    records = [record(k, SIZES[k], SQUASH) | lime(k, SQUASH) for k in range(2)]
    run = write_run(tmp_path / "lime", tmp_path / "data", records, region_rule="top_segments:5", method="lime")
    for tile, k in zip(tiles(run, None, ["id000", "id001"]), range(2), strict=True):
        exact = SQUASH.place(SIZES[k]).mask_on_original(
            regions_of(run, [run.map_of(f"id{k:03d}")], "top_segments:5")[0]
        )
        big = (tile.width * 4, tile.height * 4)
        exact = cv2.resize(exact.astype(np.uint8), big, interpolation=cv2.INTER_NEAREST)
        assert agreement(drawn(tile.explanation, (tile.height, tile.width)), exact > 0) > 0.95
    with pytest.raises(BadInput, match="segments"):
        tiles(make_run(tmp_path, 2, name="cam"), "top_segments:5", ["id000"])


def test_where_the_folder_cannot_be_written_tiles_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "IN_MEMORY", 4)
    run = make_run(tmp_path)
    expected = tiles(run, None, ids(run))
    (run.folder / kept.FILE).unlink()
    (run.folder / kept.FILE).mkdir()
    before = sorted(run.folder.rglob("*"))
    run = open_run(run.folder)
    assert tiles(run, None, ids(run)) == expected == tiles(run, None, ids(run))
    assert len(kept.Kept(run).read("SELECT * FROM pictures")) == 4
    assert sorted(run.folder.rglob("*")) == before


def test_a_damaged_file_is_made_anew(tmp_path):
    run = make_run(tmp_path)
    expected = tiles(run, None, ids(run))
    file = run.folder / kept.FILE
    file.write_bytes(b"no database at all" * 1000)
    assert tiles(run, None, ids(run)) == expected
    assert file.read_bytes().startswith(b"SQLite format 3")


def test_many_at_once_get_the_same(tmp_path):
    run = make_run(tmp_path, 12)
    expected = tiles(run, None, ids(run))
    (run.folder / kept.FILE).unlink()
    found, together = [], threading.Barrier(4)

    def ask():
        together.wait()
        found.append(tiles(open_run(run.folder), None, ids(run)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_only_the_row_groups_asked_for_are_read(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    run = make_run(tmp_path, 20, part=2)
    kept.Kept(run).find()
    read = []
    plain = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda *a, **k: read.append(a[1]) or plain(*a, **k))
    places = kept.Kept(run).places(["id003", "id017", "id002"])
    found = list(kept.rows_of(run, places, ["sample_id", "heatmap"]))
    assert {row["sample_id"]: row["heatmap"] for row in found} == {
        i: run.map_of(i)["heatmap"] for i in ("id002", "id003", "id017")
    }
    assert len(read) == 2, "id002 and id003 lie in one group"


@pytest.mark.parametrize("segments", [False, True])
def test_the_scale_is_the_percentile_over_all_pixels(tmp_path, segments):
    run = make_run(tmp_path, 5)
    records = [record(k, SIZES[k % 3], SQUASH) | (lime(k, SQUASH) if segments else {}) for k in range(5)]
    run = write_run(tmp_path / "scaled", tmp_path / "data", [*records, failed(9)])
    values = [abs(v) for row in run.maps() if row["status"] == "ok" for v in rows.decode_heatmap(row, SQUASH.size).flat]
    assert scale_of(run) == pytest.approx(np.percentile(values, 99))
    (run.folder / "parts").rename(tmp_path / "parts")
    assert scale_of(open_run(run.folder)) == pytest.approx(np.percentile(values, 99))


def test_a_run_without_maps_has_no_scale(tmp_path):
    root = make_run(tmp_path, 1).folder.parent / "data"
    assert scale_of(write_run(tmp_path / "failed", root, [failed(0)])) == 0.0

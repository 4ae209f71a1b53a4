"""A track comes back as it was written, whatever the parts; what is damaged or unfinished is refused."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from i2x_fixtures import CLASSES, GRID, STEPS, make_track, random_track, some_prototypes

from xai_core.errors import BadInput
from xai_core.i2x.store import intensity, open_track, share
from xai_core.i2x.writing import TrackWriter


def slow_intensity(heatmaps: np.ndarray, places: np.ndarray, prototypes: int) -> np.ndarray:
    """Return the formula of METHODS 2 step 3, place by place."""
    found = np.zeros((len(places), prototypes))
    for i in range(len(places)):
        for k in range(prototypes):
            values = [heatmaps[i, j] for j in range(places.shape[1]) if places[i, j] == k]
            found[i, k] = sum(values) / len(values) if values else 0.0
    return found


def test_intensity_and_share_are_the_formulae(tmp_path):
    track = random_track(tmp_path / "t", samples=23, prototypes=9)
    places, heatmaps = track.places(), track.heatmaps(9)
    np.testing.assert_allclose(track.intensity(9), slow_intensity(heatmaps, places, 9), rtol=1e-6)
    counted = [[np.mean(row == k) for k in range(9)] for row in places]
    np.testing.assert_allclose(track.share(), counted, rtol=1e-6)
    assert (track.share().sum(1) == pytest.approx(1)) and (track.intensity(9)[track.share() == 0] == 0).all()


def test_an_absent_prototype_has_no_intensity():
    places = np.array([[0, 2, 2, 0]], np.uint16)
    assert intensity(np.array([[1, 3, 5, 2]], np.float32), places, 4).tolist() == [[1.5, 0, 4, 0]]
    assert share(places, 4).tolist() == [[0.5, 0, 0.5, 0]]


def test_a_track_comes_back(tmp_path):
    rng = np.random.default_rng(1)
    places = rng.integers(0, 5, (7, 15))
    heatmaps = {s: rng.gamma(1, 1 + s, (7, 15)).astype(np.float32) for s in STEPS}
    heatmaps[4][2] = 0
    probabilities = {s: rng.dirichlet(np.ones(3), 7).astype(np.float32) for s in STEPS}
    made = make_track(
        tmp_path / "t", places=places, heatmaps=heatmaps, probabilities=probabilities, labels=[0, 1, 2, 2, 1, 0, 1]
    )
    track = open_track(made.folder)
    assert (track.steps, track.grid, track.class_names, track.prototypes, len(track)) == (STEPS, GRID, CLASSES, 5, 7)
    assert track.samples["label"].tolist() == [0, 1, 2, 2, 1, 0, 1]
    assert track.places().dtype == np.uint16 and (track.places() == places).all()
    for step in STEPS:
        largest = heatmaps[step].max(1, keepdims=True)
        assert (np.abs(track.heatmaps(step) - heatmaps[step]) <= 5e-4 * largest).all()
        assert (track.probabilities(step) == probabilities[step]).all()
    assert (track.centres.centres == some_prototypes(5).centres).all()
    assert (track.heatmaps(4)[2] == 0).all()


def written_in_parts(folder, track, sizes) -> TrackWriter:
    """Return the writer that has written the arrays of `track` in parts of these sizes."""
    writer = TrackWriter(folder, track.settings)
    writer.begin(track.samples)
    writer.set_prototypes(track.centres)
    edges = np.cumsum([0, *sizes])
    for first, last in pairwise(edges):
        writer.add_places(track.places()[first:last])
        for step in track.steps:
            writer.add(step, track.heatmaps(step)[first:last], track.probabilities(step)[first:last])
    return writer


def test_parts_do_not_change_the_digest(tmp_path):
    track = random_track(tmp_path / "whole")
    again = written_in_parts(tmp_path / "parts", track, [13, 1, 26]).finish()
    assert again.digest == track.digest
    assert (again.intensity(30) == track.intensity(30)).all()
    other = random_track(tmp_path / "other", seed=1)
    assert other.digest != track.digest


def test_what_is_done_ends_at_a_damaged_part(tmp_path):
    track = random_track(tmp_path / "whole")
    writer = written_in_parts(tmp_path / "cut", track, [13, 7])
    file = sorted((tmp_path / "cut/checkpoints/9").glob("0001-*"))[0]
    file.write_bytes(file.read_bytes()[:-3])
    again = TrackWriter(tmp_path / "cut", track.settings, resume=True)
    again.begin(track.samples)
    assert (again.places_done(), again.done(4), again.done(9)) == (20, 20, 13)
    again.add_places(track.places()[20:])
    for step in track.steps:
        done = again.done(step)
        again.add(step, track.heatmaps(step)[done:], track.probabilities(step)[done:])
    assert again.finish().digest == track.digest
    assert writer.settings == again.settings


def test_other_settings_are_refused(tmp_path):
    track = random_track(tmp_path / "t")
    with pytest.raises(BadInput, match="go on with it by --resume"):
        TrackWriter(track.folder, track.settings)
    with pytest.raises(BadInput, match="seed: 0 there, 5 asked"):
        TrackWriter(track.folder, track.settings | {"seed": 5}, resume=True)
    moved = track.settings | {"model": "elsewhere", "dataset_root": "../.."}
    assert TrackWriter(track.folder, moved, resume=True).settings["model"] == "elsewhere"


@pytest.mark.parametrize("name", ["samples.parquet", "prototypes.parquet", "places", "checkpoints/9"])
def test_a_changed_file_is_refused(tmp_path, name):
    folder = random_track(tmp_path / "t").folder
    place = folder / name
    file = place if place.is_file() else next(place.iterdir())
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(BadInput, match=f"{file.name}.*other bytes"):
        open_track(folder)
    file.unlink()
    with pytest.raises(BadInput, match=file.name):
        open_track(folder)


def test_a_changed_manifest_and_an_unfinished_track_are_refused(tmp_path):
    folder = random_track(tmp_path / "t").folder
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"samples": 39}))
    with pytest.raises(BadInput, match="a manifest that was changed"):
        open_track(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(BadInput, match="one that was cut off.*--resume"):
        open_track(folder)
    with pytest.raises(BadInput, match="no such folder.*i2x fit"):
        open_track(tmp_path / "nowhere")


def test_a_step_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match="a step of 0, 4, 9, 30; found 8"):
        random_track(tmp_path / "t").heatmaps(8)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="a new folder; found notes.txt"):
        random_track(tmp_path)

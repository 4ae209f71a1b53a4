"""What ships is what the code makes: records from the shipped checkpoint, its card, the size of it all.

That the pixels are those of the generator is tested in test_synthetic_files.py.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from xai_core.cli.demo import METHODS, MODEL, RECIPE, SETTINGS, SHIPPED, TARGETS
from xai_core.datasets import open_dataset
from xai_core.files import read_json
from xai_core.geometry import Frame
from xai_core.models import load
from xai_core.report import case_figure
from xai_core.runs import explain_dataset, open_run
from xai_core.runs.scoring import heatmaps_of, read_scores
from xai_core.runs.summary import summarise
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.training import Recipe, train

MEGABYTES = 12


@pytest.mark.parametrize("method", METHODS)
def test_shipped_records_come_from_the_shipped_checkpoint(method, tmp_path):
    """Explain a few samples anew: probabilities and scores within 1e-3 of what ships, whatever the machine."""
    few = {"limit": 12 if method == "grad_cam" else 2, "workers": 0}
    again = explain_dataset(open_dataset("sample"), load(MODEL, device="cpu"), method, tmp_path / "r", **SETTINGS | few)
    for run, target in zip(again, TARGETS, strict=True):
        shipped = open_run(SHIPPED / "runs" / method / target)
        places = shipped.records(["sample_id"])["sample_id"].isin(run.records()["sample_id"]).to_numpy()
        assert np.abs(run.probabilities() - shipped.probabilities()[places]).max() < 1e-3
        mine, theirs = read_scores(run), read_scores(shipped)[places].reset_index(drop=True)
        for name in SCORE_NAMES:
            # a pixel at the very threshold of the region may turn with the last bit of the network
            assert np.nanmax(np.abs(mine[name] - theirs[name])) < 1e-3
            assert (mine[f"{name}_undefined"] == theirs[f"{name}_undefined"]).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", TARGETS)
def test_shipped_runs_are_whole_and_summed_up(method, target):
    run = open_run(SHIPPED / "runs" / method / target)
    assert run.verify() == [] and len(run) == 100 and run.settings["synthetic"]
    summary = summarise(run)
    card = read_json(MODEL / "card.json")
    for name in ("auc", "accuracy", "sensitivity"):
        assert summary["metrics"][name]["value"] == pytest.approx(card["metrics"]["test"][name]["value"], abs=1e-3)
    assert summary["metrics"]["auc"]["value"] > 0.85


def test_shipped_runs_name_the_operating_points_of_the_card():
    points = {name: point["threshold"] for name, point in read_json(MODEL / "card.json")["operating_points"].items()}
    assert points["0.5"] == 0.5 and 0 < points["sensitivity_95"] < 0.5
    assert load(MODEL, device="cpu").operating_points == points
    for run in (open_run(SHIPPED / "runs" / method / target) for method in METHODS for target in TARGETS):
        assert run.settings["operating_points"] == read_json(run.folder / "settings.json")["operating_points"] == points


def test_nothing_of_a_machine_ships():
    for path in SHIPPED.rglob("*.json"):
        text = path.read_text()
        assert str(ROOT) not in text and "/home/" not in text and "/root" not in text, path


def test_the_sample_is_small_enough_to_ship():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < MEGABYTES * 2**20


def test_the_planted_shortcut_shows_in_the_evidence():
    """What speaks for benign lies in the patch far more than its area: the truth that was planted is found."""
    run = open_run(SHIPPED / "runs" / "grad_cam" / "predicted")
    records = run.records().set_index("sample_id")
    shares, areas = [], []
    for row in run.maps():
        record = records.loc[row["sample_id"]]
        if record["meta_has_patch"] and record["target"] == "benign":
            heat, inside = heatmaps_of(run, [row])[0], _patch(run, record)
            shares.append(heat[inside].sum() / heat.sum())
            areas.append(inside.mean())
    assert len(shares) >= 20
    assert np.mean(shares) > 3 * np.mean(areas)


def _patch(run, record):
    left, top, right, bottom = (int(record[f"meta_patch_{side}"]) for side in ("xmin", "ymin", "xmax", "ymax"))
    drawn = np.zeros((record["height"], record["width"]), bool)
    drawn[top:bottom, left:right] = True
    frame = run.settings["frame"]
    return Frame(**frame | {"size": tuple(frame["size"])}).place(drawn.shape).mask(drawn)


def test_a_case_is_drawn(tmp_path):
    runs = [open_run(SHIPPED / "runs" / "grad_cam" / target) for target in TARGETS]
    sample_id = runs[0].records()["sample_id"][0]
    path = tmp_path / "case.png"
    case_figure(runs, sample_id).savefig(path)
    from PIL import Image

    picture = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(int)
    for colour in ((240, 228, 66), (213, 94, 0)):
        assert (np.abs(picture - colour).max(1) < 12).sum() > 50, "an outline is not on the figure"


def test_training_learns_what_is_there(tmp_path):
    """A short training with the shipped recipe is far better than chance on the test part."""
    recipe = Recipe(**RECIPE | {"epochs": 6, "size": 64, "threads": 1})
    card = train(open_dataset("sample"), recipe, tmp_path / "m")
    assert card["metrics"]["test"]["auc"]["low"] > 0.6


@pytest.mark.long
def test_the_shipped_training_again(tmp_path):
    card = train(open_dataset("sample"), Recipe(**RECIPE), tmp_path / "m")
    assert 0.88 < card["metrics"]["test"]["auc"]["value"] < 0.99


def test_a_run_of_ones_own_beside_the_shipped_ones(tmp_path):
    """The shipped folder is only read: explaining into a copy's folder leaves the original as it is."""
    before = {p: p.stat().st_mtime_ns for p in SHIPPED.rglob("*")}
    dataset = open_dataset("sample")
    few = replace(dataset, samples=tuple(s for s in dataset.samples if s.split == "test")[:4])
    shutil.copytree(MODEL, tmp_path / "model")
    explain_dataset(few, load(tmp_path / "model", device="cpu"), "edge_map", tmp_path / "r", workers=0, threads=1)
    assert {p: p.stat().st_mtime_ns for p in SHIPPED.rglob("*")} == before
    assert isinstance(open_run(tmp_path / "r").records(), pd.DataFrame)

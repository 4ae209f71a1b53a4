"""What the pages say of a run's explanations themselves: not probed, probed, and failed wherever the run is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from apptest_fixtures import forget, opened

from xai_core.files import read_json, sealed, write_json
from xai_core.release import reliance, trust
from xai_core.runs import Run

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"


@pytest.fixture
def run(tmp_path, monkeypatch) -> Run:
    """Return a copy of a sample run in a working directory of its own."""
    shutil.copytree(SAMPLE / "runs" / "grad_cam" / "predicted", tmp_path / "runs" / "own")
    (tmp_path / "dermoscopy").symlink_to(SAMPLE / "dermoscopy")
    monkeypatch.chdir(tmp_path)
    forget()
    return Run(tmp_path / "runs" / "own")


def said_on(page: str) -> str:
    test = opened(page, run="runs/own")
    return "\n".join(text.value for kind in (test.markdown, test.caption, test.warning) for text in kind)


def fail(run: Run) -> None:
    """Write figures as a control would have given them."""
    found = read_json(run.folder / trust.FILE)
    found["randomisation"] |= {"passed": False, "finding": "heatmaps correlate by 1.00"}
    write_json(run.folder / trust.FILE, sealed(found))


def test_the_overview_says_on_what_the_calls_rest(run):
    assert "Not measured yet: `python -m xai_core reliance runs/own`" in said_on("overview")
    run.settings["dataset_root"] = "../../dermoscopy"
    found = reliance.measure(run, limit=8)
    shown = opened("overview", run="runs/own").table[0].value.astype(str).to_string()
    for fill in found["fills"].values():
        assert f"{fill['reliance']['value']:+.3f}" in shown and f"{fill['region']['value']:.3f}" in shown


def test_the_overview_says_what_probing_gave(run):
    assert "Not probed yet: `python -m xai_core probe runs/own`" in said_on("overview")
    run.settings["dataset_root"] = "../../dermoscopy"
    found = trust.probe(run, limit=4, steps=2)
    said = said_on("overview")
    assert "Not probed" not in said
    for figures in (found["randomisation"], found["repeatability"]):
        assert figures["finding"] in said
    assert "(fails the randomisation check)" not in said
    fail(run)
    said = said_on("explore")
    assert "Grad-CAM for the predicted class (fails the randomisation check)" in said
    assert "Fails the randomisation check: heatmaps correlate by 1.00." in said

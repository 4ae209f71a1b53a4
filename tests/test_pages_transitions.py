"""What the pages make of one thing after another, run without a browser: runs, targets, thresholds, gestures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from apptest_fixtures import count_of, forget, opened, sound, triggered
from pages_fixtures import SAMPLE, records
from review_fixtures import failed, write_run

from xai_core.files import read_json, sha256_of, write_json
from xai_core.runs import open_run
from xai_core.scores.patterns import PATTERNS

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    """Show the sample runs alone, and keep verdicts out of the repository."""
    monkeypatch.chdir(tmp_path)
    forget()


@pytest.fixture
def scaled(tmp_path) -> str:
    """Return a run beside the sample's whose ages lie elsewhere, and that has no metadata but the age."""
    import shutil

    import pandas as pd

    folder = tmp_path / "runs" / "older"
    shutil.copytree(SAMPLE / "lime" / "predicted", folder, ignore=shutil.ignore_patterns("tiles*", "features*"))
    table = pd.read_parquet(folder / "records.parquet")
    rest = [name for name in table if name.startswith("meta_") and name != "meta_age"]
    table.assign(meta_age=table["meta_age"] + 200).drop(columns=rest).to_parquet(folder / "records.parquet")
    manifest = read_json(folder / "run.json")
    manifest["records"]["sha256"] = sha256_of(folder / "records.parquet")
    write_json(folder / "run.json", manifest)
    return "runs/older"


def switch_run(test, folder: str):
    return sound(test.selectbox("run_choice").set_value(folder).run())


def open_patterns(test) -> None:
    """Open the menu of the patterns, whose buttons are drawn only then."""
    test.session_state["patterns"] = True
    sound(test.run())


def test_a_run_without_one_answer_is_shown(tmp_path):
    write_run(
        tmp_path / "runs" / "none", tmp_path / "data", [failed(0), failed(1)], split="test", dataset="table:x.csv"
    )
    test = opened(run="runs/none")
    assert count_of(test) == 2


def test_another_target_keeps_the_filters_and_the_order():
    test = opened(run=str(SAMPLE / "grad_cam/predicted"), label="malignant", iou=["0.1", "0.5"], sort="IoU")
    for name in ("grad_cam/malignant", "lime/malignant", "grad_cam/predicted"):
        test = switch_run(test, str(SAMPLE / name))
        table = records(name)
        passes = (table["label"] == "malignant") & table["iou"].between(0.1, 0.5, inclusive="left")
        assert count_of(test) == passes.sum()
        assert test.session_state["sort"] == "iou" and test.query_params["run"] == str(SAMPLE / name)


def test_a_run_that_lacks_a_column_drops_its_filter_and_order(scaled):
    test = opened(
        run=str(SAMPLE / "grad_cam/predicted"), meta_sex="female", meta_age=["30", "60"], sort="Sex", label="benign"
    )
    table = records()
    kept = (table["meta_sex"] == "female") & table["meta_age"].between(30, 60, inclusive="left")
    assert count_of(test) == (kept & (table["label"] == "benign")).sum()
    test = switch_run(test, scaled)
    assert count_of(test) == (records("lime/predicted")["label"] == "benign").sum()
    assert test.session_state["sort"] == "explanation_coverage"
    assert not {"meta_sex", "meta_age", "sort"} & set(test.query_params)


@pytest.mark.parametrize("threshold", [0.2, 0.77])
def test_the_threshold_moves_counts_and_sentences_on_both_pages(threshold):
    table = records(threshold=threshold)
    missed = ((table["label"] == "malignant") & (table["called"] == "benign")).sum()
    test = opened(at="Own", threshold=str(threshold))
    sound(test.button("missed").click().run())
    assert count_of(test) == missed
    open_patterns(test)
    for key, pattern in PATTERNS.items():
        assert test.button(f"preset_{key}").label == f"{pattern.title} ({(table['pattern'] == key).sum()})"
    front = opened("overview", at="Own", threshold=str(threshold))
    assert any(f"{missed} of 41 malignant records were called benign" in text.value for text in front.markdown)


def test_presets_replace_each_other_and_clear_lifts_everything():
    test, table = opened(meta_sex="male", confidence=["0.6", "1.0"], verdict="Not reviewed"), records()
    assert count_of(test) == ((table["meta_sex"] == "male") & (table["confidence"] >= 0.6)).sum()
    open_patterns(test)
    for key, pattern in PATTERNS.items():
        sound(test.button(f"preset_{key}").click().run())
        assert count_of(test) == (table["pattern"] == key).sum()
        assert test.session_state["sort"] == pattern.sort
    sound(test.button("clear").click().run())
    assert count_of(test) == len(table)
    assert set(test.query_params) == {"run"}


def test_gestures_in_components_become_filters_and_are_lifted():
    test, table = opened(), records()
    inside = table["iou"].between(0.1, 0.35, inclusive="left")
    assert count_of(triggered(test, "histogram_iou", "select", {"first": 2, "last": 6})) == inside.sum()
    wrong = (table["label"] == "malignant") & (table["called"] == "benign")
    cell = {"label": "malignant", "called": "benign"}
    assert count_of(triggered(test, "matrix", "cell", cell)) == (inside & wrong).sum()
    assert count_of(triggered(test, "histogram_iou", "select", {"first": None, "last": None})) == wrong.sum()
    assert (
        count_of(triggered(test, "matrix", "cell", {"label": None, "called": "benign"}))
        == (table["called"] == "benign").sum()
    )
    assert count_of(triggered(test, "matrix", "cell", {"label": None, "called": None})) == len(table)
    assert set(test.query_params) == {"run"}


def test_any_walk_of_gestures_passes_what_pandas_passes():
    generator = np.random.default_rng(11)
    test, table = opened(), records()
    masks = {}
    for _ in range(12):
        column = str(generator.choice(["iou", "explanation_coverage", "ground_truth_coverage", "cell"]))
        if column == "cell":
            label, called = generator.choice(["benign", "malignant"], 2)
            triggered(test, "matrix", "cell", {"label": str(label), "called": str(called)})
            masks[column] = (table["label"] == label) & (table["called"] == called)
        elif generator.random() < 0.3:
            triggered(test, f"histogram_{column}", "select", {"first": None, "last": None})
            masks.pop(column, None)
        else:
            first, last = sorted(int(place) for place in generator.integers(0, 20, 2))
            triggered(test, f"histogram_{column}", "select", {"first": first, "last": last})
            upper = 1.01 if last == 19 else (last + 1) / 20
            masks[column] = (table[column] >= first / 20) & (table[column] < upper)
        assert count_of(test) == np.logical_and.reduce([np.ones(len(table), bool), *masks.values()]).sum()


def test_a_case_opens_steps_and_closes():
    test = opened(sort="IoU", order="Highest first", label="malignant")
    table = records()
    wanted = table[table["label"] == "malignant"].sort_values("iou", ascending=False, kind="stable")["sample_id"]
    triggered(test, "gallery", "open", {"id": wanted.iloc[4]})
    assert test.query_params["case"] == wanted.iloc[4]
    triggered(test, "keys", "press", {"name": "next", "number": 1})
    assert test.query_params["case"] == wanted.iloc[5]
    triggered(test, "keys", "press", {"name": "right_reasons", "number": 2})
    key = open_run(SAMPLE / "grad_cam/predicted").manifest["content_digest"]
    from xai_core.review.verdicts import Verdicts

    assert Verdicts("verdicts.sqlite").state(key)[wanted.iloc[5]].verdict == "right_reasons"
    triggered(test, "keys", "press", {"name": "undo", "number": 3})
    assert not Verdicts("verdicts.sqlite").state(key)
    triggered(test, "keys", "press", {"name": "close", "number": 4})
    assert "case" not in test.query_params and test.query_params["sort"] == "IoU"
    assert count_of(test) == len(wanted)


RENDER = """
import sys
from apptest_fixtures import opened
for page in ("overview", "explore"):
    opened(page)
print(sorted({"torch", "torchvision", "timm", "sklearn", "matplotlib"} & set(sys.modules)))
"""


def test_the_pages_are_drawn_without_torch():
    paths = [str(ROOT), str(ROOT / "tests")]
    script = f"import sys; sys.path[:0] = {paths!r}\n{RENDER}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout and done.stdout.strip().endswith("]")


@pytest.mark.parametrize("page", sorted((ROOT / "pages").glob("*.py")), ids=lambda page: page.name)
def test_a_page_stays_short(page):
    assert len(page.read_text(encoding="utf-8").splitlines()) < 80


def test_a_damaged_run_is_left_out_of_the_list_and_says_why_when_asked_for(tmp_path):
    damaged = tmp_path / "runs" / "damaged"
    damaged.mkdir(parents=True)
    (damaged / "run.json").write_text('{"settings": {}}')
    test = opened()
    assert not any("damaged" in option for option in test.selectbox("run_choice").options)
    asked = opened(run="runs/damaged")
    assert "specification version" in asked.error[0].value
    assert count_of(asked) == len(records())

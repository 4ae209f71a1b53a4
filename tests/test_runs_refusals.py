"""What a run says of itself when its files are damaged, its data incomplete or the request makes no sense."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from runs_fixtures import make_dataset, tiny_classifier

from xai_core.cli import main
from xai_core.errors import BadInput
from xai_core.runs import explain_dataset, open_run, summarise
from xai_core.types import Problem

FAST = {"batch_size": 4, "threads": 1, "workers": 0}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    whole = make_dataset(tmp_path_factory.mktemp("data"), 4)
    absent = Problem("file_missing", "gone.png", "named in line 7", "add it")
    spoiled = replace(whole.samples[0], id="spoiled", annotation=None, annotation_problem="path_outside")
    return replace(whole, samples=(*whole.samples, spoiled), problems=(absent,))


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "r"
    explain_dataset(dataset, tiny_classifier(), "grad_cam", folder, **FAST)
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "r")


def test_rows_without_a_record_are_counted(finished, capsys):
    assert summarise(open_run(finished))["left_out"] == {"file_missing": 1}
    assert main(["summary", str(finished)]) == 0
    assert "file_missing 1" in capsys.readouterr().out


def test_a_spoiled_annotation_keeps_its_reason(finished):
    records = open_run(finished).records().set_index("sample_id")
    assert records.loc["spoiled", "annotation"] == "path_outside"
    assert summarise(open_run(finished))["scores"]["iou"]["undefined"]["path_outside"] == 1


def test_patterns_and_those_without_one_are_all_records(finished):
    summary = summarise(open_run(finished))
    assert sum(summary["patterns"].values()) + summary["without_pattern"] == summary["samples"]
    assert summary["without_pattern"] > 0


def test_no_folder_of_this_machine_is_in_an_error(finished, dataset):
    records = open_run(finished).records()
    assert "broken.png" in "".join(records["error"]) and str(dataset.root) not in "".join(records["error"])


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("records.parquet", None),
        ("records.parquet", b"PAR1 and no more"),
        ("run.json", b"{}"),
        ("run.json", b"not json"),
        ("scores/half.json", b"{}"),
    ],
)
def test_damage_is_one_line_and_mended_by_resuming(folder, file, content, dataset, capsys):
    digest = open_run(folder).manifest["content_digest"]
    (folder / file).unlink() if content is None else (folder / file).write_bytes(content)
    code = main(["summary", str(folder)])
    printed = capsys.readouterr()
    if code:
        assert code == 2 and len(printed.err.splitlines()) == 1 and file.split("/")[-1] in printed.err
    [mended] = explain_dataset(dataset, tiny_classifier(), "grad_cam", folder, resume=True, **FAST)
    assert mended.manifest["content_digest"] == digest and mended.verify() == []


def test_a_damaged_part_is_one_line(folder, capsys):
    shutil.rmtree(folder / "scores")
    next((folder / "parts").glob("*.parquet")).write_bytes(b"PAR1")
    assert main(["summary", str(folder)]) == 2
    assert "parts/" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more",
    [
        {"limit": 0},
        {"limit": -3},
        {"part_size": 0},
        {"batch_size": 0},
        {"threads": 10**6},
        {"targets": []},
        {"targets": "predicted"},
        {"targets": ["predicted", "predicted"]},
    ],
)
def test_nonsense_is_refused_before_anything_is_written(dataset, tmp_path, more):
    with pytest.raises(BadInput):
        explain_dataset(dataset, tiny_classifier(), "grad_cam", tmp_path / "r", **FAST | more)
    assert not list(tmp_path.iterdir())


def test_another_spelling_of_the_same_classifier_resumes(dataset, tmp_path):
    settings = {"method": "edge_map", "out": tmp_path / "r"} | FAST
    explain_dataset(dataset, tiny_classifier(), model="models/a", **settings)
    explain_dataset(dataset, tiny_classifier(), model="./models/a", resume=True, **settings)
    with pytest.raises(BadInput, match="classifier_digest"):
        explain_dataset(dataset, tiny_classifier(1), model="models/a", resume=True, **settings)

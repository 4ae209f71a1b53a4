"""The nearest cases: planted features, a slow twin, and what is kept, shared and thrown away on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.runs_fixtures import SIZE, make_dataset, tiny_classifier
from xai_core.cli import main
from xai_core.errors import BadInput
from xai_core.probes.features import features_of
from xai_core.review import again, neighbours
from xai_core.runs import Run, explain_dataset
from xai_core.runs.scoring import read_scores
from xai_core.runs.summary import table_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("neighbours")
    dataset, classifier = make_dataset(folder / "data"), tiny_classifier()
    explain_dataset(
        dataset, classifier, "grad_cam", folder / "runs", targets=["predicted", "malignant"], workers=0, threads=1
    )
    return folder, classifier


@pytest.fixture
def runs(made, tmp_path) -> tuple[Run, Run]:
    shutil.copytree(made[0], tmp_path / "copy")
    return tuple(Run(tmp_path / "copy" / "runs" / target) for target in ("predicted", "malignant"))


@pytest.fixture
def classifier(made):
    return made[1]


def plant(run: Run, features: np.ndarray) -> pd.DataFrame:
    """Keep features of our own for the run's distinct images, and return its table."""
    hashes = run.records()["image_hash"]
    known = {h: features[k] for k, h in enumerate(hashes) if h}
    neighbours._write(run.folder / neighbours.FILE, run, known)
    return table_of(run)


def slow_nearest(table: pd.DataFrame, features: np.ndarray, place: int, kind: str, count: int) -> list[tuple]:
    """Return (sample_id, similarity) written out record by record, in double precision."""
    known = [k for k in range(len(table)) if table["status"][k] == "ok"]
    centred = features.astype(float) - features[known].astype(float).mean(0)
    found = []
    for k in known:
        chance = table["probabilities"][k][1]
        close = abs(chance - 0.5) <= 0.1
        outcome = str(table["correct"][k])  # True, False or <NA>
        is_kind = {"correct": outcome == "True", "failed": outcome == "False"}
        chosen = close if kind == "borderline" else not close and is_kind[kind]
        if k != place and chosen:
            cosine = centred[k] @ centred[place] / np.linalg.norm(centred[k]) / np.linalg.norm(centred[place])
            found.append((table["sample_id"][k], cosine))
    return sorted(found, key=lambda pair: -pair[1])[:count]


def with_answers(table: pd.DataFrame, chances: np.ndarray) -> pd.DataFrame:
    """Return the table as if the classifier had answered `chances` for the positive class."""
    table = table.copy()
    ok = (table["status"] == "ok").to_numpy()
    called = (chances >= 0.5).astype(int)
    table["probabilities"] = [np.float32([1 - p, p]) if good else None for p, good in zip(chances, ok, strict=True)]
    table["predicted_index"] = np.where(ok, called, -1)
    table["confidence"] = np.where(ok, np.maximum(chances, 1 - chances), np.nan).astype(np.float32)
    correct = [
        bool(c == y) if y >= 0 and good else None for c, y, good in zip(called, table["label_index"], ok, strict=True)
    ]
    table["correct"] = pd.array(correct, dtype="boolean")
    return table


@pytest.mark.parametrize("count", [1, 3, 50])
def test_nearest_is_its_slow_twin(runs, count):
    rng = np.random.default_rng(4)
    features = rng.normal(3, 1, (len(runs[0]), 7)).astype(np.float32)
    chances = rng.uniform(0.2, 0.8, len(runs[0])).round(2) + 0.003
    table = with_answers(plant(runs[0], features), chances)
    for place, sample_id in enumerate(table["sample_id"]):
        if table["status"][place] != "ok":
            continue
        found = neighbours.nearest(runs[0], table, sample_id, count)
        assert list(found) == list(neighbours.KINDS)
        for kind, (cases, reason) in found.items():
            expected = slow_nearest(table, features, place, kind, count)
            assert [case.sample_id for case in cases] == [i for i, _ in expected]
            np.testing.assert_allclose([c.similarity for c in cases], [c for _, c in expected], atol=1e-5)
            assert bool(reason) == (not expected)


def test_ties_go_to_the_earlier_record_and_the_record_itself_is_left_out(runs):
    n = len(runs[0])
    features = np.tile([[1.0, 0.0]], (n, 1)).astype(np.float32)
    features[n // 2 :] = [0.0, 1.0]
    table = with_answers(plant(runs[0], features), np.where(np.arange(n) % 2, 0.9, 0.05))
    cases = neighbours.nearest(runs[0], table, "s001", 3)["correct"].cases
    assert [case.sample_id for case in cases] == ["s000", "s002", "s003"]
    assert [case.similarity for case in cases] == pytest.approx([1, 1, 1])


def test_a_reader_s_threshold_moves_the_border(runs):
    features = np.random.default_rng(1).normal(size=(len(runs[0]), 5)).astype(np.float32)
    chances = np.full(len(runs[0]), 0.9)
    chances[5] = 0.12
    table = with_answers(plant(runs[0], features), chances)
    assert neighbours.nearest(runs[0], table, "s000")["borderline"].reason
    moved = neighbours.nearest(runs[0], table, "s000", threshold=0.2)["borderline"]
    assert [case.sample_id for case in moved.cases] == ["s005"]


def test_features_are_those_of_the_images(runs, classifier):
    told = []
    path = neighbours.prepare_features(runs[0], classifier, lambda *done: told.append(done), workers=0)
    records = runs[0].records()
    stored = pq.read_table(path).to_pydict()
    kept = dict(zip(stored["image_hash"], stored["feature"], strict=True))
    ok = records[records["status"] == "ok"]
    assert set(kept) == set(ok["image_hash"])
    assert told[-1] == (len(kept), len(kept))
    for sample_id, image_hash in zip(ok["sample_id"], ok["image_hash"], strict=True):
        frame = again.frame_image(runs[0], sample_id)
        assert frame.shape == (*SIZE, 3)
        np.testing.assert_allclose(kept[image_hash], features_of(classifier, frame[None])[0], atol=1e-6)
    found = neighbours.nearest(runs[0], table_of(runs[0]), "broken")
    assert all(nearest == ([], "the image of this record has no features") for nearest in found.values())


def test_a_sibling_s_features_are_used(runs, classifier):
    first = neighbours.prepare_features(runs[0], classifier, workers=0)
    # no classifier, and none that could be loaded: nothing is computed
    assert runs[1].settings["classifier"] == ""
    second = neighbours.prepare_features(runs[1], workers=0)
    assert pq.read_table(second).equals(pq.read_table(first))
    before = second.stat().st_mtime_ns
    assert neighbours.prepare_features(runs[1], workers=0).stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", ["other classifier", "cut off", "another file"])
def test_a_file_that_does_not_fit_counts_as_absent(runs, classifier, damage):
    path = neighbours.prepare_features(runs[0], classifier, workers=0)
    whole = pq.read_table(path)
    if damage == "other classifier":
        pq.write_table(whole.replace_schema_metadata({b"classifier_digest": b"0" * 64}), path)
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:-40])
    else:
        pq.write_table(pa.table({"sample_id": ["a"]}), path)
    with pytest.raises(BadInput, match="classifier"):
        neighbours.prepare_features(runs[0], workers=0)
    neighbours.prepare_features(runs[0], classifier, workers=0)
    assert pq.read_table(path).equals(whole)


def test_an_image_that_changed_has_no_feature_until_it_is_back(runs, classifier):
    image = (runs[0].folder / runs[0].settings["dataset_root"] / "s003.png").resolve()
    original = image.read_bytes()
    Image.fromarray(np.zeros((50, 70, 3), np.uint8)).save(image)
    path = neighbours.prepare_features(runs[0], classifier, workers=0)
    fewer = pq.read_metadata(path).num_rows
    with pytest.raises(BadInput, match="changed since"):
        again.frame_image(runs[0], "s003")
    image.write_bytes(original)
    neighbours.prepare_features(runs[0], classifier, workers=0)
    assert pq.read_metadata(path).num_rows == fewer + 1


def test_without_features_or_images_there_is_a_reason(runs, classifier):
    found = neighbours.nearest(runs[0], table_of(runs[0]), "s000")
    assert {nearest.reason for nearest in found.values()} == {"the features of this run are not prepared"}
    shutil.rmtree((runs[0].folder / runs[0].settings["dataset_root"]).resolve())
    with pytest.raises(BadInput, match="put the data set back"):
        neighbours.prepare_features(runs[0], classifier, workers=0)


def test_a_part_of_the_table_is_refused(runs):
    table = plant(runs[0], np.random.default_rng(1).normal(size=(len(runs[0]), 5)).astype(np.float32))
    with pytest.raises(BadInput, match="a table of 3"):
        neighbours.nearest(runs[0], table[:3], "s000")


def test_many_classes_are_borderline_by_the_two_largest():
    run = Run("sample_data/runs/grad_cam/predicted")
    run.settings["positive"] = None
    margin = np.array([0.1, 0.2, 0.21, 0.9])
    table = pd.DataFrame({"correct": pd.array([True, False, False, None], dtype="boolean")})
    kinds = neighbours._kinds(run, table, margin, None)
    assert {kind: chosen.tolist() for kind, chosen in kinds.items()} == {
        "correct": [False] * 4,
        "borderline": [True, True, False, False],
        "failed": [False, False, True, False],
    }


@pytest.mark.parametrize("target", ["predicted", "malignant"])
def test_a_record_is_checked_with_its_own_regions(runs, classifier, target):
    run = Run(runs[0].folder.parent / target)
    records = run.records()
    for sample_id, expected in [("s004", ""), ("bare", "no_annotation"), ("edge", "empty_annotation")]:
        by_name = {(c.name, c.fill): c for c in again.checks_of(run, sample_id, classifier=classifier)}
        record = records[records["sample_id"] == sample_id].iloc[0]
        np.testing.assert_allclose(by_name["unchanged", ""].probabilities, record["probabilities"], atol=1e-6)
        kept = by_name["region_only", "mean"]
        assert kept.reason == expected
        if not expected:
            assert kept.removed == pytest.approx(1 - record["region_area"])
            area = read_scores(run).set_index("sample_id").loc[sample_id, "explanation_area"]
            assert by_name["without_explanation", "blur"].removed == pytest.approx(area)
    with pytest.raises(BadInput, match="broken"):
        again.checks_of(run, "broken", classifier=classifier)
    with pytest.raises(BadInput, match="nobody"):
        again.checks_of(run, "nobody", classifier=classifier)


def test_the_classifier_of_a_shipped_run_is_found_from_anywhere(tmp_path, monkeypatch):
    run = Run(Path("sample_data/runs/lime/malignant").resolve())
    monkeypatch.chdir(tmp_path)
    assert again.classifier_of(run).digest == run.settings["classifier_digest"]
    run.settings["classifier_digest"] = "0123456789abcdef" * 4
    with pytest.raises(BadInput, match=r"digest 0123456789ab .*; found sample_data/models/demo with the digest"):
        again.classifier_of(run)
    with pytest.raises(BadInput, match="found gone/away, which cannot be loaded"):
        again.classifier_of(run, "gone/away")


def test_prepare_makes_what_is_missing_and_says_what_it_cannot(tmp_path, capsys):
    shutil.copytree("sample_data/runs/grad_cam", tmp_path / "runs" / "grad_cam")
    (tmp_path / "dermoscopy").symlink_to(Path("sample_data/dermoscopy").resolve())
    folder = str(tmp_path / "runs" / "grad_cam")
    assert main(["prepare", folder, "--json", "--workers", "0"]) == 0
    made = json.loads(capsys.readouterr().out)["runs"]
    assert [(entry["tiles"], entry["features"], entry["error"]) for entry in made] == [(100, 100, "")] * 2
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/grad_cam/*/features.parquet")}
    assert len(written) == 2
    assert main(["prepare", folder, "--workers", "0"]) == 0
    assert {path: path.stat().st_mtime_ns for path in written} == written
    for path in written:
        path.unlink()
    assert main(["prepare", f"{folder}/predicted", "--model", str(tmp_path / "nothing")]) == 2
    said = capsys.readouterr()
    assert "100 thumbnails, 0 features" in said.out
    assert "nothing, which cannot be loaded" in said.err

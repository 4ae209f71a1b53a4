"""The main job on a small data set with every kind of sample: complete, the same however it is cut, and right."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from runs_fixtures import SIZE, make_dataset, tiny_classifier

from xai_core.errors import BadInput
from xai_core.explainers import METHODS, explain
from xai_core.runs import explain_dataset, open_run
from xai_core.runs.prepare import Preparation
from xai_core.runs.scoring import read_scores, regions_of
from xai_core.runs.summary import summarise, table_of
from xai_core.scores import coverage

GOOD = 9
FAST = {"batch_size": 4, "threads": 1, "workers": 0}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data"), GOOD)


@pytest.fixture(scope="module")
def classifier():
    return tiny_classifier()


@pytest.fixture(scope="module")
def run(dataset, classifier, tmp_path_factory):
    return explain_dataset(dataset, classifier, "grad_cam", tmp_path_factory.mktemp("runs") / "r", **FAST)[0]


def test_every_sample_has_a_record_and_says_what_it_lacks(run, dataset):
    records = run.records().set_index("sample_id")
    assert list(records.index) == [sample.id for sample in dataset.samples]
    assert records["status"].value_counts().to_dict() == {"ok": GOOD + 4, "error": 1}
    assert "broken.png" in records.loc["broken", "error"]
    annotation = records["annotation"].drop("broken")
    assert annotation[annotation != ""].to_dict() == {
        "mask_size": "mask_size",
        "bare": "no_annotation",
        "edge": "annotation_outside_crop",
    }
    assert records.loc["edge", "annotation_kept"] == 0.0 and records.loc["edge", "annotation_area"] == 0.05
    assert records.loc["unlabelled", "label_index"] == -1 and pd.isna(records.loc["unlabelled", "label"])
    assert records.loc["s000", ["height", "width"]].tolist() == [50, 70]
    assert records.loc["s001", "meta_age"] == 31


def test_records_carry_their_provenance(run, classifier):
    records = run.records()
    for name, value in {"classifier_digest": classifier.digest, "method": "grad_cam", "layer": "3", "seed": 0}.items():
        assert (records[name] == value).all()
    assert "torch" in json.loads(records["versions"][0])
    assert records.loc[records["status"] == "ok", "image_hash"].str.len().eq(64).all()


@pytest.mark.parametrize(
    "change",
    [{"part_size": 2}, {"workers": 2, "part_size": 3}, {"reversed": True}],
    ids=["part size", "workers", "order"],
)
@pytest.mark.parametrize("method", ["grad_cam", "lime"])
def test_content_is_the_same_however_the_work_is_cut(dataset, classifier, tmp_path, method, change):
    parameters = {"num_samples": 30} if method == "lime" else {}
    change = dict(change)
    other = replace(dataset, samples=dataset.samples[::-1]) if change.pop("reversed", False) else dataset
    settings = FAST | {"parameters": parameters}
    first = explain_dataset(dataset, classifier, method, tmp_path / "a", **settings)[0]
    second = explain_dataset(other, classifier, method, tmp_path / "b", **settings | change)[0]
    assert first.manifest["content_digest"] == second.manifest["content_digest"]
    by_id = [read_scores(run).set_index("sample_id").sort_index() for run in (first, second)]
    pd.testing.assert_frame_equal(*by_id, check_exact=True)


def test_a_part_of_the_data_gives_the_same_records(dataset, classifier, run, tmp_path):
    """--limit puts other images beside each in the batch; the records keep every bit."""
    part = explain_dataset(dataset, classifier, "grad_cam", tmp_path / "p", limit=5, sample_seed=3, **FAST)[0]
    mine, whole = part.records().set_index("sample_id"), run.records().set_index("sample_id")
    assert len(mine) == 5
    pd.testing.assert_frame_equal(mine, whole.loc[mine.index], check_exact=True, check_dtype=False)


def test_siblings_from_one_pass_are_the_runs_made_alone(dataset, classifier, tmp_path):
    both = explain_dataset(dataset, classifier, "grad_cam", tmp_path / "b", targets=["label", "malignant"], **FAST)
    assert [r.folder.name for r in both] == ["label", "malignant"]
    for sibling, target in zip(both, ["label", "malignant"], strict=True):
        alone = explain_dataset(dataset, classifier, "grad_cam", tmp_path / target, targets=[target], **FAST)[0]
        assert alone.manifest["content_digest"] == sibling.manifest["content_digest"]
    records = both[0].records().set_index("sample_id")
    assert "no label" in records.loc["unlabelled", "error"]
    assert (both[1].records().query("status == 'ok'")["target"] == "malignant").all()


def test_scores_are_those_of_the_maps_taken_directly(dataset, classifier, run):
    """The slow twin: one image at a time, no store between, half of the maximum after scaling, plain numpy."""
    preparation = Preparation(classifier.preprocessing.frame)
    scores = read_scores(run).set_index("sample_id")
    for sample in dataset.samples[:GOOD]:
        prepared = preparation(sample)
        batch = classifier.normalise(np.repeat(prepared.frame[None], 4, 0))
        target = [lambda p: p.argmax(1)]
        [answer] = explain(classifier, batch, target, "grad_cam", image_hashes=[prepared.image_hash], valid=1)
        import torch

        heat = torch.nn.functional.interpolate(answer.heatmaps[:, None], SIZE, mode="bilinear")[0, 0].numpy()
        region = (heat - heat.min()) / (heat.max() - heat.min()) >= 0.5 if heat.max() > heat.min() else heat > np.inf
        expected = coverage(prepared.region[None], region[None])
        for name in ("explanation_coverage", "ground_truth_coverage", "iou"):
            # float16 storage can turn a pixel at the very threshold
            assert scores.loc[sample.id, name] == pytest.approx(expected[name][0], abs=5e-3, nan_ok=True)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_makes_a_run(dataset, classifier, tmp_path, method):
    parameters = {name: 10 for name in METHODS[method].parameters if name in ("num_samples", "samples", "steps")}
    few = replace(dataset, samples=dataset.samples[:3])
    [run] = explain_dataset(few, classifier, method, tmp_path / "r", parameters=parameters, **FAST)
    summary = summarise(run)
    assert summary["scored"] == 3
    json.dumps(summary, allow_nan=False)
    stability = run.records()["stability"]
    assert stability.notna().all() if method == "lime" else stability.isna().all()


def test_any_rule_can_be_applied_later(run):
    area = read_scores(run, "top_share:0.25")["explanation_area"].dropna()
    assert (area <= 0.25).all() and area.max() == 0.25
    rows = [row for row in run.maps() if row["status"] == "ok"]
    assert regions_of(run, rows[:2], "top_share:0.25").shape == (2, *SIZE)
    with pytest.raises(BadInput, match="LIME"):
        read_scores(run, "top_segments:5")
    assert run.verify() == []


def test_the_threshold_decides_a_predicted_target(dataset, classifier, tmp_path):
    low, high = (
        explain_dataset(dataset, classifier, "centre_blob", tmp_path / str(t), threshold=t, **FAST)[0]
        for t in (0.0, 1.0)
    )
    assert set(low.records()["target"].dropna()) == {"malignant"}
    assert set(high.records()["target"].dropna()) == {"benign"}


def test_correctness_follows_the_operating_point(run):
    probability = run.probabilities()[:, 1]
    for threshold in (0.3, 0.5, 0.7):
        table = table_of(run, threshold=threshold)
        known = (table["status"] == "ok") & table["label"].notna()
        expected = (probability >= threshold) == (table["label"] == "malignant")
        assert (table.loc[known, "correct"] == expected[known]).all()
        assert table.loc[~known, "correct"].isna().all()


def test_the_summary_counts_everything_once(run):
    summary = summarise(run)
    assert summary["samples"] == GOOD + 5 and summary["errors"] == 1 and summary["scored"] == GOOD + 1
    for entry in summary["scores"].values():
        assert entry["n"] + sum(entry["undefined"].values()) == summary["samples"]
    reasons = summary["scores"]["iou"]["undefined"]
    assert reasons["error"] == 1 and reasons["no_annotation"] == reasons["mask_size"] == 1
    scores = read_scores(run)
    paired = scores[["iou", "chance_random_iou"]].dropna()
    chance = summary["scores"]["iou"]["chance"]["random"]
    assert chance["excess"] == pytest.approx((paired["iou"] - paired["chance_random_iou"]).mean())
    assert chance["low"] <= chance["excess"] <= chance["high"]
    # the error has no explanation; bare and edge have one and no region; unlabelled has no correctness
    assert sum(summary["patterns"].values()) == summary["samples"] - 4 + (summary["patterns"]["no_explanation"] - 1)


def test_what_is_done_is_not_done_again(dataset, classifier, tmp_path):
    seen = []
    settings = FAST | {"progress": lambda done, total: seen.append((done, total))}
    first = explain_dataset(dataset, classifier, "edge_map", tmp_path / "r", **settings)[0]
    calls = len(seen)
    again = explain_dataset(dataset, classifier, "edge_map", tmp_path / "r", resume=True, **settings)[0]
    assert len(seen) == calls and seen[-1] == (GOOD + 5, GOOD + 5)
    assert again.manifest["content_digest"] == first.manifest["content_digest"]
    with pytest.raises(BadInput, match="--resume"):
        explain_dataset(dataset, classifier, "edge_map", tmp_path / "r", **FAST)
    with pytest.raises(BadInput, match="batch_size: 4 there, 2 asked"):
        explain_dataset(dataset, classifier, "edge_map", tmp_path / "r", resume=True, **FAST | {"batch_size": 2})


def test_a_measured_batch_size_is_recorded_and_kept(dataset, classifier, tmp_path):
    settings = FAST | {"batch_size": "auto"}
    run = explain_dataset(dataset, classifier, "edge_map", tmp_path / "r", **settings)[0]
    assert run.settings["batch_size"] >= 1
    explain_dataset(dataset, classifier, "edge_map", tmp_path / "r", resume=True, **settings)
    assert open_run(tmp_path / "r").settings == run.settings


def test_the_cache_changes_nothing_and_survives_damage(dataset, classifier, tmp_path, monkeypatch):
    monkeypatch.setenv("RIGHT_REASONS_CACHE", str(tmp_path / "cache"))
    settings = FAST | {"parameters": {"num_samples": 20}}
    digests = []
    for name in ("made", "read", "mended"):
        if name == "mended":
            for k, file in enumerate(sorted((tmp_path / "cache").rglob("*.npz"))):
                file.write_bytes(file.read_bytes()[: 40 * k])
        run = explain_dataset(dataset, classifier, "lime", tmp_path / name, **settings)[0]
        digests.append(run.manifest["content_digest"])
    assert len(set(digests)) == 1
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == GOOD + 4


def test_bad_requests_are_one_line(dataset, classifier, tmp_path):
    requests = [
        ({"targets": ["melanoma"]}, "melanoma"),
        ({"split": "train"}, "test"),
        ({"parameters": {"layer": "99"}}, "layer"),
        ({"parameters": {"wrong": 1}}, "wrong"),
    ]
    for k, (more, found) in enumerate(requests):
        with pytest.raises(BadInput, match=found) as error:
            explain_dataset(dataset, classifier, "grad_cam", tmp_path / str(k), **FAST | more)
        assert "\n" not in str(error.value)
    strangers = replace(dataset, class_names=("naevus", "malignant"))
    with pytest.raises(BadInput, match="naevus"):
        explain_dataset(strangers, classifier, "grad_cam", tmp_path / "z", **FAST)
    with pytest.raises(BadInput, match="no_such"):
        explain_dataset(dataset, classifier, "no_such", tmp_path / "y", **FAST)


def test_an_image_without_finite_numbers_costs_its_own_record_alone(dataset, classifier, run, tmp_path):
    """A network that overflows on one image: that record is an error, and the others keep every bit."""
    import torch

    broken = tiny_classifier()
    spoiled = Preparation(classifier.preprocessing.frame)(dataset.samples[2]).frame
    pixel = classifier.normalise(spoiled[None])[0, :, 0, :8]

    class Overflowing(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            same = (x[:, :, 0, :8] == pixel).flatten(1).all(1)
            return self.inner(x) + torch.where(same, torch.nan, 0.0)[:, None]

    broken.network, broken.cam_layer = Overflowing(broken.network), "inner.3"
    [mine] = explain_dataset(dataset, broken, "grad_cam", tmp_path / "r", **FAST)
    records, whole = (r.records().set_index("sample_id") for r in (mine, run))
    assert records["status"].value_counts().to_dict() == {"ok": GOOD + 3, "error": 2}
    assert "not finite" in records.loc["s002", "error"]
    good = records.index[records["status"] == "ok"]
    shared = [name for name in records if name not in ("layer", "classifier_digest")]
    pd.testing.assert_frame_equal(records.loc[good, shared], whole.loc[good, shared], check_exact=True)

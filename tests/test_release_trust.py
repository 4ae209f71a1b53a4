"""What is kept of probing a run: figures that come out again from the parts, a rule that controls must not pass."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.runs_fixtures import make_dataset, tiny_classifier
from xai_core.cli import main
from xai_core.errors import BadInput
from xai_core.files import sealed
from xai_core.probes import faithfulness, randomise
from xai_core.release import trust
from xai_core.release.chosen import choose, seed_of
from xai_core.review.again import classifier_of, frame_image
from xai_core.runs import Run, explain_dataset
from xai_core.runs.scoring import heatmaps_of
from xai_core.scores import intervals

SAMPLE = Path("sample_data").resolve()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("trust") / "data", n=5)


@pytest.fixture
def made(data, tmp_path):
    """Return ``made(method, **parameters) -> (Run, Classifier)``."""

    def make(method: str = "grad_cam", **parameters):
        classifier = tiny_classifier()
        (run,) = explain_dataset(
            data,
            classifier,
            method,
            tmp_path / method,
            targets=["malignant"],
            parameters=parameters,
            workers=0,
            threads=1,
            batch_size=4,
        )
        return run, classifier

    return make


def test_the_figures_come_out_again_from_their_parts(made):
    run, classifier = made()
    told = []
    found = trust.probe(run, classifier, limit=6, seed=3, steps=5, progress=lambda *done: told.append(done))
    assert told[-1][0] == told[-1][1]
    assert found["samples"]["n"] == 6
    ids = found["samples"]["ids"]
    frames = np.stack([frame_image(run, sample_id) for sample_id in ids])
    maps = [run.map_of(sample_id) for sample_id in ids]
    records = run.records().set_index("sample_id").loc[ids]
    chosen, seeds = choose(run, 6, 3), [seed_of(sample_id, 3) for sample_id in ids]
    for place, name in ((0, "deletion"), (1, "insertion")):
        follow = (faithfulness.deletion, faithfulness.insertion)[place]
        own = follow(classifier, frames, heatmaps_of(run, maps), records["target_index"].tolist(), 5, seeds=seeds)
        random = follow(classifier, frames, chosen.random, records["target_index"].tolist(), 5, seeds=seeds)
        assert found[name]["mean"] == pytest.approx(own.auc.mean(), abs=1e-6)
        assert found[f"random_{name}"]["mean"] == pytest.approx(random.auc.mean(), abs=1e-6)
        difference = found[f"{name}_difference"]
        expected = found[name]["mean"] - found[f"random_{name}"]["mean"]
        assert difference["mean"] == pytest.approx(expected, abs=1e-12)
        assert difference["low"] <= difference["mean"] <= difference["high"]
        assert found["curves"][name] == pytest.approx(own.curves.mean(0), abs=1e-6)
    originals = chosen.subject.heatmaps(classifier, 3)
    levels = randomise.cascade(classifier, chosen.subject, originals, seed=3)
    assert [row["layer"] for row in found["randomisation"]["layers"]] == [level.layer for level in levels]
    for row, level in zip(found["randomisation"]["layers"], levels, strict=True):
        assert row["spearman"] == intervals.mean(level.spearman).value
        assert row["n"] == np.isfinite(level.spearman).sum()
    assert found["repeatability"]["identical"]
    assert found["repeatability"]["jaccard"]["mean"] == 1.0
    assert trust.read(run) == found == json.loads((run.folder / trust.FILE).read_text())
    assert trust.probe(run, classifier, limit=6, seed=3, steps=5) == found


def test_a_smaller_draw_is_part_of_a_larger_one_and_has_no_failed_record(made):
    run, _ = made()
    few, many, all_ = (choose(run, limit, 0) for limit in (3, 5, 1000))
    assert few.ids == many.ids[:3]
    assert set(all_.ids) == set(run.records().query("status == 'ok'")["sample_id"])
    for k in range(3):
        np.testing.assert_array_equal(few.random[k], many.random[k])
        assert not np.array_equal(few.random[k], few.heatmaps[k])
    assert choose(run, 5, 1).ids != many.ids


@pytest.mark.parametrize("method", ["edge_map", "centre_blob", "random_map"])
def test_a_control_fails_the_randomisation_check_and_is_marked(made, method):
    run, classifier = made(method)
    assert trust.mark(run) == ""
    found = trust.probe(run, classifier, limit=5, steps=2)
    assert found["randomisation"]["passed"] is False
    assert found["randomisation"]["layers"][-1]["spearman"] == pytest.approx(1.0)
    assert trust.mark(run).startswith("fails the randomisation check: heatmaps for a network with random weights")
    assert found["repeatability"]["identical"] == (method != "random_map")


def test_grad_cam_of_the_sample_s_classifier_passes(tmp_path):
    shutil.copytree(SAMPLE / "runs" / "grad_cam" / "predicted", tmp_path / "runs" / "grad_cam" / "predicted")
    (tmp_path / "dermoscopy").symlink_to(SAMPLE / "dermoscopy")
    run = Run(tmp_path / "runs" / "grad_cam" / "predicted")
    found = trust.probe(run, limit=8, steps=4)
    assert found["randomisation"]["passed"] is True
    assert trust.mark(run) == ""
    assert found["deletion_difference"]["high"] < 0 < found["insertion_difference"]["low"]
    assert classifier_of(run).digest == found["classifier_digest"]


def test_lime_is_cut_once_and_repeats_less_than_itself(made):
    run, classifier = made("lime", num_samples=60)
    found = trust.probe(run, classifier, limit=3, steps=3)
    assert len(found["randomisation"]["layers"]) == trust.LEVELS_OF_LIME
    repeated = found["repeatability"]
    assert not repeated["identical"]
    assert repeated["spearman"]["mean"] < 1
    chosen = choose(run, 3, 0)
    for k, sample_id in enumerate(chosen.ids):
        coefficients = np.asarray(run.map_of(sample_id)["coefficients"], np.float32)
        segments = chosen.subject.segments[k]
        # whole segments change places: one value for each, and all values still there
        values = [np.unique(chosen.random[k][segments == s]) for s in range(len(coefficients))]
        assert all(len(value) == 1 for value in values)
        np.testing.assert_array_equal(np.sort(np.concatenate(values)), np.sort(coefficients))


def level(spearman: list[float]) -> randomise.Level:
    return randomise.Level("stem", np.array(spearman), np.zeros(len(spearman)))


@pytest.mark.parametrize(
    ("spearman", "repeatability", "passed"),
    [
        ([0.1, 0.2, 0.0, 0.1], 1.0, True),
        ([0.1, 0.2, 0.0, 0.1], 0.15, False),  # the mean is below, the upper end of its interval is not
        ([0.6, 0.7, 0.55, 0.6], 1.0, False),
        ([0.1, 0.95, 0.1, 0.7], 1.0, False),
        ([-0.9, -0.8, -0.9, -0.8], 1.0, True),
        ([0.1, np.nan, 0.0, np.nan], 1.0, True),
        ([0.1, np.nan, np.nan, np.nan], 1.0, None),
        ([np.nan] * 4, None, None),
        ([0.2], 1.0, True),
    ],
)
def test_the_rule_of_the_randomisation_check(spearman, repeatability, passed):
    found = trust._judged([level([1.0] * len(spearman)), level(spearman)], {"mean": repeatability})
    assert found["passed"] is passed
    assert found["layers"][1]["n"] == np.isfinite(spearman).sum()


def test_figures_that_are_not_the_run_s_own_are_refused(made):
    run, classifier = made()
    assert trust.read(run) is None
    trust.probe(run, classifier, limit=3, steps=2)
    path = run.folder / trust.FILE
    whole = path.read_text()
    path.write_text(whole.replace('"passed": true', '"passed": false').replace('"n": 3', '"n": 30'))
    with pytest.raises(BadInput, match="changed since"):
        trust.read(run)
    assert trust.mark(run).startswith("figures of trust do not fit: they are damaged")
    found = json.loads(whole) | {"content_digest": "0" * 64}
    path.write_text(json.dumps(sealed(found)))
    with pytest.raises(BadInput, match="figures of another run"):
        trust.read(run)
    path.write_text(whole)
    assert trust.read(run)["samples"]["n"] == 3


def test_what_cannot_be_probed_says_why(made, data):
    run, classifier = made()
    with pytest.raises(BadInput, match="the classifier with the digest"):
        trust.probe(run)
    with pytest.raises(BadInput, match="or pass that one"):
        trust.probe(run, tiny_classifier(seed=1))
    with pytest.raises(BadInput, match="or the limit is 0"):
        trust.probe(run, classifier, limit=0)
    image = data.root / f"{choose(run, 4, 0).ids[0]}.png"
    original = image.read_bytes()
    try:
        image.unlink()
        found = trust.probe(run, classifier, limit=4, steps=2)
        assert found["samples"]["n"] == 3
        assert sum(found["samples"]["left_out"].values()) == 1
    finally:
        image.write_bytes(original)


def test_the_command_prints_a_table_or_json(tmp_path, capsys):
    shutil.copytree(SAMPLE / "runs" / "grad_cam" / "malignant", tmp_path / "runs" / "grad_cam" / "malignant")
    (tmp_path / "dermoscopy").symlink_to(SAMPLE / "dermoscopy")
    folder = str(tmp_path / "runs" / "grad_cam" / "malignant")
    assert main(["probe", folder, "--limit", "3", "--steps", "2"]) == 0
    said = capsys.readouterr().out
    assert "3 records" in said
    assert "randomisation check" in said
    assert "conv1.0" in said
    assert main(["probe", folder, "--limit", "1", "--steps", "1", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert found == {"run": folder} | trust.read(Run(folder))
    assert main(["probe", folder, "--model", str(tmp_path / "gone")]) == 2
    assert "cannot be loaded" in capsys.readouterr().err

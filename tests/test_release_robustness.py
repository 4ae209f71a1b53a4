"""Robustness: what each corruption does, a classifier that cannot lose, and associations that may not be stated."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.runs_fixtures import make_dataset, tiny_classifier
from xai_core.cli import main
from xai_core.errors import BadInput
from xai_core.files import sealed
from xai_core.release import robustness
from xai_core.release.robustness import CORRUPTIONS, FILE, association, corrupt, measure, read
from xai_core.runs import explain_dataset
from xai_core.scores import metrics


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:40, 0:64]
    smooth = np.stack([60 + 2 * x, 200 - 3 * y, 90 + y + x], axis=-1)
    return np.clip(smooth + rng.normal(0, 6, (40, 64, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("robustness")
    dataset, classifier = make_dataset(folder / "data"), tiny_classifier()
    runs = explain_dataset(
        dataset, classifier, "grad_cam", folder / "runs", targets=["predicted", "malignant"], workers=0, threads=1
    )
    return runs, classifier


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_stronger_is_worse_and_the_same_again(name, image):
    before = image.copy()
    _, strengths = CORRUPTIONS[name]
    changed = [corrupt(image, name, strength, 7) for strength in strengths]
    off = [np.abs(one.astype(int) - image).mean() for one in changed]
    assert 0 < off[0] < off[1] < off[2] and len(strengths) == 3
    assert all(one.dtype == np.uint8 and one.shape == image.shape for one in changed)
    assert np.array_equal(changed[1], corrupt(image, name, strengths[1], 7)) and np.array_equal(image, before)
    if name == "noise":
        assert not np.array_equal(changed[1], corrupt(image, name, strengths[1], 8))


def test_corruptions_do_what_they_say(image):
    flat = np.full((30, 50, 3), (120, 80, 200), np.uint8)
    assert np.array_equal(corrupt(flat, "blur", 4.0), flat)
    assert np.array_equal(corrupt(flat, "brightness", 0.4), np.round(flat * 0.4).astype(np.uint8))
    noise = corrupt(np.full((200, 300, 3), 128, np.uint8), "noise", 16.0, 3).astype(float) - 128
    assert abs(noise.mean()) < 0.2 and noise.std() == pytest.approx(16, rel=0.02)
    # a third of the circle turns red into green
    assert corrupt(np.full((9, 9, 3), (255, 0, 0), np.uint8), "hue", 1 / 3)[0, 0].tolist() == [0, 255, 0]
    grey = np.full((9, 9, 3), 77, np.uint8)
    assert np.array_equal(corrupt(grey, "hue", 0.1), grey)
    # single pixels spread over the same total
    spot = np.zeros((41, 61, 3), np.uint8)
    spot[12, 40] = 255
    spread = corrupt(spot, "blur", 1.0).astype(float)
    assert spread[12, 40].max() == spread.max() and spread.sum() == pytest.approx(spot.sum(), rel=0.05)


def test_drops_are_those_of_the_metrics(made, monkeypatch):
    """The classifier answers by mean brightness: planted answers on clean and on darker images, written out here."""
    (run, _), classifier = made
    records = run.records()
    usable = records[(records["status"] == "ok") & (records["label_index"] >= 0)]

    def by_brightness(_run, _classifier, images):
        p = np.array([image.mean() / 255 for image in images], np.float32)
        return np.stack([1 - p, p], 1)

    monkeypatch.setattr(robustness, "answers_to", by_brightness)
    found = measure(run, classifier, limit=100)
    assert found["samples"]["n"] == len(usable)
    frames, _, labels, _ = robustness._drawn(run, 100, 0)
    clean = metrics.evaluate(labels, by_brightness(run, None, frames), positive=1)
    assert found["clean"] == {name: clean[name]["value"] for name in ("accuracy", "auc")}
    for row in found["corruptions"]["brightness"]:
        darker = [corrupt(frame, "brightness", row["strength"]) for frame in frames]
        worse = metrics.evaluate(labels, by_brightness(run, None, darker), positive=1)
        for name in ("accuracy", "auc"):
            assert row[name]["value"] == worse[name]["value"]
            assert row[name]["drop"] == pytest.approx(clean[name]["value"] - worse[name]["value"])
            assert row[name]["low"] <= row[name]["drop"] <= row[name]["high"]


def test_the_real_classifier_and_what_is_kept(made):
    (run, _), classifier = made
    found = measure(run, classifier, limit=8)
    assert found == read(run) == measure(run, classifier, limit=8)
    assert {name: len(rows) for name, rows in found["corruptions"].items()} == dict.fromkeys(CORRUPTIONS, 3)
    file = run.folder / FILE
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"mean_drop": {"accuracy": 0.0001, "auc": 0.0001}}))
    with pytest.raises(BadInput):
        read(run)
    content["content_digest"] = "of another run"
    content["sha256"] = sealed(content)["sha256"]
    file.write_text(json.dumps(content))
    with pytest.raises(BadInput):
        read(run)
    file.unlink()
    assert read(run) is None
    with pytest.raises(BadInput, match="classifier"):
        measure(run, tiny_classifier(seed=1), limit=8)


def test_two_candidates_say_nothing(made):
    (run, other), classifier = made
    for each in (run, other):
        measure(each, classifier, limit=6)
    found = association([run, other])
    assert found["spearman"] is None and "no association can be stated" in found["finding"]
    # the same twice over does not differ: nothing to say either
    found = association([run, run, run])
    assert found["n"] == 3 and found["spearman"] is None


DROPS = (0.5, 0.4, 0.3, 0.2, 0.1)


@pytest.mark.parametrize(
    ("auc", "accuracy", "metric", "spearman"),
    [(DROPS, DROPS[::-1], "auc", -1), ((*DROPS[:4], None), DROPS[::-1], "accuracy", 1)],
)
def test_planted_association(made, monkeypatch, auc, accuracy, metric, spearman):
    """Five candidates of which the better aligned lose less AUC, and more accuracy, written into what is read."""
    from xai_core.runs.tables import table_of

    (run, _), _ = made
    planted = iter([{"auc": {"drop": a}, "accuracy": {"drop": b}} for a, b in zip(auc, accuracy, strict=True)])
    shifts = iter([0.0, 0.1, 0.2, 0.3, 0.4])
    table = table_of(run)
    monkeypatch.setattr(robustness, "read", lambda _run: {"corruptions": {"blur": [next(planted)]}})
    monkeypatch.setattr(
        robustness,
        "table_of",
        lambda _run: table.assign(explanation_coverage=table["explanation_coverage"] + next(shifts)),
    )
    found = association([run] * 5)
    assert found["metric"] == metric
    assert found["spearman"] == found["low"] == found["high"] == pytest.approx(spearman)
    assert f"loss of {metric}" in found["finding"] and "not a cause" in found["finding"]


def test_without_a_positive_class_accuracy_is_meant(made, monkeypatch):
    (run, _), classifier = made
    measure(run, classifier, limit=12)
    assert association([run])["metric"] == "auc"
    monkeypatch.setattr(robustness, "positive_of", lambda _run: None)
    assert association([run])["metric"] == "accuracy"


def test_command_asks_for_the_classifier(made, capsys):
    (run, _), _ = made
    assert main(["robustness", str(run.folder), "--limit", "4"]) == 2
    assert "classifier" in capsys.readouterr().err

"""Reliance: figures that algebra gives for planted readers, a slow twin, and what the gate makes of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from gate_fixtures import items_of, planted, policy
from PIL import Image
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score
from test_probes_causal import slow_blur

from tests.runs_fixtures import tiny_classifier
from xai_core.cli import main
from xai_core.errors import BadInput
from xai_core.files import is_sealed, read_json, sealed, write_json
from xai_core.geometry import Frame
from xai_core.models import Classifier, Preprocessing
from xai_core.probes import masking
from xai_core.probes.causal import FILLS
from xai_core.release import reliance
from xai_core.release.archive_run import files_of
from xai_core.release.gate import gate
from xai_core.release.policy import RelianceRule
from xai_core.release.reliance_rules import reliance_rules
from xai_core.release.rules import Side
from xai_core.runs import Run, explain_dataset
from xai_core.types import DataSet, MaskFile, Sample

SIZE, N = (40, 64), 24
INSIDE, CORNER = (slice(14, 20), slice(34, 44)), (slice(0, 7), slice(0, 9))
RED, GREEN = 0, 1


class Reader(torch.nn.Module):
    """Logits (0, (mean of one channel in one place - 100) / 10): everything else is nothing to it."""

    def __init__(self, place: tuple[slice, slice], channel: int) -> None:
        super().__init__()
        self.place, self.channel = place, channel
        self.offset = torch.nn.Parameter(torch.tensor(-100.0 - channel))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        value = (batch[:, self.channel, *self.place].mean((1, 2)) + self.offset) / 10
        return torch.stack((torch.zeros_like(value), value), 1)


def reader(place: tuple[slice, slice], channel: int) -> Classifier:
    """Return the reader as a classifier that is handed the pixels as they are."""
    preprocessing = Preprocessing(Frame(SIZE, "squash", 0), (0.0,) * 3, (1 / 255,) * 3)
    return Classifier(Reader(place, channel), preprocessing, ("benign", "malignant"), {}, cam_layer="", device="cpu")


READERS = {
    "inside": lambda: reader(INSIDE, RED),
    "corner": lambda: reader(CORNER, GREEN),
    "tiny": lambda: tiny_classifier(frame=Frame(SIZE, "squash", 0)),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return lesions whose red tells the class, in images whose green corner tells it too; red is even outside."""
    root, samples = tmp_path_factory.mktemp("reliance").resolve(), []
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for k in range(N):
        rng, label = np.random.default_rng(k), k % 2
        region = (y - 17) ** 2 + ((x - 39) / 1.4) ** 2 < rng.uniform(90, 150)
        image = np.full((*SIZE, 3), 100, np.uint8)
        image[region, 0] = 60 + 50 * label + rng.integers(0, 30)
        image[CORNER[0], CORNER[1], 1] = 60 + 50 * label + rng.integers(0, 30)
        image[..., 2] = rng.integers(0, 255, SIZE)
        Image.fromarray(image).save(root / f"{k}.png")
        Image.fromarray(region).save(root / f"{k}_mask.png")
        samples.append(Sample(f"s{k:02d}", root / f"{k}.png", label, "test", MaskFile(root / f"{k}_mask.png")))
    samples.append(Sample("bare", root / "0.png", 0, "test"))
    Image.fromarray(np.full(SIZE, 255, np.uint8)).save(root / "all.png")
    samples.append(Sample("full", root / "1.png", 1, "test", MaskFile(root / "all.png")))
    return DataSet(f"table:{root}/x.csv", root, ("benign", "malignant"), tuple(samples), positive=1, bands="lesions")


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """Return a run of each reader; what explains them does not matter."""
    folder, found = tmp_path_factory.mktemp("runs"), {}
    for name, make in READERS.items():
        (found[name],) = explain_dataset(
            data, make(), "edge_map", folder / name, targets=["malignant"], workers=0, threads=1, batch_size=7
        )
    return found


@pytest.fixture(scope="module")
def measured(runs):
    return {name: reliance.measure(run, READERS[name](), seed=3) for name, run in runs.items()}


@pytest.mark.parametrize(("name", "region", "surroundings"), [("inside", 1.0, 0.5), ("corner", 0.5, 1.0)])
def test_planted_readers_rely_on_what_they_read(measured, name, region, surroundings):
    """What tells the class to the one is even in all images once it is hidden: every answer ties, and AUC is a half."""
    found = measured[name]
    assert found["unchanged"]["value"] == 1
    for figures in found["fills"].values():
        assert figures["region"]["value"] == region and figures["surroundings"]["value"] == surroundings
        for end in ("value", "low", "high"):
            assert figures["reliance"][end] == region - surroundings
    assert found["samples"]["n"] == N
    assert found["samples"]["left_out"] == {reliance.NO_REGION: 1, reliance.NOTHING_AROUND: 1}


def test_a_slow_twin_gives_the_same(data, runs, measured):
    """Every picture by hand, every answer alone, every AUC by scikit-learn; the control as well."""
    found, classifier = measured["tiny"], READERS["tiny"]()
    by_id = {sample.id: sample for sample in data.samples}
    shown = [
        (np.array(Image.open(by_id[i].image)), np.array(Image.open(by_id[i].annotation.path)) > 0, by_id[i].label)
        for i in found["answers"]["ids"]
    ]
    answers = {(fill, part): [] for fill in FILLS for part in ("region", "surroundings", "outline")}
    for k, (image, region, _) in enumerate(shown):
        hidden, other = slow_grown(region), shown[(k + 1) % N][0]
        pictures = {"region": (image, ~region), "surroundings": (image, hidden), "outline": (other, hidden)}
        for (fill, part), given in answers.items():
            frame = slow_fill(*pictures[part], fill)
            given.append(classifier.probabilities(classifier.normalise(frame[None]))[0, 1].item())
    labels = [label for *_, label in shown]
    for (fill, part), given in answers.items():
        if part != "outline":
            assert np.allclose(found["answers"][fill][part], given, atol=1e-5)
        assert found["fills"][fill][part]["value"] == pytest.approx(roc_auc_score(labels, given), abs=0.01)


def slow_grown(region: np.ndarray) -> np.ndarray:
    places = np.argwhere(region)
    near = [((places - place) ** 2).sum(1).min() <= (64 / 32) ** 2 for place in np.ndindex(region.shape)]
    return np.array(near).reshape(region.shape)


def slow_fill(image: np.ndarray, hidden: np.ndarray, fill: str) -> np.ndarray:
    if fill == "blur":
        return slow_blur(image, hidden)
    out = image.copy()
    out[hidden] = np.rint(image[~hidden].astype(float).mean(0))
    return out


def test_the_interval_is_that_of_an_independent_bootstrap(measured):
    """scipy draws each class by itself, and takes the same records for both parts."""
    answers = measured["tiny"]["answers"]
    labels = np.array(answers["labels"], bool)
    for fill in FILLS:
        columns = np.stack([answers[fill][part] for part in masking.PARTS])

        def difference(positive, negative, columns=columns):
            above, below = columns[:, positive.astype(int), None], columns[:, None, negative.astype(int)]
            own, around = ((above > below) + (above == below) / 2).mean((1, 2))
            return own - around

        drawn = (np.flatnonzero(labels), np.flatnonzero(~labels))
        expected = bootstrap(
            drawn, difference, n_resamples=2000, vectorized=False, method="percentile", rng=np.random.default_rng(0)
        ).confidence_interval
        found = measured["tiny"]["fills"][fill]["reliance"]
        assert found["value"] == pytest.approx(difference(*drawn))
        assert found["high"] - found["low"] > 0.1
        assert (found["low"], found["high"]) == pytest.approx(tuple(expected), abs=0.04)


def test_two_classifiers_are_paired(measured):
    own, other = measured["inside"], measured["corner"]
    found = reliance.against(own, other, "mean")
    assert (found.value, found.low, found.high, found.n) == (1, 1, 1, N)
    itself = reliance.against(measured["tiny"], measured["tiny"], "blur")
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)
    changed = json.loads(json.dumps(other))
    changed["answers"]["image_hashes"][0] = "another"
    assert reliance.against(own, changed, "mean").reason


def test_one_in_another_order_is_the_same(measured):
    other = json.loads(json.dumps(measured["tiny"]))
    for key in ("ids", "image_hashes", "labels"):
        other["answers"][key].reverse()
    for fill in FILLS:
        for part in masking.PARTS:
            other["answers"][fill][part].reverse()
    assert reliance.against(measured["tiny"], other, "mean").value == 0


# ---- the rule


def sides(runs, *names):
    return [Side(role, runs[name]) for role, name in zip(("candidate", "baseline"), names, strict=False)]


def test_the_rule_passes_the_one_and_stops_the_other(runs, measured):
    ids = ["s00", "s01", "bare", "elsewhere"]
    rule = RelianceRule(floor=0.0, not_worse_than_baseline_by=0.1)
    passed = reliance_rules(rule, *sides(runs, "inside", "corner"), ids)
    assert [found.passed for found in passed] == [True] * 4 and not any(found.items for found in passed)
    failed = reliance_rules(rule, *sides(runs, "corner", "inside"), ids)
    assert [found.passed for found in failed] == [False] * 4
    assert [found.figure for found in failed] == [-0.5, -1, -0.5, -1]
    assert all(set(found.items) == {"s00", "s01"} for found in failed), "items whose label the corner gives away"


def test_the_bound_decides_unless_the_point_is_asked(runs, measured):
    figures = measured["tiny"]["fills"]["mean"]["reliance"]
    between = (figures["low"] + figures["value"]) / 2
    for decides, passed in (("bound", False), ("point", True)):
        rule = RelianceRule(floor=between, decides=decides)
        found = reliance_rules(rule, Side("candidate", runs["tiny"]), None, [])
        assert [one.passed for one in found if "mean colour" in one.name] == [passed]


def test_what_is_missing_decides_nothing(tmp_path):
    items, run = items_of(tmp_path), planted(tmp_path / "run")
    rules = policy(reliance={"floor": 0.0, "not_worse_than_baseline_by": 0.1})
    result = gate(run, items, rules)
    assert result["verdict"] == "incomplete"
    assert any("no reliance is stored" in line and "`reliance` measures it" in line for line in result["missing"])
    kept(run, unusable={"gone": 2})
    assert any("2 images were not at hand" in line for line in gate(run, items, rules)["missing"])
    kept(run)
    result = gate(run, items, rules, baseline=planted(tmp_path / "other", seed=4))
    assert any(line.startswith("baseline: no reliance") for line in result["missing"])
    write_json(run.folder / reliance.FILE, read_json(run.folder / reliance.FILE) | {"margin": 0.5})
    assert any("bytes that were changed" in line for line in gate(run, items, rules)["missing"])


def test_the_verdict_follows_it(tmp_path):
    items, run = items_of(tmp_path), planted(tmp_path / "run")
    rules = policy(reliance={"floor": 0.0})
    for value, verdict in ((0.2, "pass"), (-0.4, "fail_explanation")):
        kept(run, value)
        assert gate(run, items, rules)["verdict"] == verdict
    kept(run, -0.4)
    assert str(run.folder / reliance.FILE) in map(str, files_of(run).values()), "it is archived with the run"


def kept(run, value: float = 0.2, unusable: dict | None = None) -> None:
    """Store figures that nothing measured."""
    figures = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 48, "left_out": 0, "reason": ""}
    ids = run.records(["sample_id"])["sample_id"].tolist()
    half = dict.fromkeys(masking.PARTS, [0.5] * len(ids))
    content = {
        "format": reliance.FORMAT,
        "content_digest": run.manifest["content_digest"],
        "margin": masking.MARGIN,
        "samples": {"n": len(ids), "left_out": {}, "unusable": unusable or {}},
        "fills": {fill: {"reliance": figures} for fill in FILLS},
        "answers": {"ids": ids, "image_hashes": ids, "labels": [0] * len(ids), **dict.fromkeys(FILLS, half)},
    }
    write_json(run.folder / reliance.FILE, sealed(content))


# ---- measuring


def test_it_is_kept_and_told(runs, measured, capsys, monkeypatch):
    assert is_sealed(measured["corner"]) and reliance.read(runs["corner"]) == measured["corner"]
    told = []
    reliance.measure(runs["corner"], READERS["corner"](), limit=9, progress=lambda *done: told.append(done))
    found = reliance.read(runs["corner"])
    assert found["samples"]["n"] == told[-1][0] == told[-1][1] <= 9
    whole = reliance.measure(runs["corner"], READERS["corner"]())["answers"]["ids"]
    assert found["answers"]["ids"] == whole[: found["samples"]["n"]], "the first of the same draw"
    monkeypatch.setattr("xai_core.review.again.classifier_of", lambda run, spec="": READERS["corner"]())
    assert main(["reliance", str(runs["corner"].folder), "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert "24 records, malignant against the rest" in printed and "-0.500" in printed


def test_what_it_refuses(runs):
    with pytest.raises(BadInput, match="that the run explained"):
        reliance.measure(runs["corner"], READERS["inside"]())
    negative = Run(runs["corner"].folder)
    negative.settings = negative.settings | {"positive": None}
    with pytest.raises(BadInput, match="positive class"):
        reliance.measure(negative, READERS["corner"]())
    with pytest.raises(BadInput, match="an image with an outlined region"):
        reliance.measure(runs["corner"], READERS["corner"](), limit=0)
    with pytest.raises(BadInput, match="no outlined record with a label; explain data that have outlines"):
        reliance.measure(runs["corner"], READERS["corner"](), limit=0)


def test_the_policy_asks_for_one_or_the_other():
    with pytest.raises(ValueError, match="floor or not_worse"):
        RelianceRule()

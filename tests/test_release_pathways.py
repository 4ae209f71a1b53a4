"""The search over pathways: its table, what it calls forgetting, and that a kill anywhere loses nothing."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from killing import kill_while_working
from PIL import Image
from scipy import stats

from xai_core.cli import main
from xai_core.datasets import open_dataset, synthetic
from xai_core.errors import BadInput
from xai_core.files import read_json
from xai_core.models import load
from xai_core.release import pathway_table
from xai_core.release.pathways import PADS, search
from xai_core.report.pathways import draw_pathways
from xai_core.training import Recipe

NETWORK = "import:tests.tiny_networks:Tiny?size=32x32"
FLAGS = {"arch": NETWORK, "weights": "none", "epochs": 2, "batch-size": 8, "lr": 0.02, "threads": 1, "checkpoints": 0}
RECIPE = Recipe(**{name.replace("-", "_"): value for name, value in FLAGS.items()}, pathway="scratch")
OPTIONS = "classes=benign,malignant&positive=malignant&bands=lesions&synthetic=true"
TWO = ("scratch", "a-then-b")


@pytest.fixture(scope="module")
def specs(tmp_path_factory) -> tuple[str, str]:
    """Return A and B: the same tiny lesions with and without patches."""
    root = tmp_path_factory.mktemp("lesions")
    sets = [
        synthetic.write(root / name, 48, patches=patches, size=(36, 48))
        for name, patches in (("a", True), ("b", False))
    ]
    return tuple(f"table:{file}?{OPTIONS}" for file in sets)


def searched(specs, out: Path, **changes) -> dict:
    settings = {"seeds": (0, 1, 2), "pathways": TWO, "limit": 4, "workers": 0} | changes
    return search(*map(open_dataset, specs), RECIPE, out, **settings)


@pytest.fixture(scope="module")
def whole(specs, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("whole") / "search"
    return out, searched(specs, out)


def outcome_of(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in ("search.json", "table.csv", "padding.json")]


def test_the_table_says_what_the_models_say(whole, specs):
    """Every mean is taken again from the model folders, by the classifier's own door."""
    out, found = whole
    fit = found["padding"]["chosen"]
    a = open_dataset(specs[0]).only("test")
    accuracies = []
    for seed in range(3):
        classifier = load(out / "models" / fit / f"seed-{seed}" / "scratch-a-b")
        place = classifier.preprocessing.frame.place((36, 48))
        images = [np.asarray(Image.open(s.image).convert("RGB")) for s in a.samples]
        p = classifier.probabilities(classifier.normalise(np.stack([place.image(image) for image in images]))).numpy()
        accuracies.append(np.mean((p[:, 1] >= 0.5) == [s.label == 1 for s in a.samples]))
    entry = found["pathways"]["a-then-b"]["test"]["accuracy"]["a"]
    assert entry["value"] == pytest.approx(np.mean(accuracies), abs=1e-12) and entry["n"] == 3
    low, high = stats.t.interval(0.95, 2, np.mean(accuracies), stats.sem(accuracies))
    assert (entry["low"], entry["high"]) == (pytest.approx(low), pytest.approx(high))
    with (out / "table.csv").open(encoding="utf-8") as file:
        rows = {row["pathway"]: row for row in csv.DictReader(file)}
    assert list(rows) == list(TWO) and rows["scratch"]["forgetting on A"] == ""
    assert (
        float(rows["a-then-b"]["mean accuracy"]) == found["pathways"]["a-then-b"]["test"]["accuracy"]["both"]["value"]
    )


def test_the_padding_is_the_best_on_validation(whole):
    _, found = whole
    padding = found["padding"]
    assert tuple(padding["tested"]) == PADS
    means = {fit: np.mean([each[name]["auc"] for name in "ab"]) for fit, each in padding["tested"].items()}
    assert padding["chosen"] == max(PADS, key=means.get) and means == pytest.approx(padding["means"])
    assert len(set(means.values())) > 1, "padding changed nothing: the test says nothing"


def test_pathways_share_their_first_stage(whole):
    out, found = whole
    models = {p.parent.name for p in out.glob(f"models/{found['padding']['chosen']}/seed-1/*/card.json")}
    assert models == {"scratch-a", "scratch-a-b"}
    second = read_json(out / "models" / found["padding"]["chosen"] / "seed-1" / "scratch-a-b" / "card.json")
    assert second["recipe"]["pathway"] == "fine-tune" and second["training"]["new_tensors"] == []


def test_the_outcome_is_sealed_and_drawn(whole, tmp_path):
    _, found = whole
    content = {k: v for k, v in found.items() if k != "sha256"}
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert hashlib.sha256(canonical.encode()).hexdigest() == found["sha256"]
    first, second = (draw_pathways(found, tmp_path / name).read_bytes() for name in ("1.png", "2.png"))
    assert first == second and len(first) > 10_000


class Cut(Exception):
    pass


def test_cut_off_at_many_moments_it_ends_the_same(whole, specs, tmp_path):
    """Each time at a later line of the log: before and between stages, in a stage's epochs, before it is explained."""
    out, _ = whole
    cut, cuts = tmp_path / "cut", 0
    for at in range(1, 200, 4):
        lines = []

        def say(line, lines=lines, at=at):
            lines.append(line)
            if len(lines) == at:
                raise Cut

        try:
            searched(specs, cut, seeds=(0,), resume=cuts > 0, say=say)
            break
        except Cut:
            cuts += 1
    assert cuts >= 4
    assert (cut / "padding.json").read_bytes() == (out / "padding.json").read_bytes()
    for kind in ("tested", "scores"):
        found = {p.relative_to(cut): p.read_bytes() for p in cut.glob(f"{kind}/**/*.json")}
        assert found == {p.relative_to(out): p.read_bytes() for p in out.glob(f"{kind}/*/seed-0/*.json")} != {}


def arguments(specs, out: Path) -> list[str]:
    flags = [part for name, value in FLAGS.items() for part in (f"--{name}", str(value))]
    named = [part for name in TWO for part in ("--pathway", name)]
    return ["pathways", *specs, "--out", str(out), "--limit", "4", "--workers", "0", "--resume", *named, *flags]


def test_a_kill_in_the_middle_loses_nothing(whole, specs, tmp_path):
    """With all of the last seed to do: killed in its trainings, then let go on."""
    out, killed = whole[0], tmp_path / "killed"
    shutil.copytree(out, killed, ignore=lambda _, names: {"seed-2", "search.json", "table.csv"} & set(names))
    at_work = kill_while_working(arguments(specs, killed), "seed 2", 1, seed=3, longest=0.5)
    assert at_work == 1
    assert outcome_of(killed) == outcome_of(out)
    assert (killed / "pathways.png").is_file()


@pytest.mark.long
def test_twelve_kills(whole, specs, tmp_path):
    out, _ = whole
    assert kill_while_working(arguments(specs, tmp_path / "killed"), "stage 1", 12, seed=4, longest=2.5) >= 6
    assert outcome_of(tmp_path / "killed") == outcome_of(out)


def test_a_search_goes_on_only_as_it_was_begun(whole, specs):
    out, found = whole
    with pytest.raises(BadInput, match="go on with --resume"):
        searched(specs, out)
    with pytest.raises(BadInput, match="another limit"):
        searched(specs, out, resume=True, limit=5)
    with pytest.raises(BadInput, match="another a, b"):
        searched(specs[::-1], out, resume=True)
    assert searched(specs, out, resume=True) == found


def cell(seed: int, *stages: tuple[float, float]) -> dict:
    """Return a cell whose models have these accuracies on A and B."""
    parts = [
        {n: dict.fromkeys(pathway_table.METRICS, v) for n, v in zip("ab", values, strict=True)} for values in stages
    ]
    scores = {name: {"mean": 0.4, "excess": None} for name in ("explanation_coverage", "ground_truth_coverage", "iou")}
    return {
        "seed": seed,
        "stages": [{"found": {"validation": part, "test": part}} for part in parts],
        "scores": {"a": scores, "b": scores},
    }


def test_forgetting_is_the_last_model_minus_the_one_after_its_own_stage():
    cells = {
        "a-then-b": [cell(0, (0.9, 0.5), (0.6, 0.8)), cell(1, (0.8, 0.5), (0.7, 0.8))],
        "b-then-a": [cell(0, (0.5, 0.9), (0.8, 0.7))],
        "a-then-b-then-a": [cell(0, (0.9, 0.5), (0.6, 0.8), (0.95, 0.7))],
        "a-and-b": [cell(0, (0.7, 0.75))],
    }
    found = pathway_table.outcome({}, "accuracy", {"chosen": "pad_zero"}, cells)
    forgetting = {name: row["forgetting"]["accuracy"] for name, row in found["pathways"].items()}
    assert forgetting["a-then-b"]["a"]["value"] == pytest.approx(-0.2) and forgetting["a-then-b"]["b"] is None
    assert forgetting["b-then-a"]["b"]["value"] == pytest.approx(-0.2) and forgetting["b-then-a"]["a"] is None
    assert forgetting["a-then-b-then-a"]["a"]["value"] == pytest.approx(0.05), "it came back"
    assert forgetting["a-then-b-then-a"]["b"]["value"] == pytest.approx(-0.1)
    assert forgetting["a-and-b"] == {"a": None, "b": None}
    assert found["best"] == "a-then-b-then-a"
    assert found["pathways"]["a-and-b"]["scores"]["a"]["iou"]["excess"]["value"] is None


def test_what_cannot_be_searched_is_refused(specs, tmp_path):
    a, b = map(open_dataset, specs)
    with pytest.raises(BadInput, match="linear-probe"):
        search(a, b, RECIPE, tmp_path / "x", pathways=["linear-probe"])
    with pytest.raises(BadInput, match="a test part"):
        search(a, type(b)(**vars(b) | {"samples": b.only("train").samples}), RECIPE, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_command_trains_along_a_pathway(specs, tmp_path, capsys):
    flags = [part for name, value in FLAGS.items() for part in (f"--{name}", str(value))]
    line = ["train", specs[0], "--then", specs[1], "--pathway", "a-and-b", "--out", str(tmp_path / "both"), *flags]
    assert main(line) == 0
    capsys.readouterr()
    counts = [sum(row.values()) for row in read_json(tmp_path / "both" / "card.json")["data"]["counts"].values()]
    assert sum(counts) == 96, "the union holds both"
    assert main([*line[:2], *line[4:]]) == 2
    assert "--then DATA_B" in capsys.readouterr().err


def test_the_command_prints_its_table(specs, whole, capsys):
    out, found = whole
    assert main(arguments(specs, out)) == 0
    printed = capsys.readouterr().out
    assert f"padding: {found['padding']['chosen']}" in printed and "a-then-b" in printed

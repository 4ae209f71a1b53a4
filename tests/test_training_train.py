"""Whole trainings of a tiny network on a planted task: what they learn, leave behind, choose by, and refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from training_fixtures import CLASSES, ROOT, contents, planted, recipe

from xai_core import models
from xai_core.datasets import read_image
from xai_core.errors import BadInput
from xai_core.scores import metrics
from xai_core.training import loop, train
from xai_core.training.start import start

FOLDED = "stem.1"  # the tiny network's batch norm


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return tmp_path_factory.mktemp("planted")


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    """Return (folder, card, lines said) of one training that the tests below look at."""
    folder, said = tmp_path_factory.mktemp("models") / "tiny", []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        card = train(planted(images), recipe(epochs=6), folder, say=said.append)
    return folder, card, said


def test_a_planted_task_is_learned(trained):
    _, card, said = trained
    assert card["metrics"]["test"]["auc"]["value"] > 0.95
    assert card["metrics"]["validation"]["auc"]["value"] > 0.95
    assert len([line for line in said if line.startswith("epoch")]) == card["training"]["epochs_done"]


def test_the_folder_holds_what_it_should(trained):
    folder, card, _ = trained
    files = {name for name in contents(folder) if "/" not in name}
    assert files == {"card.json", "weights.safetensors", "history.csv", "predictions.parquet", "reliability.png"}
    assert models.checkpoints(folder) == (0, 1, 2, 4, 8, 12, 16, 20, 24)
    assert json.loads((folder / "card.json").read_text()) == card
    history = pd.read_csv(folder / "history.csv")
    assert list(history["epoch"]) == list(range(1, card["training"]["epochs_done"] + 1))
    assert history["validation_metric"].max() == card["training"]["validation_metric"]


def test_the_card_says_what_it_is_and_how_good(trained):
    _, card, _ = trained
    assert card["recipe"] == recipe(epochs=6).as_dict()
    assert card["class_names"] == list(CLASSES)
    assert card["data"]["counts"]["train"] == {"benign": 16, "malignant": 16}
    assert card["data"]["positive"] == "malignant"
    assert card["data"]["synthetic"] is True
    assert set(card["metrics"]) == {"validation", "test"}
    for part in card["metrics"].values():
        assert set(part) == set(metrics.NAMES)
    assert set(card["subgroups"]["test"]) == {"sex", "age", "lesion_area"}
    assert sum(g["auc"]["n"] for g in card["subgroups"]["test"]["sex"].values()) == 16
    assert sum(b["n"] for b in card["calibration"]["test"]) == 16
    points = card["operating_points"]
    assert points["0.5"]["threshold"] == 0.5
    assert points["sensitivity_95"]["validation"]["sensitivity"]["value"] >= 0.95
    assert {"torch", "timm", "python", "xai_core"} <= set(card["versions"])


def test_everything_can_be_computed_again_from_the_predictions(trained):
    folder, card, _ = trained
    table = pd.read_parquet(folder / "predictions.parquet")
    for part, rows in table.groupby("split"):
        labels = rows["label"].map(CLASSES.index).to_numpy()
        p = rows[[f"p_{name}" for name in CLASSES]].to_numpy()
        assert metrics.evaluate(labels, p, positive=1) == card["metrics"][part]


def test_the_folder_loads_and_says_the_same(trained, images):
    folder, card, _ = trained
    classifier = models.load(folder, device="cpu")
    assert classifier.digest == card["digest"]
    assert classifier.cam_layer == "body"
    table = pd.read_parquet(folder / "predictions.parquet").set_index("sample")
    test = planted(images).only("test").samples
    place = classifier.preprocessing.frame.place
    frames = np.stack([place((48, 60)).image(read_image(s.image)) for s in test])
    p = classifier.probabilities(classifier.normalise(frames)).numpy()
    np.testing.assert_allclose(p[:, 1], table.loc[[s.id for s in test], "p_malignant"], atol=1e-5)


def test_checkpoints_lead_from_the_start_to_the_end(trained):
    folder, card, _ = trained
    first = models.load(f"{folder}?checkpoint=0", device="cpu").network.state_dict()
    begun = start(recipe(epochs=6), CLASSES).network.state_dict()
    for name, tensor in begun.items():
        torch.testing.assert_close(first[name], tensor, rtol=5e-4, atol=1e-6)
    best = card["training"]["best_step"]
    kept = models.load(f"{folder}?checkpoint={best}", device="cpu").network.state_dict()
    for name, tensor in models.load(folder, device="cpu").network.state_dict().items():
        torch.testing.assert_close(kept[name], tensor, rtol=5e-4, atol=1e-6)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(trained, images, tmp_path):
    folder, card, _ = trained
    train(planted(images), recipe(epochs=6), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(folder)
    other = train(planted(images), recipe(epochs=6, seed=1), tmp_path / "other")
    assert other["digest"] != card["digest"]


def test_the_test_part_decides_nothing(trained, images, tmp_path):
    _, card, _ = trained
    flipped = train(planted(images, test_labels="flipped"), recipe(epochs=6), tmp_path / "flipped")
    assert flipped["digest"] == card["digest"]
    assert flipped["metrics"]["validation"] == card["metrics"]["validation"]
    assert flipped["metrics"]["test"]["auc"]["value"] == pytest.approx(1 - card["metrics"]["test"]["auc"]["value"])
    without = replace(planted(images), samples=tuple(s for s in planted(images).samples if s.split != "test"))
    alone = train(without, recipe(epochs=6), tmp_path / "without")
    assert alone["digest"] == card["digest"]
    assert set(alone["metrics"]) == {"validation"}


def test_it_stops_when_nothing_gets_better(images, tmp_path):
    card = train(planted(images), recipe(epochs=30, patience=2), tmp_path / "m")
    done, best = card["training"]["epochs_done"], card["training"]["best_epoch"]
    assert done == best + 2 < 30


def test_broken_and_unlabelled_samples_are_counted_not_hidden(images, tmp_path):
    dataset = planted(images)
    samples = list(dataset.samples)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no more")
    samples[0] = replace(samples[0], image=tmp_path / "broken.png")  # train
    samples[1] = replace(samples[1], label=None)  # train
    samples[6] = replace(samples[6], label=None)  # test
    card = train(replace(dataset, samples=tuple(samples)), recipe(epochs=1), tmp_path / "m")
    assert card["data"]["counts"]["train"] == {"benign": 15, "malignant": 15}
    assert card["data"]["counts"]["test"]["unlabelled"] == 1
    assert [(row["id"], row["kind"], row["split"]) for row in card["data"]["skipped"]] == [
        ("s000", "file_unreadable", "train")
    ]
    table = pd.read_parquet(tmp_path / "m" / "predictions.parquet").set_index("sample")
    assert table.loc["s006", "label"] is None or pd.isna(table.loc["s006", "label"])


def weights_file(path, *, classes: int, folded: bool):
    """Return a file with weights of the tiny network; `folded`: its batch norm carries no statistics."""
    torch.manual_seed(8)
    network = models.build(models.architecture("import", "tests.tiny_networks:Tiny", classes))
    state = network.state_dict()
    if not folded:
        state[f"{FOLDED}.running_mean"] += 0.3
    state[f"{FOLDED}.bias"] += 0.5
    return models.save_weights({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, path)


@pytest.mark.parametrize(("folded", "said"), [(True, "frozen"), (False, "train")])
def test_folded_batch_norm_stays_frozen(images, tmp_path, folded, said):
    file = weights_file(tmp_path / "a.safetensors", classes=7, folded=folded)
    lines = []
    tuned = recipe(pathway="fine-tune", weights=str(file), epochs=2)
    card = train(planted(images), tuned, tmp_path / "m", say=lines.append)
    assert card["training"]["batch_norm"] == said
    assert card["training"]["new_tensors"] == ["head.bias", "head.weight"]
    assert any("head.weight" in line for line in lines)
    before, after = models.load_weights(file), models.load_weights(tmp_path / "m" / "weights.safetensors")
    moved = {name for name in before if not torch.equal(before[name].float(), after[name].float())}
    assert (f"{FOLDED}.running_var" in moved) is not folded
    assert f"{FOLDED}.weight" in moved, "scale and shift are trained either way"


def test_a_linear_probe_moves_the_head_alone(images, tmp_path):
    file = weights_file(tmp_path / "a.safetensors", classes=7, folded=False)
    probe = recipe(pathway="linear-probe", weights=str(file), epochs=20, lr=0.05, patience=0)
    card = train(planted(images), probe, tmp_path / "m")
    assert card["training"]["batch_norm"] == "frozen"
    assert card["metrics"]["test"]["auc"]["value"] > 0.8
    before, after = models.load_weights(file), models.load_weights(tmp_path / "m" / "weights.safetensors")
    moved = {name for name in before if not torch.equal(before[name].float(), after[name].float())}
    assert moved == {"head.weight", "head.bias"}
    history = pd.read_csv(tmp_path / "m" / "history.csv")
    # the loop saw scaled features, the folder's network sees them as they come: the calls are the same
    assert card["metrics"]["validation"]["auc"]["value"] == pytest.approx(history["validation_metric"].max())
    step0 = models.load(f"{tmp_path / 'm'}?checkpoint=0", device="cpu").network
    assert not step0.head.weight.any()


def test_mixed_precision_trains_too(images, tmp_path):
    card = train(planted(images), recipe(epochs=6, precision="bfloat16"), tmp_path / "m")
    assert card["metrics"]["test"]["auc"]["value"] > 0.9


def test_folders_are_not_overwritten(trained, images, tmp_path):
    folder, card, _ = trained
    with pytest.raises(BadInput, match="a trained model"):
        train(planted(images), recipe(epochs=6), folder)
    assert train(planted(images), recipe(epochs=6), folder, resume=True) == card
    with pytest.raises(BadInput, match="another recipe"):
        train(planted(images), recipe(epochs=7), folder, resume=True)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(BadInput, match="chapter1"):
        train(planted(images), recipe(), tmp_path / "thesis")


class Stop(Exception):
    pass


def stop_after(wanted: int):
    """Return a listener that ends a training after its first `wanted` steps, counted from where it went on."""
    heard: list[int] = []

    def listen(step: int, total: int) -> None:
        heard.append(step)
        if len(heard) == wanted:
            raise Stop

    return listen


@pytest.mark.parametrize("pathway", ["fine-tune", "linear-probe"])
def test_interrupted_at_every_third_step_it_ends_the_same(images, tmp_path, monkeypatch, pathway):
    monkeypatch.setattr(loop, "SAVE_SHARE", 0)
    file = weights_file(tmp_path / "a.safetensors", classes=7, folded=True)
    asked = recipe(pathway=pathway, weights=str(file), epochs=3, patience=0)
    whole = train(planted(images), asked, tmp_path / "whole")
    interruptions = 0
    while not (tmp_path / "parts" / "card.json").exists():
        try:
            train(planted(images), asked, tmp_path / "parts", resume=True, progress=stop_after(3), save_seconds=0)
        except Stop:
            interruptions += 1
    assert interruptions > 3
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert whole["training"]["epochs_done"] == 3


def test_a_training_goes_on_only_as_it_was_begun(images, tmp_path):
    with pytest.raises(Stop):
        train(planted(images), recipe(epochs=6), tmp_path / "m", progress=stop_after(10), save_seconds=0)
    with pytest.raises(BadInput, match="--resume"):
        train(planted(images), recipe(epochs=6), tmp_path / "m")
    with pytest.raises(BadInput, match=r"lr \(0.02 before, 0.01 now\)"):
        train(planted(images), recipe(epochs=6, lr=0.01), tmp_path / "m", resume=True)
    with pytest.raises(BadInput, match="data"):
        train(planted(images, 48), recipe(epochs=6), tmp_path / "m", resume=True)
    with pytest.raises(BadInput, match="has not ended"):
        models.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arch": "import:tests.tiny_networks:Tiny?weights=a.pth"}, "setting of their own"),
        ({"arch": "mobilenetv2_10"}, "did you mean"),
        ({"fit": "stretch"}, "squash"),
    ],
)
def test_recipes_that_cannot_work_are_refused(images, tmp_path, changes, said):
    with pytest.raises(BadInput, match=said):
        train(planted(images), recipe(**changes), tmp_path / "m")


@pytest.mark.parametrize("balanced", [True, False])
def test_a_last_class_without_a_training_sample_is_said_and_kept(images, tmp_path, balanced):
    told: list[str] = []
    three = replace(planted(images), class_names=(*CLASSES, "nevus"), positive=None)
    train(three, recipe(epochs=1, class_weights=balanced), tmp_path / "m", say=told.append)
    assert "no training sample of: nevus" in told
    assert models.load(tmp_path / "m").class_names == three.class_names


def test_a_loss_that_bursts_is_said(images, tmp_path):
    file = weights_file(tmp_path / "a.safetensors", classes=2, folded=True)
    state = {k: v.float() for k, v in models.load_weights(file).items()}
    huge = models.save_weights(
        {k: v * 1e30 if "weight" in k else v for k, v in state.items()}, tmp_path / "b.safetensors"
    )
    tuned = recipe(pathway="fine-tune", weights=str(huge))
    with pytest.raises(BadInput, match="lower lr"):
        train(planted(images), tuned, tmp_path / "m")


def test_there_must_be_something_to_learn_and_to_choose_by(images, tmp_path):
    dataset = planted(images)
    one_class = replace(dataset, samples=tuple(s for s in dataset.samples if s.label == 0))
    with pytest.raises(BadInput, match="two classes"):
        train(one_class, recipe(), tmp_path / "a")
    empty = replace(dataset, samples=())
    with pytest.raises(BadInput):
        train(empty, recipe(), tmp_path / "b")

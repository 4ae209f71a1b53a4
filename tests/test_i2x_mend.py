"""Mending a tiny network from end to end: what is trained once, on what, from where, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from killing import kill_while_working
from mend_fixtures import CARRIED, COMMON, NOWHERE, make_track, train_tiny
from training_fixtures import ROOT, contents

from xai_core.cli import main
from xai_core.datasets import open_dataset
from xai_core.errors import BadInput
from xai_core.files import is_sealed
from xai_core.i2x import confusion, curated, strategies
from xai_core.i2x.confusion import Confusion, named, within
from xai_core.i2x.follow import follow
from xai_core.i2x.material import Choices
from xai_core.i2x.mend import mend
from xai_core.i2x.mend_settings import Options
from xai_core.i2x.store import open_track
from xai_core.i2x.strategies import STRATEGIES
from xai_core.models import load
from xai_core.training import fine_tune
from xai_core.training.fine_tune import FineTuning
from xai_core.training.loop import rate
from xai_core.training.updates import Updates

MARK = Confusion(("A", "B"), (CARRIED,), "both were named")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with ``pictures``, ``model``, ``track`` and ``mended``: two repeats."""
    place = tmp_path_factory.mktemp("mend")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        spec = train_tiny(place)
        track = make_track(place / "track", spec, place / "model")
        patch.setattr(FineTuning, "epoch", counted(FineTuning.epoch))
        mend(track, place / "mended", Options(), MARK, repeats=2)
    return place


EPOCHS: list[tuple[int, int, int]] = []


def counted(epoch):
    """Return an `epoch` that notes seed, number and how many samples it is on."""

    def count(self, start, weights, seed, number, tell=lambda: None):
        EPOCHS.append((seed, number, int(np.count_nonzero(weights))))
        return epoch(self, start, weights, seed, number, tell)

    return count


def track_of(folder: Path):
    return open_track(folder / "track")


def carriers(folder: Path, of: tuple[str, ...] = ("A", "B"), presence: float = 0.05) -> list[bool]:
    """Return which training samples carry the mark, one place after the other."""
    track, found = track_of(folder), []
    for label, places in zip(track.samples["label"], track.places(), strict=True):
        count = sum(1 for prototype in places.tolist() if prototype == CARRIED)
        found.append(track.class_names[label] in of and count / len(places) >= presence)
    return found


# --- what is trained, and on what


def test_first_epochs_are_shared_and_everything_is_trained_once(folder):
    n, drop = len(track_of(folder)), sum(carriers(folder))
    firsts = [(n, 1), (n - drop, 2)]
    assert drop > 20
    for seed in (0, 1):
        for number, expected in ((0, dict(firsts)), (1, {n: 3, n - drop: 1})):
            sizes = [size for s, k, size in EPOCHS if (s, k) == (seed, number)]
            assert {size: sizes.count(size) for size in set(sizes)} == expected
    assert len(EPOCHS) == 2 * 7


def test_the_curated_set_is_that_of_a_slow_loop(folder):
    table = pd.read_parquet(folder / "mended" / "curated.parquet")
    track = track_of(folder)
    assert table["sample_id"].tolist() == track.samples["sample_id"].tolist()
    assert table["dropped"].tolist() == carriers(folder)
    outcome = json.loads((folder / "mended" / "mend.json").read_text())
    assert sum(outcome["dropped"].values()) == sum(carriers(folder))
    assert outcome["dropped"]["C"] == outcome["dropped"]["D"] == 0


def test_presence_and_classes_decide_who_carries(folder):
    track = track_of(folder)
    largest, labels = track.share()[:, [CARRIED, COMMON]].max(1), track.samples["label"].to_numpy()
    assert np.array_equal(curated.largest_share(track.share(), (CARRIED, COMMON)), largest)
    mark = curated.largest_share(track.share(), (CARRIED,))
    for presence in (0.01, 0.1):
        found = curated.dropped(mark, labels, presence, (0,), "ABCD", 0.99)
        assert found.tolist() == carriers(folder, ("A",), presence)


def test_a_class_of_which_most_carries_the_prototype_is_left_whole():
    labels = np.repeat([0, 1, 2], 10)
    largest = np.where(np.arange(30) % 10 < np.array([9, 3, 10])[labels], 0.2, 0.0).astype(np.float32)
    found = curated.dropped(largest, labels, 0.05, (0, 1), "ABC", 0.5)
    assert np.flatnonzero(found).tolist() == [10, 11, 12]
    assert curated.dropped(largest, labels, 0.05, (0, 1), "ABC", 0.9).sum() == 12


@pytest.mark.parametrize("seed", range(5))
def test_as_many_of_each_class_are_dropped_at_random(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 300)
    drop = (rng.random(300) < 0.2) & (labels > 1)
    drawn = curated.at_random(drop, labels, seed)
    assert np.array_equal(np.bincount(labels[drawn], minlength=4), np.bincount(labels[drop], minlength=4))
    assert np.array_equal(drawn, curated.at_random(drop, labels, seed))
    assert not np.array_equal(drawn, curated.at_random(drop, labels, seed + 1))
    assert (drawn & ~drop).any(), "it is no copy of those that were dropped"


def tuning(folder: Path, schedule: str = "constant", **changes: object) -> FineTuning:
    """Return the fine-tuning of the tiny network on its track's samples."""
    model = folder / "model"
    classifier = load(f"{model}?checkpoint={track_of(folder).steps[-1]}")
    samples = open_dataset(track_of(folder).settings["dataset"]).only("train").samples
    frames = np.stack([_frame(classifier, sample.image) for sample in samples])
    recipe, batch_norm = fine_tune.recipe_of(model)
    labels = np.array([s.label for s in samples])
    return FineTuning(classifier, replace(recipe, **changes), batch_norm, frames, labels, schedule)


def _frame(classifier, image: Path) -> np.ndarray:
    from xai_core.datasets import read_image

    picture = read_image(image)
    return classifier.preprocessing.frame.place(picture.shape[:2]).image(picture)


def test_an_epoch_is_that_of_a_plain_loop(folder):
    one = tuning(folder, lr=0.001, augmentation=0.0, orientation="fixed", class_weights=False, weight_decay=0.0)
    for module in one.classifier.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    weights = np.where(carriers(folder), 0.25, 1.0)
    weights[30:] = 0.0
    one.epoch(one.start, weights, seed=4, number=0)
    found = {name: tensor.clone() for name, tensor in one.state.items()}

    network = one.classifier.network
    network.load_state_dict(one.start)
    network.train()
    plain = torch.optim.AdamW(network.parameters(), lr=0.001, weight_decay=0.0)
    order = [k for k in np.random.default_rng((4, 0)).permutation(len(weights)) if weights[k] > 0]
    for first in range(0, len(order) - 7, 8):
        chosen = sorted(order[first : first + 8])
        inputs = one.classifier.normalise(one.canvases[chosen])
        each = -network(inputs).log_softmax(1)[range(8), one.labels[chosen]]
        counted = torch.tensor(weights[chosen], dtype=torch.float32)
        plain.zero_grad()
        ((each * counted).sum() / counted.sum()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        plain.step()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=2e-4)


def test_a_second_epoch_begins_where_the_first_ended(folder):
    one = tuning(folder, lr=json.loads((folder / "mended" / "mend.json").read_text())["settings"]["lr"])
    before = strategies.said(folder / "mended" / "before.parquet")
    test = open_dataset(track_of(folder).settings["dataset"]).only("test").samples
    frames = np.stack([_frame(one.classifier, sample.image) for sample in test])
    np.testing.assert_array_equal(one.probabilities(frames), before)
    drop = np.array(carriers(folder))
    for name in ("curated-full", "random-full"):
        first, second = (curated.weights_of(s, drop, one.labels, 1, 0.0) for s in name.split("-"))
        one.epoch(one.start, first, 1, 0)
        begun = {key: tensor.clone() for key, tensor in one.state.items()}
        one.epoch(begun, second, 1, 1)
        kept = strategies.said(folder / "mended" / "repeats" / "seed-1" / f"{name}.parquet")
        np.testing.assert_allclose(one.probabilities(frames), kept, atol=1e-6)


def test_a_mended_network_says_what_was_judged(folder):
    one = load(folder / "mended" / "models" / "seed-1", device="cpu")
    test = open_dataset(track_of(folder).settings["dataset"]).only("test").samples
    p = one.probabilities(one.normalise(np.stack([_frame(one, sample.image) for sample in test]))).numpy()
    kept = strategies.said(folder / "mended" / "repeats" / "seed-1" / "curated-full.parquet")
    np.testing.assert_allclose(p, kept, atol=1e-5)
    card = json.loads((folder / "mended" / "models" / "seed-1" / "card.json").read_text())
    assert (card["mended"]["strategy"], card["mended"]["seed"]) == ("curated-full", 1)
    assert card["mended"]["classifier"] == track_of(folder).settings["classifier_digest"] != card["digest"]


@pytest.mark.parametrize(("asked", "expected"), [({}, 0.002), ({"schedule": "recipe"}, 0.02), ({"lr": 0.5}, 0.5)])
def test_the_learning_rate_is_a_tenth_unless_asked_otherwise(folder, tmp_path, asked, expected):
    out = mend(track_of(folder), tmp_path / "out", Options(**asked), MARK, repeats=1)
    assert out["settings"]["lr"] == pytest.approx(expected)


def test_the_recipes_schedule_can_be_repeated_in_each_epoch(folder, monkeypatch):
    rates = []
    monkeypatch.setattr(Updates, "__call__", lambda self, key, lr, *rest: rates.append(lr) or 0.0)
    for schedule in fine_tune.SCHEDULES:
        one = tuning(folder, schedule, lr=0.02)
        one.epoch(one.start, np.ones(len(one.labels)), 0, 0)
    half = len(rates) // 2
    assert rates[:half] == [0.02] * half
    assert rates[half:] == [0.02 * rate(step, half, 0.1) for step in range(half)]


# --- what is kept


def test_the_folder_holds_every_prediction_and_the_mended_networks(folder):
    whole = {"settings.json", "curated.parquet", "before.parquet", "mend.json", "table.csv"}
    predictions = {f"repeats/seed-{seed}/{name}.parquet" for seed in (0, 1) for name in STRATEGIES}
    networks = {f"models/seed-{seed}/{name}" for seed in (0, 1) for name in ("card.json", "weights.safetensors")}
    assert set(contents(folder / "mended")) == whole | predictions | networks
    table = pd.read_parquet(folder / "mended" / "repeats" / "seed-0" / "full.parquet")
    test = open_dataset(track_of(folder).settings["dataset"]).only("test").samples
    assert table["sample_id"].tolist() == [s.id for s in test]
    assert table["label"].tolist() == [s.label for s in test]
    assert np.stack(table["probabilities"]).sum(1) == pytest.approx(1, abs=1e-5)


def test_the_figures_are_those_of_the_predictions(folder):
    outcome = json.loads((folder / "mended" / "mend.json").read_text())
    assert is_sealed(outcome)
    for name in STRATEGIES:
        tables = [pd.read_parquet(folder / "mended" / "repeats" / f"seed-{s}" / f"{name}.parquet") for s in (0, 1)]
        called = [np.stack(t["probabilities"]).argmax(1) for t in tables]
        right = [(c == t["label"]).mean() for c, t in zip(called, tables, strict=True)]
        confused = [((c + t["label"] == 1) & (c < 2)).sum() for c, t in zip(called, tables, strict=True)]
        row = outcome["rows"][name]
        assert row["accuracy"]["each"] == pytest.approx(right)
        assert row["confusions"]["each"] == confused


def test_going_on_does_nothing_twice_and_ends_the_same(folder, tmp_path, monkeypatch):
    done = []

    class Enough(Exception):
        pass

    def stop_at(count: int):
        def epoch(self, *arguments):
            if len(done) == count:
                raise Enough
            done.append(arguments[2:4])
            return whole(self, *arguments)

        return epoch

    whole = FineTuning.epoch
    track = track_of(folder)
    for count in (2, 5, 11):
        monkeypatch.setattr(FineTuning, "epoch", stop_at(count))
        with pytest.raises(Enough):
            mend(track, tmp_path / "out", Options(), MARK, repeats=2, resume=True)
    monkeypatch.setattr(FineTuning, "epoch", stop_at(99))
    mend(track, tmp_path / "out", Options(), MARK, repeats=2, resume=True)
    assert len(done) == 14
    assert contents(tmp_path / "out") == contents(folder / "mended")
    told = []
    again = mend(track, tmp_path / "out", Options(), MARK, repeats=2, resume=True, progress=lambda *a: told.append(a))
    assert not told
    assert again == json.loads((folder / "mended" / "mend.json").read_text())


def asked(folder: Path, out: Path) -> list[str]:
    """Return the command line that `folder` was mended by, but into `out`."""
    names = ["i2x", "mend", folder / "track", "--out", out, "--pair", "A,B", "--prototype", CARRIED, "--repeats", 2]
    return [*map(str, names), "--resume"]


@pytest.mark.parametrize(
    ("kills", "begun"), [(1, "repeat 1 of 2: curated"), pytest.param(12, "repeat", marks=pytest.mark.long)]
)
def test_a_killed_mending_ends_the_same(folder, tmp_path, kills, begun):
    working = kill_while_working(asked(folder, tmp_path), begun, kills, seed=3, longest=0.3)
    assert working >= kills / 2
    assert contents(tmp_path) == contents(folder / "mended")


def test_the_command_prints_the_table_and_the_verdict(folder, capsys):
    assert main(asked(folder, folder / "mended")) == 0
    said = capsys.readouterr().out
    outcome = json.loads((folder / "mended" / "mend.json").read_text())
    assert "A and B, prototype P-1 (both were named)" in said
    assert f"curated: {sum(carriers(folder))} of 128 training samples are left out" in said
    for name, row in outcome["rows"].items():
        line = next(line for line in said.splitlines() if line.startswith(f"  {name} "))
        assert f"{100 * row['accuracy']['mean']:.2f}" in line
        assert f"{row['confusions']['mean']:.1f}" in line
    assert all(sentence in said for sentence in outcome["verdict"])
    assert main([*asked(folder, folder / "mended"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == outcome


# --- from a real track, and from its structure


def test_a_followed_training_can_be_mended(folder, tmp_path):
    spec = f"{track_of(folder).settings['dataset']}?classes=D,B,C,A"
    track = follow(open_dataset(spec), folder / "model", tmp_path / "track", Choices(prototypes=8), threads=1)
    of_pair = track.samples["label"].isin([0, 1]).to_numpy() & (track.samples["split"] == "train").to_numpy()
    carried = (track.share()[of_pair] >= 0.05).mean(0)
    best = int(np.abs(carried - 0.5).argmin())
    carried_by_most = Options(most=0.99)
    outcome = mend(track, tmp_path / "out", carried_by_most, Confusion(("A", "B"), (best,), ""), repeats=1, threads=1)
    assert sum(outcome["samples"].values()) == 128
    assert sum(outcome["dropped"].values()) == round(carried[best] * of_pair.sum()) > 0
    before = pd.read_parquet(tmp_path / "out" / "before.parquet").set_index("sample_id")
    assert before.equals(pd.read_parquet(folder / "mended" / "before.parquet").set_index("sample_id"))


def test_what_is_not_named_comes_from_the_structure(monkeypatch):
    rows = [
        {"prototype": 7, "p": 0.01, "score": 3.0, "coverage": [0.99, 0.7]},
        {"prototype": 6, "p": 0.02, "score": 3.0, "coverage": [0.0, 0.0]},
        {"prototype": 5, "p": 0.04, "score": 2.0, "coverage": [0.3, 0.4]},
        {"prototype": 2, "p": 0.4, "score": 2.5, "coverage": [0.3, 0.4]},
    ]
    pairs = [
        {"classes": ["C", "D"], "confused": 9, "prototypes": rows},
        {"classes": ["A", "B"], "confused": 4, "prototypes": rows[3:]},
        {"classes": ["A", "C"], "confused": 1, "prototypes": rows[:2]},
    ]
    found = {"pairs": pairs, "options": {"level": 0.05, "in_all": 0.95}}
    monkeypatch.setattr(confusion, "structure", lambda track, progress: found)
    track = SimpleNamespace(class_names=("A", "B", "C", "D"), prototypes=8)
    most = confusion.chosen(track, None, ())
    assert (most.pair, most.prototypes) == (("C", "D"), (5,))
    assert "confuses 9 of" in most.why
    assert "the surest of 1 uncertain by the test (score 2, p 0.04)" in most.why
    other = confusion.chosen(track, "B,A", ())
    assert (other.pair, other.prototypes, other.indices("ABCD")) == (("B", "A"), (2,), (1, 0))
    assert "no prototype is uncertain by the test" in other.why
    assert confusion.chosen(track, None, (1, 2)).prototypes == (1, 2)
    with pytest.raises(BadInput, match="A and C.*some but not most of a class"):
        confusion.chosen(track, "A,C", ())


# --- what is refused


@pytest.mark.parametrize(
    ("options", "asked_for", "said"),
    [
        (Options(), Confusion(("A", "B"), (NOWHERE,), ""), "found none; the largest share is 0%"),
        (Options(presence=0.9), MARK, "the largest share is"),
        (Options(of="all"), Confusion(("A", "B"), (COMMON,), ""), "more than 50% of A, B, C, D, which is left whole"),
        (Options(), Confusion(("A", "B"), (COMMON,), ""), "more than 50% of A, B, which is left whole"),
        (Options(split="train"), MARK, "another --split"),
        (Options(split="nowhere"), MARK, "no such sample in 'nowhere'"),
    ],
)
def test_sets_that_make_no_sense_are_refused(folder, tmp_path, options, asked_for, said):
    with pytest.raises(BadInput, match=said):
        mend(track_of(folder), tmp_path / "out", options, asked_for, repeats=1)
    mend(track_of(folder), tmp_path / "out", Options(), MARK, repeats=1)


def test_names_that_are_none_of_the_tracks_are_refused():
    assert named("A, B", ("A", "B", "C")) == ("A", "B")
    assert named("one, two,three", ("one, two", "three")) == ("one, two", "three")
    for pair in ("A", "A,A", "A,X", ",", "A,B,C"):
        with pytest.raises(BadInput, match="two of the classes A, B, C"):
            named(pair, ("A", "B", "C"))
    assert within((3, 1, 3), 4) == (3, 1)
    with pytest.raises(BadInput, match=r"0 to 3.*found 4, -1"):
        within((4, 1, -1), 4)


def test_a_track_of_another_model_is_refused(folder, tmp_path):
    other = train_tiny(tmp_path, seed=1)
    with pytest.raises(BadInput, match="the classifier that the track follows"):
        mend(track_of(folder), tmp_path / "out", Options(), MARK, model=str(tmp_path / "model"))
    with pytest.raises(BadInput, match="the training samples of"):
        track = make_track(tmp_path / "track", other, tmp_path / "model")
        (tmp_path / "pictures" / "003.png").write_bytes(b"no image")
        mend(track, tmp_path / "out", Options(), MARK)


def test_other_work_in_the_folder_is_refused(folder):
    track = track_of(folder)
    with pytest.raises(BadInput, match="work that was begun; go on with --resume"):
        mend(track, folder / "mended", Options(), MARK)
    with pytest.raises(BadInput, match="a new folder; found card.json"):
        mend(track, folder / "model", Options(), MARK)
    with pytest.raises(BadInput, match="work with another options"):
        mend(track, folder / "mended", Options(weight=0.5), MARK, resume=True)

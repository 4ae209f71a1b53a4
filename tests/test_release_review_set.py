"""The review set: planted strata, quotas, triplets, and that no byte and no outline can be changed unseen."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pytest
from review_fixtures import CLASSES, CROP, PAD, SQUASH, record, write_run

from tests.runs_fixtures import make_dataset, tiny_classifier
from xai_core.cli import main
from xai_core.errors import BadInput
from xai_core.geometry import Frame
from xai_core.release import review_set, strata
from xai_core.runs import Run, explain_dataset, open_run

RUN = "sample_data/runs/grad_cam/predicted"


def planted(k: int, chance: float, frame: Frame = SQUASH, **more) -> dict:
    """Return a record that the classifier called malignant with this probability."""
    called = int(chance >= 0.5)
    answer = {
        "probabilities": [1 - chance, chance],
        "predicted": CLASSES[called],
        "predicted_index": called,
        "confidence": max(chance, 1 - chance),
        "image_hash": f"hash{k}",
        "annotation_area": 0.01 * (k % 37 + 1),
    }
    return record(k, (90, 150), frame) | answer | more


def run_of(folder, chances, **more) -> Run:
    """Return a run whose record k is of class k % 2."""
    settings = {name: more.pop(name) for name in ("classifier_digest", "threshold", "frame") if name in more}
    frame = settings.get("frame", SQUASH)
    records = [planted(k, chance, frame, **more) for k, chance in enumerate(chances)]
    return write_run(folder, folder.parent / "data", records, **settings)


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> tuple[Run, Run]:
    tmp_path = tmp_path_factory.mktemp("two")
    rng = np.random.default_rng(3)
    label = np.arange(160) % 2
    right = np.clip(label + np.where(label, -1, 1) * rng.beta(1, 2, 160), 0.001, 0.999)
    other = np.clip(right + rng.normal(0, 0.1, 160), 0.001, 0.999)
    return run_of(tmp_path / "a", right), run_of(tmp_path / "b", other, classifier_digest="c2")


def slow_strata(runs) -> dict[str, str]:
    """Return the stratum of each sample at 0.5, written out from METHODS 4."""
    p = np.array([run.probabilities()[:, 1].astype(float) for run in runs])
    margin = abs(2 * p - 1)
    label = np.arange(p.shape[1]) % 2
    found = {}
    for k in range(p.shape[1]):
        below = [(margin[r, k] <= np.quantile(margin[r], 0.2)) for r in range(len(runs))]
        sure = [(margin[r, k] >= np.quantile(margin[r], 0.7)) for r in range(len(runs))]
        wrong = [(p[r, k] >= 0.5) != label[k] for r in range(len(runs))]
        name = "failure" if any(wrong) else "borderline" if any(below) else "easy" if all(sure) else ""
        found[f"id{k:03d}"] = name
    return found


def test_strata_are_those_of_the_method(two):
    expected = slow_strata(two)
    chosen = review_set.choose(two)
    assert chosen.items
    for item in chosen.items:
        assert item.stratum == expected[item.sample_id]
    available = Counter((CLASSES[int(i[2:]) % 2], name) for i, name in expected.items() if name)
    assert {(c.label, c.stratum): c.available for c in chosen.cells} == {
        (label, s): available[label, s] for label in CLASSES for s in strata.STRATA
    }


def test_quotas_are_equal_and_the_tertiles_balanced(two):
    chosen = review_set.choose(two, per_cell=6)
    assert Counter((i.label, i.stratum) for i in chosen.items) == {(la, s): 6 for la in CLASSES for s in strata.STRATA}
    failures = Counter((i.label, i.area_tertile) for i in chosen.items if i.stratum == "failure")
    assert set(failures.values()) == {2}
    assert all((c.taken, c.quota) == (6, 6) for c in chosen.cells)


def test_quota_without_a_number():
    cells = {"rich": 40, "poor": 12}
    assert strata.quota_of(Counter({f"{n}{k}": have for n, have in cells.items() for k in range(3)})) == 12
    # 60 items where the records allow: 11 * 5 + 8
    assert strata.quota_of(Counter({"a": 8, **dict.fromkeys("bcdef", 50)})) == 11
    assert strata.quota_of(Counter({"a": 3, "b": 2, "c": 5, "d": 4, "e": 1, "f": 9})) == 10
    assert strata.quota_of(Counter(dict.fromkeys("abcdef", 500))) == 20


def test_neither_order_nor_repetition_changes_it(two, tmp_path):
    first, second = two
    chosen = review_set.choose([first, second], seed=4)
    assert review_set.choose([second, first], seed=4) == chosen
    assert review_set.choose([first, second], seed=5).items != chosen.items
    assert len({item.sample_id for item in chosen.items}) == len(chosen.items)


def test_triplets_are_of_one_class_and_near(two):
    chosen = review_set.choose(two)
    triplets = chosen.triplets()
    assert len(triplets) > 5 and chosen.matched_by == strata.BY_AREA
    used = Counter(item.sample_id for triplet in triplets for item in triplet)
    assert set(used.values()) == {1}
    for triplet in triplets:
        assert [item.stratum for item in triplet] == ["failure", "easy", "borderline"]
        assert len({item.label for item in triplet}) == 1
    assert {i.sample_id for i in chosen.items if i.triplet} == set(used)


def test_the_nearest_by_features_is_taken(tmp_path):
    """A failure and two mates lie far from all others, who have no reason to take them."""
    from xai_core.review import neighbours

    rng = np.random.default_rng(3)
    label = np.arange(160) % 2
    chances = np.clip(label + np.where(label, -1, 1) * rng.beta(1, 2, 160), 0.001, 0.999)
    run = run_of(tmp_path / "a", chances, annotation_area=0.1)
    benign = {k: name for k, name in slow_strata([run]).items() if int(k[2:]) % 2 == 0}
    family = [next(k for k, name in benign.items() if name == s) for s in ("failure", "easy", "borderline")]
    features = {f"hash{k}": np.append(rng.normal(size=7), 0).astype(np.float32) for k in range(160)}
    for k in family:
        features[f"hash{int(k[2:])}"][7] = 20
    neighbours._write(run.folder / neighbours.FILE, run, features)
    chosen = review_set.choose([run], per_cell=50)
    assert chosen.matched_by == strata.BY_FEATURES
    assert family in [[item.sample_id for item in triplet] for triplet in chosen.triplets()]


def test_margin_is_the_distance_from_the_operating_point(tmp_path):
    run = run_of(tmp_path / "r", [0.1, 0.2, 0.6, 1.0, 0.0], threshold=0.2)
    assert strata.margins(run, run.probabilities()) == pytest.approx([0.5, 0.0, 0.5, 1.0, 1.0], abs=1e-6)
    even = run_of(tmp_path / "even", [0.1, 0.7])
    assert strata.margins(even, even.probabilities()) == pytest.approx([0.8, 0.4], abs=1e-6)


def test_file_comes_back_and_every_byte_counts(two, tmp_path):
    chosen = review_set.choose(two, per_cell=1)
    file = chosen.save(tmp_path / "set.json")
    assert review_set.read(file) == chosen
    good = file.read_bytes()
    for place in np.random.default_rng(0).choice(len(good), 200, replace=False):
        changed = bytearray(good)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises(BadInput):
            review_set.read(file)
    for cut in (good[:-1], good + b"\n", good[1:], b"", b"[]", b"{}"):
        file.write_bytes(cut)
        with pytest.raises(BadInput):
            review_set.read(file)


def test_problems_name_the_item(two, tmp_path):
    chosen = review_set.choose(two, per_cell=2)
    first = two[0]
    assert chosen.problems(first) == [] == chosen.problems(two[1])
    ids = list(chosen.ids)
    rows = [planted(k, 0.4) for k in range(160)]
    by_id = {row["sample_id"]: row for row in rows}
    by_id[ids[0]]["image_hash"] = "another"
    by_id[ids[1]]["region"] = bytes([by_id[ids[1]]["region"][0] ^ 1]) + by_id[ids[1]]["region"][1:]
    by_id[ids[2]] |= {"region": None, "annotation": "no_annotation"}
    by_id[ids[3]]["label"] = "neither"
    kept = [row for row in by_id.values() if row["sample_id"] != ids[4]]
    changed = write_run(tmp_path / "changed", tmp_path / "data", kept)
    problems = chosen.problems(changed)
    assert [line.split(":")[0] for line in problems] == ids[:5]
    for line, words in zip(problems, ("image", "region", "region", "label", "not in the run"), strict=True):
        assert words in line


def test_another_model_frame_is_drawn_anew(tmp_path):
    """The same data in two frames: no problem; with another mask behind one item: that one."""
    pytest.importorskip("torch")
    dataset = make_dataset(tmp_path / "data")
    lines = [f"{s.id},{s.id}.png,{CLASSES[s.label]},{s.id}_mask.png,test" for s in dataset.samples[:12]]
    (tmp_path / "data" / "samples.csv").write_text("\n".join(["id,image,label,mask,split", *lines]) + "\n")
    from xai_core.datasets import open_dataset

    opened = open_dataset(f"table:{tmp_path}/data/samples.csv")
    runs = []
    for name, frame in (("crop", CROP), ("pad", PAD)):
        classifier = tiny_classifier(frame=frame)
        runs += explain_dataset(
            opened, classifier, "grad_cam", tmp_path / name, targets=["predicted"], workers=0, threads=1
        )
    chosen = review_set.choose(runs[:1], per_cell=2)
    assert chosen.problems(runs[0]) == [] == chosen.problems(runs[1])
    swapped = chosen.items[0].sample_id
    other = next(s.id for s in opened.samples if s.id != swapped)
    shutil.copy(tmp_path / "data" / f"{other}_mask.png", tmp_path / "data" / f"{swapped}_mask.png")
    assert [line.split(":")[0] for line in chosen.problems(runs[1])] == [swapped]


def test_runs_over_other_samples_are_refused(two, tmp_path):
    short = run_of(tmp_path / "short", [0.2] * 100)
    other = run_of(tmp_path / "other", [0.2] * 160, image_hash="x")
    for run in (short, other):
        with pytest.raises(BadInput, match="other (samples|images)"):
            review_set.choose([two[0], run])
    bare = run_of(tmp_path / "bare", [0.2] * 10, annotation="no_annotation", region=None)
    with pytest.raises(BadInput, match="outline"):
        review_set.choose([bare])


def test_command_says_what_is_short(tmp_path, capsys):
    file = tmp_path / "set.json"
    assert main(["review-set", RUN, "--out", str(file), "--per-cell", "6"]) == 0
    text = capsys.readouterr().out
    run = open_run(RUN)
    chosen = review_set.read(file)
    assert chosen.problems(run) == [] and f"{len(chosen.items)} items" in text
    short = [cell for cell in chosen.cells if cell.taken < cell.quota]
    assert short and all(f"short: {c.label}, {c.stratum}: {c.taken} of 6" in text for c in short)
    for text in ("0", "six"):
        with pytest.raises(SystemExit, match="2"):
            main(["review-set", RUN, "--out", str(file), "--per-cell", text])
        assert f"--per-cell: {text} is not a whole number above zero" in capsys.readouterr().err


def test_a_frozen_set_is_not_written_over_by_another(tmp_path, capsys):
    file = tmp_path / "set.json"
    assert main(["review-set", RUN, "--out", str(file), "--per-cell", "6"]) == 0
    frozen = file.read_bytes()
    assert main(["review-set", RUN, "--out", str(file), "--per-cell", "6"]) == 0
    assert main(["review-set", RUN, "--out", str(file), "--per-cell", "5"]) == 2
    assert "another file there, which stays as it is" in capsys.readouterr().err
    assert file.read_bytes() == frozen

"""The gate on planted runs: each verdict, each missing piece in its own words, and what the rules look at."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from gate_fixtures import EMPTY, OFF, ON, POLICY, N, area_of, chances, items_of, planted, policy, probed, row
from review_fixtures import CLASSES, failed, write_run
from sklearn.metrics import roc_auc_score

from xai_core.cli import main
from xai_core.errors import BadInput
from xai_core.files import is_sealed, write_json
from xai_core.release import trust
from xai_core.release.gate import gate, gate_folders
from xai_core.report.gate_page import html_of
from xai_core.review.verdicts import Verdicts

COVERAGE = {"score": "explanation_coverage"}
PAIRED = {"explanation": [COVERAGE | {"not_worse_than_baseline_by": 0.05}]}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def items(home):
    return items_of(home)


@pytest.fixture(scope="module")
def good(home):
    return planted(home / "good", seed=1)


@pytest.fixture(scope="module")
def off(home):
    return planted(home / "off", OFF, seed=1)


def rule(result: dict, name: str) -> dict:
    return next(found for found in result["rules"] if found["name"].startswith(name))


@pytest.mark.parametrize(
    ("looks", "right", "verdict"),
    [
        (ON, True, "pass"),
        (ON, False, "fail_metric"),
        (OFF, True, "fail_explanation"),
        (OFF, False, "fail_both"),
    ],
)
def test_each_verdict(tmp_path, items, looks, right, verdict):
    result = gate(planted(tmp_path / "run", looks, right), items, policy())
    assert result["verdict"] == verdict and not result["missing"]
    assert [found["passed"] for found in result["rules"][:2]] == [right, looks == ON]


def test_a_randomised_network_fails(tmp_path, items):
    """Neither its calls nor its heatmaps have anything to do with the images."""
    looks = np.random.default_rng(2).choice([ON, OFF], N, p=[3 / 8, 5 / 8])
    result = gate(
        probed(planted(tmp_path / "run", looks, right=False), False), items, policy(randomisation_check="required")
    )
    assert result["verdict"] == "fail_both"
    assert {found["name"] for found in result["rules"] if not found["passed"]} >= {"auc", "randomisation check"}
    honest = gate(probed(planted(tmp_path / "honest"), True), items, policy(randomisation_check="required"))
    assert honest["verdict"] == "pass"


# ---- what the rules look at


def test_metrics_are_of_every_record_and_explanations_of_the_items(good, items):
    result = gate(good, items, policy())
    auc, coverage = result["rules"][:2]
    labels = np.arange(N) % 2
    assert auc["n"] == N and auc["figure"] == pytest.approx(roc_auc_score(labels, chances(True, 1)), abs=1e-6)
    expected = np.mean([1 - area_of(int(i[2:])) for i in items.ids])
    assert coverage["n"] == len(items.ids) < N and coverage["figure"] == pytest.approx(expected)


def test_the_wrong_calls_of_the_items_do_not_count_for_the_metric(tmp_path, items):
    """Wrong on every item and right elsewhere: the accuracy is that of the whole split."""
    wrong = {int(i[2:]) for i in items.ids}
    records = [row(k, ON, 0.1 + 0.8 * ((k % 2) ^ (k in wrong))) for k in range(N)]
    run = write_run(tmp_path / "run", tmp_path / "data", records)
    result = gate(run, items, policy(metric=[{"metric": "accuracy", "floor": 0.4, "decides": "point"}]))
    assert result["rules"][0]["figure"] == pytest.approx(1 - len(wrong) / N)


def test_strata_choose_the_items(tmp_path, items):
    failures = {item.sample_id for item in items.items if item.stratum == "failure"}
    looks = [OFF if f"id{k:03d}" in failures else ON for k in range(N)]
    run = planted(tmp_path / "run", looks)
    rules = [COVERAGE | {"floor": 0.0, "strata": [stratum]} for stratum in ("easy", "failure")]
    result = gate(run, items, policy(explanation=rules))
    assert [found["passed"] for found in result["rules"][1:3]] == [True, False]
    assert set(result["rules"][2]["items"]) == failures


def test_a_shortcut_in_one_class_hides_in_the_mean_and_not_by_class(tmp_path, items):
    """Off the region on every benign item, on it on every malignant one."""
    run = planted(tmp_path / "run", [OFF if k % 2 == 0 else ON for k in range(N)])
    rule_ = COVERAGE | {"floor": -0.2, "not_worse_than_baseline_by": 0.5, "decides": "point"}
    mean = gate(run, items, policy(explanation=[rule_]), baseline=run)
    assert mean["verdict"] == "pass" and len(mean["warnings"]) == 1
    result = gate(run, items, policy(explanation=[rule_ | {"each_class": True}]), baseline=run)
    found = [one for one in result["rules"] if one["name"].startswith("explanation_coverage")]
    assert [one["passed"] for one in found] == [False, True, True, True]
    expected = {label: [i for i in items.ids if int(i[2:]) % 2 == k] for k, label in enumerate(CLASSES)}
    for one, (label, ids) in zip(found[::2], expected.items(), strict=True):
        assert one["name"] == f"explanation_coverage above random chance ({label})" and one["n"] == len(ids)
        areas = np.array([area_of(int(i[2:])) for i in ids])
        assert one["figure"] == pytest.approx(np.mean((label == "malignant") - areas))
    assert sorted(found[0]["items"]) == sorted(expected["benign"]), "the items of that class alone"
    assert sum("fewer than 30" in line for line in result["warnings"]) == 2
    assert "(benign)" in html_of(result)


def test_a_class_without_an_item_in_its_strata_is_missing(good, items):
    kept = [item for item in items.items if (item.label, item.stratum) != ("benign", "failure")]
    rule_ = COVERAGE | {"floor": 0.0, "each_class": True, "strata": ["failure"]}
    result = gate(good, replace(items, items=tuple(kept)), policy(explanation=[rule_]))
    assert result["verdict"] == "incomplete"
    assert "review set: it holds no item (benign, failure)" in result["missing"]


@pytest.mark.parametrize("decides", ["bound", "point"])
def test_bound_and_point(tmp_path, items, decides):
    looks = np.where(np.arange(N) % 5 < 3, ON, OFF)
    run = planted(tmp_path / "run", looks)
    figure = gate(run, items, policy())["rules"][1]
    between = (figure["low"] + figure["figure"]) / 2
    result = gate(run, items, policy(explanation=[COVERAGE | {"floor": between, "decides": decides}]))
    assert figure["low"] < between < figure["figure"]
    assert result["rules"][1]["passed"] is (decides == "point")
    above = policy(metric=[{"metric": "auc", "floor": 1.0, "decides": decides}])
    auc = gate(run, items, above)["rules"][0]
    assert auc["passed"] is (auc["figure" if decides == "point" else "low"] >= 1)


def test_less_is_better_for_some_metrics(good, items):
    brier = gate(good, items, policy(metric=[{"metric": "brier", "ceiling": 1.0}]))["rules"][0]
    assert brier["passed"] and brier["at_most"]
    between = (brier["figure"] + brier["high"]) / 2
    for decides, passed in (("bound", False), ("point", True)):
        rules = [{"metric": "brier", "ceiling": between, "decides": decides}]
        assert gate(good, items, policy(metric=rules))["rules"][0]["passed"] is passed


# ---- against a baseline


def test_pairs_take_away_what_both_share(good, off, items):
    """A constant shift: the items differ, and so does each mean's interval; the differences do not."""
    result = gate(off, items, policy(**PAIRED), baseline=good)
    found = rule(result, "explanation_coverage above random chance, against")
    assert found["figure"] == found["low"] == found["high"] == pytest.approx(-1)
    assert not found["passed"] and len(found["items"]) == len(items.ids)
    own = gate(good, items, policy())["rules"][1]
    assert own["high"] - own["low"] > 0.05
    assert gate(good, items, policy(**PAIRED), baseline=off)["verdict"] == "pass"


def test_a_metric_against_itself_has_no_width(good, items):
    rules = [
        {"metric": name, "not_worse_than_baseline_by": 0.0} for name in ("auc", "specificity_at_sensitivity_95", "ece")
    ]
    result = gate(good, items, policy(metric=rules), baseline=good)
    assert result["verdict"] == "pass"
    assert {(found["figure"], found["low"], found["high"]) for found in result["rules"][:3]} == {(0, 0, 0)}


def test_a_worse_metric_fails_in_either_direction(tmp_path, good, items):
    worse = planted(tmp_path / "worse", right=False)
    rules = [{"metric": name, "not_worse_than_baseline_by": 0.01} for name in ("auc", "brier")]
    result = gate(worse, items, policy(metric=rules), baseline=good)
    assert [found["passed"] for found in result["rules"][:2]] == [False, False]
    assert result["rules"][0]["figure"] < 0 < result["rules"][1]["figure"]


# ---- empty explanations


def test_an_empty_explanation_is_an_item_that_did_not_pass(tmp_path, items):
    looks = [EMPTY if f"id{k:03d}" == items.ids[0] else ON for k in range(N)]
    share = COVERAGE | {"item_passes_from": 0.0, "least_share": 1.0, "decides": "point"}
    run = planted(tmp_path / "run", looks)
    result = gate(run, items, policy(explanation=[share, COVERAGE | {"floor": 0.0}], largest_share_undefined=0.1))
    found = rule(result, "share of items 0 or more")
    assert found["items"] == [items.ids[0]] and found["figure"] == pytest.approx(1 - 1 / len(items.ids))
    assert found["n"] == len(items.ids) and result["verdict"] == "fail_explanation"
    mean = rule(result, "explanation_coverage")
    assert mean["n"] == len(items.ids) - 1 and "that did not enter: 1" in mean["message"]


def test_too_many_empty_explanations_fail_and_are_not_missing(tmp_path, items):
    looks = [EMPTY if k % 3 == 0 else ON for k in range(N)]
    result = gate(planted(tmp_path / "some", looks), items, policy())
    assert result["verdict"] == "fail_explanation" and rule(result, "explanation_coverage")["passed"]
    empty = rule(result, "share of items with an empty")
    assert set(empty["items"]) == {i for i in items.ids if int(i[2:]) % 3 == 0}
    result = gate(planted(tmp_path / "all", EMPTY), items, policy(largest_share_undefined=1.0))
    assert result["verdict"] == "fail_explanation"
    assert rule(result, "explanation_coverage")["message"] == "every explanation is empty"


# ---- what is missing


def other_mask(folder, k: int):
    records = [row(k, ON, float(p)) for k, p in enumerate(chances(True))]
    records[k] |= {"region": row(k + 2, ON, 0.5)["region"]}
    return write_run(folder, folder.parent / "data", records)


def without(folder, k: int):
    records = [row(k, ON, float(p)) for k, p in enumerate(chances(True))]
    return write_run(folder, folder.parent / "data", records[:k] + records[k + 1 :])


def broken(folder, k: int):
    records = [row(k, ON, float(p)) for k, p in enumerate(chances(True))]
    records[k] = failed(k, image_hash=f"hash{k}")
    return write_run(folder, folder.parent / "data", records)


def has(result: dict, message: str) -> None:
    assert result["verdict"] == "incomplete"
    assert any(message in line for line in result["missing"]), result["missing"]


def place_of(items) -> int:
    return int(items.ids[1][2:])


def test_a_missing_run(tmp_path, good, items):
    result = gate_folders(tmp_path / "none", items, policy())
    has(result, "candidate: ")
    has(result, "no such folder")
    assert [found["passed"] for found in result["rules"]] == [None] * 4 and len(result["missing"]) == 1
    has(gate_folders(good.folder, items, policy(**PAIRED), baseline=tmp_path / "none"), "baseline: ")


def test_an_empty_review_set(good, items):
    result = gate(good, replace(items, items=()), policy())
    has(result, "review set: it holds no item")
    assert rule(result, "auc")["passed"] is True
    easy = tuple(item for item in items.items if item.stratum == "easy")
    rules = policy(explanation=[COVERAGE | {"floor": 0.0, "strata": ["failure"]}])
    has(gate(good, replace(items, items=easy), rules), "review set: it holds no item (failure)")


def test_an_item_that_is_not_in_the_run(tmp_path, items):
    gone = place_of(items)
    result = gate(without(tmp_path / "run", gone), items, policy())
    has(result, f"candidate: id{gone:03d}: not in the run")
    empty = rule(result, "share of items with an empty explanation")
    assert empty["passed"] is None and "items are not in the run" in empty["message"]


def test_a_changed_mask_and_a_changed_image(tmp_path, good, items):
    k = place_of(items)
    result = gate(other_mask(tmp_path / "run", k), items, policy())
    has(result, f"candidate: id{k:03d}: the outlined region is not the one of the review set")
    assert len(result["missing"]) == 1
    one = items.items[0]
    for change, words in (({"mask_hash": "0"}, "the outlined region"), ({"image_hash": "0"}, "the image")):
        changed = replace(items, items=(replace(one, **change), *items.items[1:]))
        has(gate(good, changed, policy()), f"candidate: {one.sample_id}: {words} is not the one of the review set")


def test_an_item_that_could_not_be_explained(tmp_path, items):
    k = place_of(items)
    result = gate(broken(tmp_path / "run", k), items, policy())
    has(result, f"candidate: id{k:03d}: not explained (it is no picture)")
    has(result, f"candidate: 1 of {N} records have an error")
    assert rule(result, "auc")["passed"] is None


def test_an_item_without_an_outline(tmp_path, items):
    k = place_of(items)
    records = [row(k, ON, float(p)) for k, p in enumerate(chances(True))]
    records[k] |= {"region": None, "annotation": "no_annotation", "annotation_area": None, "region_area": None}
    run = write_run(tmp_path / "run", tmp_path / "data", records)
    has(gate(run, items, policy()), "candidate: no explanation_coverage above random chance on 1 of")


def test_no_baseline_where_a_rule_needs_one(good, items):
    result = gate(good, items, policy(**PAIRED, metric=[{"metric": "auc", "not_worse_than_baseline_by": 0.1}]))
    has(result, "no baseline was named")
    assert gate(good, items, policy())["baseline"] is None


def test_a_baseline_that_cannot_be_compared(tmp_path, good, items):
    other = planted(tmp_path / "other", region_rule="top_share:0.2")
    has(gate(good, items, policy(**PAIRED), baseline=other), "baseline: its region rule is top_share:0.2")
    few = without(tmp_path / "few", next(k for k in range(N) if f"id{k:03d}" not in items.ids))
    rules = [{"metric": "auc", "not_worse_than_baseline_by": 0.1}]
    has(gate(good, items, policy(metric=rules), baseline=few), f"only {N - 1} are about the same images")
    has(
        gate(good, items, policy(**PAIRED), baseline=planted(tmp_path / "e", EMPTY)),
        "baseline: every explanation is empty",
    )


def test_a_run_that_is_not_the_whole_held_out_split(tmp_path, items):
    records = [row(k, ON, float(p)) for k, p in enumerate(chances(True))]
    for key, value, words in (("split", "train", "not held out"), ("limit", 48, "explain all of it")):
        run = write_run(tmp_path / key, tmp_path / "data", records, **{key: value})
        has(gate(run, items, policy()), words)


def test_a_damaged_run(tmp_path, items):
    run = planted(tmp_path / "run")
    part = run.folder / run.manifest["parts"][0]["file"]
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    has(gate(run, items, policy()), "bytes differ from the manifest")


@pytest.mark.parametrize("stored", ["nothing", "another run", "undecided", "damaged"])
def test_the_randomisation_check_is_not_there(tmp_path, good, items, stored):
    run = planted(tmp_path / "run")
    words = {"nothing": "no randomisation check is stored", "another run": "figures of another run"}
    words |= {"undecided": "candidate: planted: None", "damaged": "bytes that were changed"}
    if stored == "undecided":
        probed(run, None)
    if stored == "another run":
        source = probed(good, True).folder / trust.FILE
        (run.folder / trust.FILE).write_bytes(source.read_bytes())
        source.unlink()
    if stored == "damaged":
        write_json(run.folder / trust.FILE, {"format": trust.FORMAT, "randomisation": {"passed": True}})
    has(gate(run, items, policy(randomisation_check="required")), words[stored])
    assert gate(run, items, policy())["verdict"] == "pass"


def test_a_failed_rule_does_not_hide_what_is_missing(tmp_path, items):
    run = planted(tmp_path / "run", OFF, right=False)
    result = gate(run, items, policy(randomisation_check="required"))
    assert result["verdict"] == "incomplete"
    assert [found["passed"] for found in result["rules"][:2]] == [False, False]


# ---- people


def test_people_are_asked(tmp_path, good, items):
    verdicts, key = Verdicts(tmp_path / "verdicts.sqlite"), good.manifest["content_digest"]
    asked = policy(people={"least_share": 0.9, "decides": "point"}, veto="off")
    has(gate(good, items, asked), f"{len(items.ids)} of {len(items.ids)} items not reviewed")
    for sample_id in items.ids[:-1]:
        verdicts.give(key, sample_id, "right_reasons", "Ann")
    has(
        gate(good, items, asked, verdicts=verdicts),
        f"1 of {len(items.ids)} items not reviewed by a person, {items.ids[-1]}",
    )
    has(gate(good, items, policy(veto="asked"), verdicts=verdicts), "items not reviewed by a person")
    assert gate(good, items, policy(veto="given"), verdicts=verdicts)["verdict"] == "pass"
    verdicts.give(key, items.ids[-1], "unsure", "Ann")
    result = gate(good, items, asked, verdicts=verdicts)
    found = rule(result, "share of items that people passed")
    assert found["figure"] == pytest.approx(1 - 1 / len(items.ids)) and result["verdict"] == "pass"
    assert result["people"]["reviewed"] == len(items.ids)


def test_one_veto_is_enough_and_nobody_overrules_it(tmp_path, good, items):
    verdicts, key, one = Verdicts(tmp_path / "verdicts.sqlite"), good.manifest["content_digest"], items.ids[3]
    verdicts.give(key, one, "wrong_reasons", "Ann")
    verdicts.give(key, one, "right_reasons", "Bob")
    result = gate(good, items, policy(), verdicts=verdicts)
    assert result["verdict"] == "fail_explanation" and rule(result, "items with a veto")["items"] == [one]
    assert result["people"]["agreement"][0]["cases"] == 1
    assert gate(good, items, policy(veto="off"), verdicts=verdicts)["verdict"] == "pass"
    verdicts.undo(key, "Ann")
    assert gate(good, items, policy(), verdicts=verdicts)["verdict"] == "pass"


# ---- what is written


def test_few_items_are_a_warning(good, items):
    result = gate(good, items, policy())
    assert result["verdict"] == "pass" and "fewer than 60" in result["warnings"][0]
    assert gate(good, items, policy(least_items=1))["warnings"] == []


def test_a_result_names_what_entered(good, off, items):
    first, again = (gate(good, items, policy(**PAIRED), baseline=off) for _ in range(2))
    assert first == again and is_sealed(first)
    assert first["candidate"]["content_digest"] == good.manifest["content_digest"]
    assert first["baseline"]["classifier_digest"] == "c1"
    assert first["review_set"]["sha256"] == items.sha256 and first["policy"]["sha256"] == POLICY["sha256"]
    assert gate(good, items, policy(**PAIRED), baseline=good)["sha256"] != first["sha256"]
    assert json.loads(json.dumps(first, allow_nan=False)) == first


def written(folder, items, rules: str = ""):
    text = 'name = "t"\nrandomisation_check = "ignored"\n[[metric]]\nmetric = "auc"\nfloor = 0.8\n'
    (folder / "policy.toml").write_text(text + '[[explanation]]\nscore = "explanation_coverage"\nfloor = 0.1\n' + rules)
    items.save(folder / "items.json")
    return ["--review-set", str(folder / "items.json"), "--policy", str(folder / "policy.toml")]


def test_the_command(tmp_path, monkeypatch, capsys, good, off, items):
    monkeypatch.chdir(tmp_path)
    options = written(tmp_path, items)
    out = ["--out", "gate.json", "--html", "gate.html"]
    assert main(["gate", str(good.folder), *options, *out]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("pass: ") and "lower end at least 0.8" in shown
    assert json.loads((tmp_path / "gate.json").read_text())["verdict"] == "pass"
    assert "http" not in (tmp_path / "gate.html").read_text()
    assert main(["gate", str(off.folder), *options]) == 1
    shown = capsys.readouterr().out
    assert f"{len(items.ids)} items: " in shown and items.ids[0] in shown and " ..." in shown
    assert main(["gate", str(tmp_path / "none"), *options, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "incomplete"


def test_the_command_refuses_what_it_cannot_read(tmp_path, monkeypatch, capsys, good, items):
    monkeypatch.chdir(tmp_path)
    options = written(tmp_path, items, "flor = 1\n")
    assert main(["gate", str(good.folder), *options]) == 2
    assert "explanation.1.flor" in capsys.readouterr().err
    options = written(tmp_path, items)
    bytes_ = (tmp_path / "items.json").read_bytes()
    (tmp_path / "items.json").write_bytes(bytes_.replace(b"id0", b"id1", 1))
    assert main(["gate", str(good.folder), *options]) == 2
    with pytest.raises(SystemExit) as stop:
        main(["gate", str(good.folder)])
    assert stop.value.code == 2


def test_html_shows_hostile_text_as_it_is(tmp_path, good, items):
    hostile = "<script>alert(1)</script>&\"'"
    renamed = [row(k, ON, float(p), sample_id=hostile if k == 0 else f"id{k:03d}") for k, p in enumerate(chances(True))]
    run = write_run(tmp_path / "<b>run", tmp_path / "data", renamed)
    changed = replace(items, items=(replace(items.items[0], sample_id=hostile), *items.items[1:]))
    page = html_of(gate(run, changed, policy(name="<i>x</i>", explanation=[COVERAGE | {"floor": 0.9}])))
    assert "<script" not in page and "<b>run" not in page and "<i>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#x27;" in page
    assert len(page) < 20_000


def test_an_output_that_cannot_be_written(tmp_path, good, items):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="a folder that can be written"):
        write_json(tmp_path / "file" / "gate.json", gate(good, items, policy()))

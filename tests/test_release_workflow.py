"""From data to the archive by the command line: what the gate makes of honesty and of a shortcut."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from release_workflow import (
    CLEAN,
    COLUMNS,
    DECIDING,
    EITHER,
    MORE,
    PLANTED,
    POLICIES,
    Workflow,
    auc_of,
    done,
    in_patch,
    rows,
    rules_of,
    said,
)

from xai_core.cli.output import table
from xai_core.release import reliance, review_set


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield Workflow(folder, DECIDING).prepare((EITHER, PLANTED))


def test_the_metric_prefers_the_shortcut(work):
    for split in ("validation", "test"):
        runs = work.runs if split == "test" else {name: work.explain(name, split) for name in work.runs}
        aucs = {name: auc_of(run) for name, run in runs.items()}
        assert aucs[PLANTED] == max(aucs.values()) and aucs[PLANTED] > 0.99


def test_the_evidence_lies_in_the_patch(work):
    shares = {name: in_patch(run) for name, run in work.runs.items()}
    assert shares[PLANTED][0] > 3 * shares[PLANTED][1], "the share of the evidence, and that of the area"
    assert shares[EITHER][0] < shares[PLANTED][0] / 2


@pytest.mark.parametrize("policy", POLICIES)
def test_the_gate_lets_the_honest_one_pass(work, policy):
    assert work.gate(work.runs[EITHER], policy)[0] == 0


@pytest.mark.parametrize("policy", ["by class", "reliance"])
def test_the_gate_stops_the_shortcut_by_its_explanations(work, policy):
    code, result = work.gate(work.runs[PLANTED], policy)
    assert (code, result["verdict"]) == (1, "fail_explanation")
    by_class = {rule["name"]: rule["passed"] for rule in rules_of(result, "explanation_coverage")}
    assert [passed for name, passed in by_class.items() if "(benign)" in name] == [False], "where the patches are"
    assert [passed for name, passed in by_class.items() if "(malignant)" in name] == [True]


def test_the_calls_of_the_shortcut_rest_on_the_surroundings(work):
    """By either fill; an honest candidate's calls rest on the region."""
    for name, sign in ((EITHER, 1), (PLANTED, -1)):
        fills = reliance.read(work.runs[name])["fills"].values()
        assert all(sign * fill["reliance"]["value"] > 0 for fill in fills)
    assert all(not rule["passed"] for rule in rules_of(work.gate(work.runs[PLANTED], "reliance")[1], "reliance"))


def test_a_mean_over_classes_hides_the_shortcut(work):
    """Why the rules are as they are: on these lesions the planted candidate passes by a mean."""
    result = work.gate(work.runs[PLANTED], "mean")[1]
    assert result["verdict"] == "pass" and rules_of(result, "explanation_coverage")[0]["figure"] > 0.03


def test_a_randomised_network_fails(work):
    """One pass over the data at a rate that moves no weight: the network is as it was drawn."""
    work.train("random", CLEAN, epochs=1, lr=1e-12)
    code, result = work.gate(work.explain("random"), "by class")
    assert code == 1 and result["verdict"] in ("fail_metric", "fail_both")


def test_they_are_compared_and_kept(work):
    runs = [work.runs[EITHER], work.runs[PLANTED]]
    folders = [run.folder for run in runs]
    found = json.loads(done("compare", *folders, "--review-set", work.items, "--names", "either,planted", "--json"))
    (against,) = found["against"]
    coverage = against["alignment"]["explanation_coverage"]
    assert coverage["excludes_zero"] and coverage["difference"] < 0
    for run in runs:
        work.gate(run, "reliance")
        decided = work.folder / f"gate-{run.folder.name}-reliance.json"
        done("archive", "add", run.folder, "--review-set", work.items, "--gate", decided)
    entries = json.loads(done("archive", "list", "--json"))["entries"]
    assert [entry["about"]["gate"] for entry in entries] == ["pass", "fail_explanation"]
    assert "2 entries, every byte as it was stored" in done("archive", "verify")
    done("report", *folders, "--out", work.folder / "report.html", "--cases", 20)


def test_missing_pieces_make_no_verdict(work, tmp_path):
    """By the command line, on real runs, each in its own words."""
    run, whole = work.runs[EITHER].folder, review_set.read(work.items)
    first = whole.items[0]
    kept = {
        "no item": (run, replace(whole, items=()), "review set: it holds no item"),
        "no run": (tmp_path / "none", whole, "no such folder"),
        "a changed mask": (
            run,
            replace(whole, items=(replace(first, mask_hash="0"), *whole.items[1:])),
            f"candidate: {first.sample_id}: the outlined region is not the one of the review set",
        ),
    }
    asked = tmp_path / "policy.toml"
    asked.write_text(POLICIES["reliance"].replace("randomisation", 'veto = "asked"\nrandomisation'))
    code, told = said("gate", run, "--review-set", work.items, "--policy", asked, "--json")
    assert code == 1 and f"{len(whole.items)} of {len(whole.items)} items not reviewed by a person" in told
    for folder, items, words in kept.values():
        file = items.save(tmp_path / "items.json")
        code, told = said("gate", folder, "--review-set", file, "--policy", work.folder / "reliance.toml", "--json")
        result = json.loads(told)
        assert (code, result["verdict"]) == (1, "incomplete")
        assert any(words in line for line in result["missing"]), result["missing"]


@pytest.mark.long
@pytest.mark.parametrize("seed", MORE)
def test_other_lesions(tmp_path, monkeypatch, seed):
    """The table of `python -m tests.release_workflow`, a seed at a time: what holds on every one of them."""
    monkeypatch.chdir(tmp_path)
    work = Workflow(tmp_path, seed).prepare()
    print(table(COLUMNS, rows(work)))
    assert auc_of(work.runs[PLANTED]) == max(map(auc_of, work.runs.values()))
    share, area = in_patch(work.runs[PLANTED])
    assert share > 3 * area
    honest, planted = (work.gate(work.runs[name], "reliance")[1]["rules"] for name in (EITHER, PLANTED))
    assert all(rule["passed"] for rule in honest if rule["kind"] == "explanation")
    by_name = {rule["name"]: rule["passed"] for rule in planted}
    assert by_name["auc"], "no metric stops it"
    assert not by_name["explanation_coverage above random chance (benign)"]
    assert not any(passed for name, passed in by_name.items() if name.startswith("reliance"))
    for policy in POLICIES:
        code, result = work.gate(work.runs[CLEAN], policy)
        assert code == 1 and result["verdict"] in ("fail_metric", "fail_both"), "it never saw a patch, and calls wrong"

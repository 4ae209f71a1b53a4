"""The Gate and the Review page in a real browser: the verdict is the command's, and no name shows in the review."""

from __future__ import annotations

import pytest
from pages_fixtures import SAMPLE, drawn, expect, listening, parameters_of, settled

from xai_core.release import blind, policy, review_set
from xai_core.release.gate import gate_folders
from xai_core.report.gate_page import TITLES, figure_of
from xai_core.review.verdicts import Verdicts
from xai_core.runs import open_run

RULES = (
    'name = "page"\nrandomisation_check = "ignored"\n[[metric]]\nmetric = "auc"\nfloor = 0.5\n'
    '[[explanation]]\nscore = "explanation_coverage"\nfloor = {floor}\n'
)
CANDIDATES = ["grad_cam/malignant", "lime/malignant"]


@pytest.fixture(scope="module")
def files(workspace):
    items = review_set.choose([open_run(SAMPLE / "grad_cam/predicted")], per_cell=1)
    items.save(workspace / "items.json")
    for name, floor in (("mild", 0.0), ("strict", 0.99)):
        (workspace / f"{name}.toml").write_text(RULES.format(floor=floor))
    (workspace / "bad.toml").write_text(RULES.format(floor=0.0) + "flor = 1\n")
    return workspace, items


@pytest.mark.parametrize("name", ["mild", "strict"])
def test_the_verdict_is_that_of_the_command(visit, files, name):
    workspace, items = files
    expected = gate_folders(SAMPLE / "grad_cam/malignant", items, policy.read(workspace / f"{name}.toml"))
    page = visit("/gate", run="grad_cam/malignant", review_set="items.json", policy=f"{name}.toml")
    page.get_by_role("heading", name=TITLES[expected["verdict"]], exact=True).wait_for()
    for rule in expected["rules"]:
        page.get_by_role("cell", name=figure_of(rule), exact=True).first.wait_for()
    broken = next((rule["items"] for rule in expected["rules"] if rule["items"]), [])
    tiles = page.locator(".st-key-broken .tile")
    expect(tiles).to_have_count(len(broken))
    assert [tile.get_attribute("data-id") for tile in tiles.all()] == broken
    if broken:
        tiles.first.click()
        page.wait_for_url("**/explore?**")
        drawn(page)
        assert parameters_of(page)["case"] == [broken[0]]


def test_a_policy_that_cannot_be_read_is_named_and_a_strange_path_is_not_opened(visit, files):
    page = visit("/gate", run="grad_cam/malignant", review_set="items.json", policy="bad.toml")
    page.get_by_text("explanation.1.flor").wait_for()
    page = visit("/gate", run="grad_cam/malignant", review_set="/etc/passwd", policy="mild.toml")
    assert "review_set" not in parameters_of(page)
    page = visit("/review", review_set="/etc/passwd", candidate=[str(SAMPLE / CANDIDATES[0])])
    page.get_by_text("others in the address").wait_for()
    begin = page.get_by_role("button", name="Begin")
    expect(begin).to_be_disabled()
    page.get_by_text("Before you begin: your name.").wait_for()
    page.get_by_label("Reviewer").fill("Eve")
    page.get_by_label("Reviewer").press("Enter")
    expect(begin).to_be_enabled()


def test_a_blind_review_from_the_first_case_to_the_agreement(visit, files):
    workspace, items = files
    runs = [open_run(SAMPLE / name) for name in CANDIDATES]
    verdicts, tasks = Verdicts(workspace / "verdicts.sqlite"), blind.queue(items, runs, "Ann")
    page = visit("/review", review_set="items.json", candidate=[str(SAMPLE / name) for name in CANDIDATES])
    page.get_by_label("Reviewer").fill("Ann")
    page.get_by_label("Reviewer").press("Enter")
    progress = page.get_by_text("reviewed by Ann")
    expect(progress).to_have_text(f"0 of {len(tasks)} reviewed by Ann")
    settled(page)
    shown = page.content()
    assert not [word for word in ("grad_cam", "Grad-CAM", "LIME", "demo") if word in shown.replace(page.url, "")]
    keys = {"1": "right_reasons", "2": "wrong_reasons", "3": "unsure"}
    listening(page, "blind_keys")
    for place, task in enumerate(tasks):
        page.get_by_text(f"Case {place + 1} of {len(tasks)} · candidate {task.letter}").wait_for()
        expect(page.get_by_text("Cohen's kappa")).to_have_count(0)
        key = "123"[place % 3]
        page.keyboard.press(key)
        expect(progress).to_have_text(f"{place + 1} of {len(tasks)} reviewed by Ann")
        said = blind.said(verdicts, task.run)
        assert said[task.sample_id]["Ann"] == keys[key]
        if place == 0:
            page.keyboard.press("z")
            expect(progress).to_have_text(f"0 of {len(tasks)} reviewed by Ann")
            page.keyboard.press("1")
            expect(progress).to_have_text(f"1 of {len(tasks)} reviewed by Ann")
            for task_of_bob in tasks:
                run_key = task_of_bob.run.manifest["content_digest"]
                verdicts.give(run_key, task_of_bob.sample_id, "right_reasons", "Bob")
    page.get_by_text("You have reviewed every case").wait_for()
    page.get_by_text("Cohen's kappa").wait_for()
    page.keyboard.press("ArrowLeft")
    page.get_by_text(f"Case {len(tasks) - 1} of {len(tasks)}").wait_for()
    assert parameters_of(page)["place"] == [str(len(tasks) - 1)]

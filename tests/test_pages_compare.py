"""The page Compare in a real browser: its numbers are those of `compare`, and its URL brings everything back."""

from __future__ import annotations

import pytest
from pages_fixtures import SAMPLE, drawn, expect, gallery_is, parameters_of, pill, settled  # noqa: F401

from xai_core.release import review_set
from xai_core.release.compare import compare
from xai_core.runs import open_run

RUN, OTHER = "grad_cam/predicted", "lime/predicted"
TITLES = {"kept_off": "Moved off", "kept_on": "Moved on", "lost": "Newly wrong", "won": "Newly right"}


@pytest.fixture(scope="module")
def found() -> dict:
    return compare([open_run(SAMPLE / RUN), open_run(SAMPLE / OTHER)])


@pytest.fixture(scope="module", autouse=True)
def items(workspace):
    """Return a review set in the server's working directory, where a damaged one lies too: from the first page on."""
    chosen = review_set.choose([open_run(SAMPLE / RUN)], per_cell=3)
    whole, damaged = chosen.save(workspace / "items.json"), workspace / "damaged.json"
    damaged.write_bytes(whole.read_bytes().replace(b'"easy"', b'"failure"', 1))
    yield chosen
    whole.unlink()
    damaged.unlink()


def ids_in(page, key: str) -> list[str]:
    tiles = page.locator(f".st-key-{key} .tile")
    return tiles.evaluate_all("(tiles) => tiles.map((tile) => tile.dataset.id)")


def shows(page, movers: list[dict]) -> None:
    """Wait until both galleries show these samples in this order."""
    wanted = [entry["id"] for entry in movers[:24]]
    for key in ("moved_before", "moved_now"):
        if wanted:
            expect(page.locator(f".st-key-{key} .tile").first).to_have_attribute("data-id", wanted[0])
        expect(page.locator(f".st-key-{key} .tile")).to_have_count(len(wanted))
        assert ids_in(page, key) == wanted


def test_lists_are_those_of_the_comparison(visit, found):
    page = visit("/compare", run=RUN)
    movers = found["against"][0]["movers"]
    assert len(movers["kept_off"]) > 3  # Grad-CAM and LIME look elsewhere
    shows(page, movers["kept_off"])
    page.get_by_text(f"moved off the outlined region: {len(movers['kept_off'])}.").wait_for()
    pill(page, "list", TITLES["kept_on"]).click()
    shows(page, movers["kept_on"])
    settled(page)
    assert parameters_of(page)["list"] == [TITLES["kept_on"]]


def test_a_picture_opens_the_maps_of_all_runs(visit, found):
    page = visit("/compare", run=RUN)
    first = found["against"][0]["movers"]["kept_off"][0]["id"]
    page.locator(".st-key-moved_now .tile").first.click()
    links = page.locator(".st-key-compare_links").get_by_role("link")
    expect(links).to_have_count(2)
    assert parameters_of(page)["case"] == [first]
    for number, run in enumerate((RUN, OTHER)):
        address = links.nth(number).get_attribute("href")
        assert "explore?" in address and f"case={first}" in address and run.split("/")[0] in address
    # the plain image and a panel for each run
    expect(page.locator(".st-key-strip_opened canvas")).to_have_count(2)


def test_triplets_of_a_review_set_and_the_url(visit, items):
    triplets = items.triplets()
    asked = triplets[-1]
    page = visit("/compare", run=RUN, items="items.json", triplet=asked[0].sample_id, list="Newly wrong", at="Own")
    for stratum, item in zip(("Failure", "Easy", "Borderline"), asked, strict=True):
        page.get_by_text(f"{stratum} · {item.sample_id}").wait_for()
        expect(page.locator(f".st-key-strip_{stratum} canvas")).to_have_count(2)
    before = page.url
    page.reload()
    drawn(page)
    assert page.url == before
    page.get_by_text(f"Failure · {asked[0].sample_id}").wait_for()
    page.get_by_text("On the review set").wait_for()


def test_a_damaged_review_set_is_said(visit):
    page = visit("/compare", run=RUN, items="damaged.json")
    page.get_by_text("bytes that were changed").wait_for()


def test_nothing_to_compare_with_is_said(visit):
    page = visit("/compare", run=RUN)
    page.locator(".st-key-with").get_by_role("button").filter(has=page.locator("svg")).first.wait_for()
    page.locator(".st-key-with").get_by_label("Clear all").click()
    page.get_by_text("There is no other run to compare with").wait_for()

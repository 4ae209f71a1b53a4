"""The page History in a real browser: its versions are those of the archive, and its URL brings everything back."""

from __future__ import annotations

import re
import shutil

import axe
import pytest
from pages_fixtures import SAMPLE, drawn, expect, parameters_of, settled  # noqa: F401

from xai_core.release.archive import Archive
from xai_core.release.archive_diff import diff, sentences
from xai_core.runs import open_run
from xai_core.ui import history_view

RUN, OTHER = "grad_cam/predicted", "lime/predicted"


@pytest.fixture(scope="module", autouse=True)
def archive(workspace):
    """Return the archive of the server's working directory, with one version over these samples for this target."""
    kept = Archive(workspace / "archive")
    kept.add_run(open_run(SAMPLE / RUN), note="the first")
    kept.add_run(open_run(SAMPLE / "grad_cam" / "malignant"), note="another target")
    yield kept
    shutil.rmtree(kept.folder)


def keys(archive) -> list[str]:
    return [entry.key for entry in archive.entries() if entry.about["target"] == "predicted"]


def moved(page) -> list[str]:
    return page.locator(".st-key-moved .tile").evaluate_all("(tiles) => tiles.map((tile) => tile.dataset.id)")


def test_a_version_is_added_and_held_against_the_one_before(visit, archive):
    page = visit("/history", run=RUN)
    page.get_by_role("heading", name="Versions", exact=True).wait_for()
    assert page.get_by_role("button", name="Add this run").count() == 0
    page = visit("/history", run=OTHER)
    page.get_by_label("Note").fill("by another explainer")
    page.get_by_label("Note").press("Enter")
    settled(page)
    page.get_by_role("button", name="Add this run to the archive").click()
    page.locator(".st-key-moved .tile").first.wait_for()
    assert page.get_by_role("button", name="Add this run").count() == 0
    before, now = keys(archive)
    assert archive.find(now).note == "by another explainer"
    found = diff(archive.run(before), archive.run(now))
    for line in sentences(found):
        page.get_by_text(line, exact=True).wait_for()
    same = [row["id"] for row in found["samples"] if row["same_target"]]
    assert moved(page) == same[:24]


def test_a_picture_is_followed_through_all_versions_and_the_url_keeps_it(visit, archive):
    archive.add_run(open_run(SAMPLE / OTHER))
    page = visit("/history", run=RUN)
    tile = page.locator(".st-key-moved .tile").nth(3)
    sample_id = tile.get_attribute("data-id")
    tile.click()
    expect(page.locator(".st-key-versions figcaption .title")).to_have_count(3)
    titles = page.locator(".st-key-versions figcaption .title").all_text_contents()
    assert titles == ["Image", *(history_view.name_of(archive.find(key)) for key in keys(archive))]
    assert parameters_of(page)["sample"] == [sample_id]
    settled(page)
    again = visit("/history", run=RUN, sample=sample_id)
    expect(again.locator(".st-key-versions figcaption .title")).to_have_count(3)
    assert again.get_by_label("Sample", exact=True).input_value() == sample_id


def test_the_pair_is_in_the_url_and_a_version_against_itself_has_not_moved(visit, archive):
    archive.add_run(open_run(SAMPLE / OTHER))
    first = history_view.name_of(archive.find(keys(archive)[0]))
    page = visit("/history", run=RUN, before=first, now=first)
    page.get_by_text("0 of 100 samples are called otherwise").wait_for()
    page.get_by_text("All settings are the same.").wait_for()


def test_a_sample_that_is_in_no_version_is_said_so(visit):
    page = visit("/history", run=RUN, sample="no_such")
    page.get_by_text("No version has a sample of the name no_such.").wait_for()


def test_a_damaged_journal_is_told_and_nothing_else_is_shown(visit, archive):
    path = archive.folder / "journal.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[:50] + b"x" + data[51:])
    try:
        page = visit("/history", run=RUN)
        page.get_by_text(re.compile("line 1 is damaged")).wait_for()
    finally:
        path.write_bytes(data)


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, archive, scheme):
    archive.add_run(open_run(SAMPLE / OTHER))
    page = visit("/history", run=RUN, scheme=scheme)
    page.locator(".st-key-moved .tile").first.click()
    expect(page.locator(".st-key-versions figcaption .title")).to_have_count(3)
    settled(page)
    # the gallery is the same on every page, and not this page's own
    assert axe.faults(page, "{exclude: [['.st-key-moved']]}") == []

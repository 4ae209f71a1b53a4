"""Several readers at once, each with filters and verdicts of their own: nothing lost, nothing mixed up."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from browser_fixtures import contexts_of
from pages_fixtures import (
    PATIENCE,
    RUNS,
    address,
    button,
    case_is,
    cell,
    drawn,
    expect,
    gallery_is,
    given_is,
    ids,
    looked_for,
    records,
    shows,
    tiles,
)

from xai_core.review.verdicts import VERDICTS
from xai_core.runs import open_run

CLASSES = ("benign", "malignant")


class Reader:
    """One person at a browser of their own, who filters at random and judges some of what passes."""

    def __init__(self, page, number: int, run: str) -> None:
        self.page, self.name, self.run = page, f"reader {number}", run
        self.table = records(run)
        self.random = np.random.default_rng(number)
        self.wanted = ids(self.table)
        self.given: list[tuple[str, str, str]] = []

    def filter(self) -> None:
        """Choose a cell, a row or a column of the matrix, or everything, and wait for the answer."""
        label, called = (str(name) for name in self.random.choice(CLASSES, 2))
        kind = self.random.integers(3)
        button(self.page, "clear").click()
        shows(self.page, ids(self.table))
        masks = {"label": self.table["label"] == label, "called": self.table["called"] == called}
        if kind == 0:
            cell(self.page, f"label {label}, called {called}").click()
            chosen = masks["label"] & masks["called"]
        elif kind == 1:
            cell(self.page, f"Label {label}").click()
            chosen = masks["label"]
        else:
            cell(self.page, f"Called {called}").click()
            chosen = masks["called"]
        self.wanted = ids(self.table[chosen])
        shows(self.page, self.wanted)

    def judge(self) -> None:
        """Open a record, give it a verdict that the page acknowledges, and go back to the same list."""
        place = int(self.random.integers(min(len(self.wanted), 24)))
        sample = self.wanted[place]
        tiles(self.page).nth(place).click()
        case_is(self.page, sample, f"{place + 1} of {len(self.wanted)}")
        self.sign()
        key = str(self.random.choice(list(VERDICTS)))
        self.page.keyboard.press(VERDICTS[key].shortcut)
        given_is(self.page, key)
        self.given.append((self.run, sample, key))
        self.page.keyboard.press("Escape")
        self.still()

    def sign(self) -> None:
        """Put the name where it is missing."""
        field = self.page.get_by_label("Reviewer")
        if field.input_value() != self.name:
            field.fill(self.name)
            field.press("Enter")
            expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
            self.page.evaluate("document.activeElement.blur()")

    def still(self) -> None:
        """Wait until the page shows this reader's own filters, whatever the others do."""
        shows(self.page, self.wanted)
        gallery_is(self.page, self.wanted[:60])


def work(browser, app, workspace, runs: list[str], rounds: int) -> None:
    """Let a reader for each run filter and judge in turn, and hold what is stored against what was acknowledged."""
    readers = []
    with contexts_of(browser, PATIENCE, looked_for) as new_page:
        for number, run in enumerate(runs):
            page = new_page()
            page.goto(address(app, "/explore", run=run))
            readers.append(Reader(page, number + 100 * len(runs), run))
        for reader in readers:
            drawn(reader.page)
        for _ in range(rounds):
            for reader in readers:
                reader.filter()
            for reader in readers:
                reader.judge()
        for reader in readers:
            reader.still()
    stored = events(workspace)
    for reader in readers:
        key = {run: open_run(f"sample_data/runs/{run}").manifest["content_digest"] for run in RUNS}
        wanted = [(key[run], sample, verdict) for run, sample, verdict in reader.given]
        assert [event[1:] for event in stored if event[0] == reader.name] == wanted
        assert len(wanted) == rounds


def events(workspace) -> list[tuple[str, str, str, str]]:
    """Return who gave which verdict on what, in the order in which it was stored."""
    with sqlite3.connect(workspace / "verdicts.sqlite") as connection:
        return connection.execute(
            "SELECT reviewer, run_key, sample_id, json_extract(value, '$') FROM events "
            "WHERE kind = 'verdict' ORDER BY id"
        ).fetchall()


def test_two_readers_of_one_run_do_not_disturb_each_other(browser, app, workspace):
    work(browser, app, workspace, ["grad_cam/malignant", "grad_cam/malignant"], rounds=2)


@pytest.mark.long
def test_ten_readers_do_not_disturb_each_other(browser, app, workspace):
    work(browser, app, workspace, [RUNS[k % len(RUNS)] for k in range(10)], rounds=5)

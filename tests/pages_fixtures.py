"""The app's pages in a real browser: one server for the session, and what plain pandas says of the sample runs.

A record's row, its order and its counts are computed here from the run's own files, never by what the pages use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from browser_fixtures import contexts_of

from xai_core.runs import open_run
from xai_core.runs.tables import table_of

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "sample_data" / "runs"
RUNS = ("grad_cam/predicted", "grad_cam/malignant", "lime/predicted", "lime/malignant")
PATIENCE = 60_000  # ms: the machine may be busy
BY_DEFAULT = "explanation_coverage"
# Streamlit's front end asks first below the page's own path where its server is, and then one step up
LOOKED_FOR = re.compile(r"/[a-z]+/_stcore/(health|host-config)$")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> Path:
    """Return the server's working directory: empty, so that the app shows the sample runs."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def app(serve, workspace) -> str:
    """Return the address of the app."""
    return serve(ROOT / "app.py", cwd=workspace)


@pytest.fixture
def visit(browser, app) -> Iterator[Callable[..., object]]:
    """Return ``visit("/explore", width=1440, scheme="light", **parameters) -> Page``, in a context of its own.

    A test fails where any of its pages had an exception or a console error, or asked for anything beyond this machine.
    """
    with contexts_of(browser, PATIENCE, looked_for) as new_page:

        def open_page(path: str = "/explore", *, width: int = 1440, height: int = 1000, scheme: str = "light", **said):
            page = new_page(width, height, scheme)
            page.goto(address(app, path, **said))
            drawn(page)
            return page

        yield open_page


def looked_for(line) -> bool:
    """Say whether a console line is Streamlit's own probing."""
    return "404" in line.text and LOOKED_FOR.search(line.location["url"]) is not None


def address(app: str, path: str, **parameters) -> str:
    """Return the URL of a page; ``run="grad_cam/predicted"`` names a sample run."""
    if parameters.get("run") in RUNS:
        parameters["run"] = str(SAMPLE / parameters["run"])
    return f"{app}{path}?{urlencode(parameters, doseq=True)}" if parameters else f"{app}{path}"


def parameters_of(page) -> dict[str, list[str]]:
    """Return what the page's URL says at present."""
    return parse_qs(urlsplit(page.url).query)


def expect(thing):
    from playwright.sync_api import expect as of_playwright

    of_playwright.set_options(timeout=PATIENCE)
    return of_playwright(thing)


def drawn(page) -> None:
    """Return when a page has been drawn to its last line, and nothing is being computed for it."""
    page.get_by_text("It is no diagnosis").wait_for()
    expect(page.locator("[data-testid=stSkeleton]:visible")).to_have_count(0)
    settled(page)


def settled(page) -> None:
    """Return when the server has answered all that the page has asked."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


# ---- what pandas says


def records(run: str = "grad_cam/predicted", threshold: float = 0.5):
    """Return a sample run's table in data set order, judged at a threshold."""
    table = table_of(open_run(SAMPLE / run), None, threshold)
    table["outcome"] = table["correct"].map({True: "right", False: "wrong"})
    return table.assign(positive_probability=open_run(SAMPLE / run).probabilities()[:, 1])


def ids(table, sort: str = BY_DEFAULT, descending: bool = False) -> list[str]:
    """Return the ids of a table sorted by a column, ties in data set order."""
    return table.sort_values(sort, ascending=not descending, kind="stable", na_position="last")["sample_id"].tolist()


# ---- what the page says

TILES = "document.querySelector('.st-key-gallery [data-testid=stBidiComponentIsolated]')?.shadowRoot"
TILE_IDS = f"[...({TILES}?.querySelectorAll('.tile') ?? [])].map((tile) => tile.dataset.id)"


def tiles(page):
    """Return the gallery's tiles."""
    return page.locator(".st-key-gallery .tile")


def shows(page, wanted: list[str], *, of: int = 100, per: int = 60, number: int = 1) -> None:
    """Wait until the page counts these ids and its gallery shows them, in this order, from page `number` on."""
    page.get_by_test_id("stMarkdown").filter(has_text=f"{len(wanted)} of {of} records pass the filters.").wait_for()
    here = wanted[(number - 1) * per : number * per]
    gallery_is(page, here)


def gallery_is(page, wanted: list[str]) -> None:
    """Wait until the gallery holds exactly these ids in this order."""
    from playwright.sync_api import TimeoutError as TooLong

    try:
        page.wait_for_function(f"(wanted) => JSON.stringify({TILE_IDS}) === wanted", arg=as_json(wanted), polling=50)
    except TooLong:
        assert page.evaluate(TILE_IDS) == wanted
        raise


def as_json(value: list[str]) -> str:
    import json

    return json.dumps(value, separators=(",", ":"))


def chart(page, column: str):
    """Return the drawing of a histogram, in the middle of the window."""
    svg = page.locator(f".st-key-histogram_{column} svg.chart")
    svg.scroll_into_view_if_needed()
    return svg


def bin_at(page, column: str, place: int, bins: int = 20) -> tuple[float, float]:
    """Return the middle of a bin in pixels of the window."""
    box = chart(page, column).bounding_box()
    return box["x"] + 3 + (place + 0.5) * (box["width"] - 6) / bins, box["y"] + 80


def brush(page, column: str, first: int, last: int, bins: int = 20) -> None:
    """Drag over a histogram from one bin to another."""
    page.mouse.move(*bin_at(page, column, first, bins))
    page.mouse.down()
    page.mouse.move(*bin_at(page, column, last, bins), steps=4)
    page.mouse.up()


def cell(page, words: str):
    """Return the button of the confusion matrix that begins with these words."""
    return page.locator(".st-key-matrix").get_by_role("button", name=re.compile(f"^{words}"))


def button(page, key: str):
    """Return the button of this key; one with a help text has a twin that is never seen."""
    return page.locator(f".st-key-{key}").get_by_role("button").first


def pill(page, key: str, name: str):
    """Return one choice of a row of pills or of a segmented control."""
    return (
        page.locator(f".st-key-{key}")
        .get_by_role("button", name=name, exact=True)
        .or_(page.locator(f".st-key-{key}").get_by_role("radio", name=name, exact=True))
    )


def pick(page, key: str, name: str) -> None:
    """Choose a value in a select box, or add one to a multiselect."""
    page.locator(f".st-key-{key} input").fill(name)
    page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")


def unfold(page, key: str) -> None:
    """Open an expander, and wait until it has slid open: what is inside moves under the mouse meanwhile."""
    settled(page)  # an answer on its way would start the slide again
    page.locator(f".st-key-{key} summary").click()
    details = page.locator(f".st-key-{key} details").element_handle()
    page.wait_for_function("(details) => details.open && details.getAnimations().length === 0", arg=details)


def menu(page, name: str) -> None:
    """Open the popover of this name."""
    page.get_by_test_id("stPopover").get_by_role("button", name=name).click()
    page.get_by_test_id("stPopoverBody").wait_for()


def case_is(page, sample_id: str, place: str) -> None:
    """Wait until a record is open and the page listens to its keys."""
    page.locator(".st-key-steps").get_by_text(f"{sample_id} · {place}").wait_for()
    listening(page)
    page.locator(".st-key-viewer .stage").first.wait_for()


def listening(page, key: str = "keys") -> None:
    """Return when the keyboard is listened to, which it is from when the script of this component has come."""
    page.locator(f".st-key-{key} [aria-keyshortcuts]").wait_for(state="attached")


def given_is(page, verdict: str, given: bool = True) -> None:
    """Wait until a verdict's button shows that it was given, or that it was not."""
    kind = "primary" if given else "secondary"
    expect(button(page, f"give_{verdict}")).to_have_attribute("data-testid", f"stBaseButton-{kind}")

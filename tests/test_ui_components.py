"""The components in a real browser: every gesture, what each sends, and how it looks in both themes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from browser_fixtures import watch
from pages_fixtures import expect, listening, settled

from xai_core.geometry import upsample
from xai_core.runs import open_run
from xai_core.ui.components import plain

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS = ROOT / "xai_core/ui/components"
SIZES = [(1440, "light"), (1024, "dark")]


@pytest.fixture(scope="module")
def pages(serve, browser) -> Iterator[Callable[..., tuple]]:
    """Return ``pages(width, height, scheme) -> (Page, its faults so far)``: a page serves until it is given up."""
    url = serve(ROOT / "tests" / "components_harness.py", cwd=ROOT)
    opened = {}

    def page_of(width: int, height: int, scheme: str) -> tuple:
        look = width, height, scheme
        if look not in opened:
            faults = []
            page = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme).new_page()
            watch(page, faults)
            page.goto(url)
            opened[look] = page, faults
        return opened[look]

    page_of.give_up = opened.clear
    yield page_of
    for page, _ in opened.values():
        page.context.close()


@pytest.fixture
def show(pages, request) -> Iterator[Callable[..., object]]:
    """Return ``show("matrix", "many", width=1440) -> Page``: the harness with one component, or "matrix gallery".

    Every call begins with an empty page, so that nothing of another test is left, and after one that failed with a new
    page.
    """
    failed, used = request.session.testsfailed, []

    def draw(names: str, *flags: str, width: int = 1440, height: int = 1000, scheme: str = "light"):
        page, faults = pages(width, height, scheme)
        used.append(faults)
        page.set_viewport_size({"width": width, "height": height})
        ask_for(page, "")
        expect(page.get_by_test_id("stBidiComponentIsolated")).to_have_count(0)
        page.evaluate("localStorage.clear()")
        ask_for(page, " ".join([names, *flags]))
        page.get_by_role("button", name="Draw again").wait_for()
        page.evaluate("document.activeElement.blur(), document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
        page.mouse.move(0, 0)
        return page

    yield draw
    if request.session.testsfailed > failed:
        pages.give_up()
    assert not any(used), used


def ask_for(page, words: str) -> None:
    field = page.get_by_label("Components", exact=True)
    field.fill(words)
    field.press("Enter")


def log_is(page, *lines: str) -> None:
    """Wait until the page lists exactly these triggers."""
    expect(page.get_by_test_id("stCode")).to_have_text("\n".join(lines) or "nothing yet")


# ---- what Python sends


def test_plain_leaves_nothing_that_json_lacks():
    value = {1: np.int64(3), "b": [np.float32(0.5), float("nan"), np.nan, -np.inf], "c": np.array([[1, 2]]), "d": None}
    assert plain(value) == {"1": 3, "b": [0.5, None, None, None], "c": [[1, 2]], "d": None}
    assert plain((np.bool_(True), np.str_("x"))) == [True, "x"]
    assert type(plain(np.bool_(False))) is bool and type(plain(np.uint8(1))) is int
    assert plain(np.array([np.nan, 1.0])) == [None, 1.0]


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), np.datetime64("2020-01-01"), {"a": [Path("x")]}])
def test_plain_refuses_what_json_has_no_word_for(value):
    with pytest.raises(TypeError, match="plain data"):
        plain(value)


# ---- histogram

BINS = 25


def chart(page, number: int = 0):
    return page.locator(f".st-key-histogram{number} svg.chart")


def bin_at(page, place: int, number: int = 0) -> tuple[float, float]:
    """Return the middle of a bin of the harness's score histogram, in pixels of the page."""
    box = chart(page, number).bounding_box()
    return box["x"] + 3 + (place + 0.5) * (box["width"] - 6) / BINS, box["y"] + 100


def readout(page, number: int = 0):
    return page.locator(f".st-key-histogram{number} .line")


def sentence(first: int, last: int) -> str:
    rng = np.random.default_rng(4)
    everything = np.histogram(rng.beta(2, 3, 617), BINS, (0, 1))[0]
    series = [everything, everything // 2 + everything // 12, everything // 7]
    total, passing, wrong = (values[first : last + 1].sum() for values in series)
    return f"{first / 25:.2f} to {(last + 1) / 25:.2f}: {passing} of {total} records, {wrong} wrong"


def test_dragging_selects_bins_and_says_so_before_python_does(show):
    page, said = show("histogram"), []
    for start, end in [(5, 9), (18, 12), (20, 24)]:
        page.mouse.move(*bin_at(page, start))
        page.mouse.down()
        page.mouse.move(*bin_at(page, end), steps=4)
        first, last = sorted((start, end))
        expect(readout(page)).to_have_text(sentence(first, last))
        brush = chart(page).locator(".brush").bounding_box()
        middle = bin_at(page, 0)[0] + _step(page) * (start + end) / 2
        assert brush["x"] + brush["width"] / 2 == pytest.approx(middle, abs=1)
        log_is(page, *said)
        page.mouse.up()
        said.append(f"'select' {first} {last}")
        log_is(page, *said)
        chart(page).locator(".outside.right").first.wait_for()


def _step(page) -> float:
    return bin_at(page, 1)[0] - bin_at(page, 0)[0]


def test_a_drag_that_leaves_the_chart_ends_at_its_edge(show):
    page = show("histogram")
    page.mouse.move(*bin_at(page, 10, 2))
    page.mouse.down()
    page.mouse.move(5, 5, steps=3)
    page.mouse.up()
    log_is(page, "'select' 0 10")


def test_clicks_select_extend_and_clear(show):
    page = show("histogram")
    page.mouse.click(*bin_at(page, 6))
    log = ["'select' 6 6"]
    log_is(page, *log)
    page.keyboard.down("Shift")
    page.mouse.click(*bin_at(page, 11))
    page.keyboard.up("Shift")
    log.append("'select' 6 11")
    log_is(page, *log)
    page.mouse.click(*bin_at(page, 7))
    log.append("'select' 7 7")
    log_is(page, *log)
    page.mouse.click(*bin_at(page, 7))
    log.append("'select' None None")
    log_is(page, *log)
    expect(page.locator(".st-key-histogram0 .clear")).to_be_hidden()


def test_a_selection_is_cleared_by_button_escape_and_double_click(show):
    page = show("histogram")
    clearing = [
        lambda: page.locator(".st-key-histogram0 .clear").click(),
        lambda: chart(page).press("Escape"),
        lambda: page.mouse.dblclick(*bin_at(page, 20)),
    ]
    for clear in clearing:
        page.mouse.click(*bin_at(page, 3))
        page.locator(".st-key-histogram0 .clear").wait_for()
        clear()
        expect(page.locator(".st-key-histogram0 .clear")).to_be_hidden()
        expect(page.get_by_test_id("stCode")).to_have_text(re.compile(r"'select' None None$"))
    expect(chart(page).locator(".brush")).to_have_count(0)


def test_the_keyboard_moves_selects_stretches_and_clears(show):
    page = show("histogram")
    live = page.locator(".st-key-histogram0 .live")
    chart(page).focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(live).to_have_text(sentence(3, 3))
    page.keyboard.press("ArrowLeft")
    expect(live).to_have_text(sentence(2, 2))
    page.keyboard.press("Enter")
    log_is(page, "'select' 2 2")
    page.keyboard.down("Shift")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(live).to_have_text(sentence(2, 4))
    page.keyboard.up("Shift")
    log_is(page, "'select' 2 2", "'select' 2 4")
    page.keyboard.press("End")
    expect(live).to_have_text(sentence(24, 24))
    page.keyboard.press("Escape")
    log_is(page, "'select' 2 2", "'select' 2 4", "'select' None None")


OVERTAKEN = """
async ([source, html]) => {
  const component = (await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })))).default;
  const root = document.body.appendChild(document.createElement('div')).attachShadow({ mode: 'open' });
  root.innerHTML = `<style>svg { display: block; width: 300px; height: 140px; }</style>${html}`;
  const one = [1, 1, 1, 1];
  const data = { title: '', names: ['a', 'b', 'c', 'd'], ticks: [], levels: [], all: one, right: one, wrong: one,
    unknown: one, undefined: 0, undefined_text: '', undefined_selected: false };
  const sent = [];
  const answer = (selected) => {
    const bytes = new TextEncoder().encode(JSON.stringify({ ...data, selected }));
    component({ data: bytes, parentElement: root, setTriggerValue: (name, value) => sent.push(value) });
    return root.querySelector('.brush') !== null;
  };
  const press = (key) => root.querySelector('svg').dispatchEvent(new KeyboardEvent('keydown', { key }));
  answer(null);
  ['ArrowRight', 'Enter', 'Escape'].forEach(press);
  return [sent, [[0, 0], null, [0, 0], null].map(answer)];
}
"""


def test_an_answer_that_a_later_gesture_has_overtaken_is_not_shown(show):
    page = show("matrix")
    source = "".join((COMPONENTS / folder / "main.js").read_text() for folder in ("shared", "histogram"))
    sent, shown = page.evaluate(OVERTAKEN, [source, (COMPONENTS / "histogram/index.html").read_text()])
    assert sent == [{"first": 0, "last": 0}, {"first": None, "last": None}]
    assert shown == [False, False, True, False]


def test_hovering_reads_out_a_bar_without_moving_anything(show):
    page = show("histogram")
    expect(readout(page)).to_have_text(re.compile("^340 of 617 records"))
    before = chart(page).bounding_box()
    page.mouse.move(*bin_at(page, 8))
    expect(readout(page)).to_have_text(sentence(8, 8))
    assert chart(page).bounding_box() == before
    page.mouse.move(5, 5)
    expect(readout(page)).to_have_text(re.compile("^340 of 617 records"))


def test_records_without_a_score_have_a_button_where_there_are_any(show):
    page = show("histogram")
    page.locator(".st-key-histogram0 .undefined").click()
    log_is(page, "'undefined'")
    expect(page.locator(".st-key-histogram1 .undefined")).to_be_hidden()


def test_categories_are_named(show):
    page = show("histogram")
    box = chart(page, 1).bounding_box()
    page.mouse.move(box["x"] + 3 + 0.375 * (box["width"] - 6), box["y"] + 60)
    expect(readout(page, 1)).to_have_text("Sufficient subset: 80 of 120 records, 0 wrong")
    expect(chart(page, 1).locator("text").nth(1)).to_have_text(re.compile("^Suf.*…$"))
    assert chart(page).locator("text", has_text="…").count() == 0


@pytest.mark.parametrize("width", [1440, 1024, 700])
def test_texts_in_a_chart_never_touch(show, width):
    page = show("histogram", width=width)
    texts = chart(page).locator("text")
    expect(texts.first).to_be_attached()
    boxes = [texts.nth(k).bounding_box() for k in range(texts.count())]
    ground = chart(page).bounding_box()
    for k, box in enumerate(boxes):
        assert box["x"] >= ground["x"] - 0.5
        assert box["x"] + box["width"] <= ground["x"] + ground["width"] + 0.5
        for other in boxes[:k]:
            beside = box["x"] >= other["x"] + other["width"] or other["x"] >= box["x"] + box["width"]
            apart = abs(box["y"] - other["y"]) >= 11
            assert beside or apart


def test_chance_levels_have_dashes_of_their_own_and_lie_on_the_scale(show):
    page = show("histogram", "wide")
    lines = chart(page).locator(".level")
    expect(lines).to_have_count(3)
    assert len({lines.nth(k).get_attribute("stroke-dasharray") for k in range(3)}) == 3
    places = sorted(lines.nth(k).bounding_box()["x"] for k in range(3))
    expected = [bin_at(page, at - 0.5)[0] for at in (6.1, 7.4, 8.0)]
    assert places == pytest.approx(expected, abs=1)


def test_bars_are_as_high_as_their_counts_and_follow_the_width(show):
    page = show("histogram")
    bars = chart(page, 1).locator("rect.right")
    expect(bars).to_have_count(2)
    tall, low = (bars.nth(k).bounding_box()["height"] for k in (0, 1))
    assert low / tall == pytest.approx(80 / 200, abs=0.01)
    assert chart(page, 1).locator("rect.wrong").nth(1).bounding_box()["height"] == pytest.approx(1, abs=0.1)
    page.set_viewport_size({"width": 900, "height": 800})
    page.wait_for_function(
        """() => {
          const svg = document.querySelector('.st-key-histogram1 [data-testid=stBidiComponentIsolated]')
            .shadowRoot.querySelector('svg');
          return svg.viewBox.baseVal.width === svg.clientWidth && svg.clientWidth < 250;
        }"""
    )


# ---- matrix


def cell(page, words: str):
    return page.locator(".st-key-matrix").get_by_role("button", name=re.compile(f"^{words}"))


def test_cells_and_heads_send_their_classes_and_let_go_when_pressed_again(show):
    page = show("matrix")
    words = "label malignant, called benign: 45 records, mean explanation coverage 0.66"
    cell(page, words).click()
    log = ["'cell' 'malignant' 'benign'"]
    log_is(page, *log)
    expect(cell(page, words)).to_have_attribute("aria-pressed", "true")
    cell(page, "Label malignant").click()
    log.append("'cell' 'malignant' None")
    log_is(page, *log)
    expect(cell(page, words)).to_have_attribute("aria-pressed", "false")
    cell(page, "Called malignant").click()
    log.append("'cell' None 'malignant'")
    log_is(page, *log)
    expect(cell(page, "Called malignant")).to_have_attribute("aria-pressed", "true")
    cell(page, "Called malignant").click()
    log.append("'cell' None None")
    log_is(page, *log)


def test_arrows_walk_the_matrix_and_the_focus_stays_when_it_is_drawn_again(show):
    page = show("matrix")
    cell(page, "label benign, called benign").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(cell(page, "label malignant, called malignant")).to_be_focused()
    page.keyboard.press("Enter")
    log_is(page, "'cell' 'malignant' 'malignant'")
    expect(cell(page, "label malignant, called malignant")).to_have_attribute("aria-pressed", "true")
    expect(cell(page, "label malignant, called malignant")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(cell(page, "Label malignant")).to_be_focused()
    assert page.locator(".st-key-matrix button[tabindex='0']").count() == 1


def test_a_cell_without_records_says_so_and_the_rest_is_told(show):
    page = show("matrix")
    expect(cell(page, "label benign, called malignant: 0 records, no score").locator(".count")).to_have_text("0")
    expect(page.locator(".st-key-matrix .left-out")).to_have_text("2 records without a label are left out.")
    expect(page.locator(".st-key-matrix .legend")).to_contain_text("Mean explanation coverage01")


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_twelve_long_names_fit(show, width, scheme):
    page = show("matrix", "many", width=width, scheme=scheme)
    table = page.locator(".st-key-matrix table").bounding_box()
    holder = page.locator(".st-key-matrix").bounding_box()
    assert table["x"] + table["width"] <= holder["x"] + holder["width"] + 1
    assert page.locator(".st-key-matrix td button").count() == 144
    expect(page.locator(".st-key-matrix th[scope=row] button").nth(5)).to_have_attribute(
        "title", "Label tow truck, tow car, wrecker"
    )


# ---- gallery


def gallery_tiles(page):
    return page.locator(".st-key-gallery").get_by_role("option")


def test_a_tile_opens_by_click_and_is_marked(show):
    page = show("gallery")
    expect(gallery_tiles(page)).to_have_count(40)
    gallery_tiles(page).nth(3).click()
    expect(gallery_tiles(page).nth(3)).to_have_attribute("aria-selected", "true")
    name = gallery_tiles(page).nth(3).get_attribute("data-id")
    log_is(page, f"'open' '{name}'")
    expect(gallery_tiles(page).nth(3)).to_have_accessible_name(re.compile(f"^Image {name} .*right"))


def test_arrows_home_and_end_walk_the_tiles_and_enter_opens(show):
    page = show("gallery")
    tiles = gallery_tiles(page)
    across = int(tiles.first.evaluate("t => getComputedStyle(t.parentNode).gridTemplateColumns.split(' ').length"))
    tiles.first.focus()
    for key, place in [
        ("ArrowLeft", 0),
        ("ArrowRight", 1),
        ("ArrowDown", 1 + across),
        ("ArrowUp", 1),
        ("End", 39),
        ("ArrowDown", 39),
        ("ArrowLeft", 38),
        ("Home", 0),
    ]:
        page.keyboard.press(key)
        expect(tiles.nth(place)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    log_is(page, f"'open' '{tiles.nth(1).get_attribute('data-id')}'")
    assert page.locator(".st-key-gallery .tile[tabindex='0']").count() == 1


def test_a_record_that_stays_keeps_its_tile(show):
    page = show("gallery")
    expect(gallery_tiles(page)).to_have_count(40)
    gallery_tiles(page).nth(6).evaluate("tile => { tile.mark = 'the same node'; }")
    page.get_by_role("button", name="Turn").click()
    expect(gallery_tiles(page)).to_have_count(20)
    assert gallery_tiles(page).nth(3).evaluate("tile => tile.mark") == "the same node"
    expect(gallery_tiles(page).nth(3)).to_contain_text("turned")


def test_the_focus_returns_to_the_selected_tile(show):
    page = show("gallery")
    gallery_tiles(page).nth(7).click()
    expect(gallery_tiles(page).nth(7)).to_have_attribute("aria-selected", "true")
    page.get_by_text("Gallery", exact=True).click()
    expect(gallery_tiles(page)).to_have_count(0)
    page.evaluate("document.activeElement.blur()")
    page.evaluate("document.querySelector('.stCheckbox input').click()")
    expect(gallery_tiles(page).nth(7)).to_be_focused()


def test_outlines_lie_on_the_picture_whatever_its_shape(show):
    page = show("gallery")
    for place, shape in [(0, 192 / 144), (3, 80 / 144), (8, 192 / 60)]:
        tile = gallery_tiles(page).nth(place)
        tile.scroll_into_view_if_needed()
        box = tile.locator(".picture").bounding_box()
        width = min(box["width"], box["height"] * shape)
        height = width / shape
        left, top = box["x"] + (box["width"] - width) / 2, box["y"] + (box["height"] - height) / 2
        matrix = tile.locator("svg").first.evaluate(
            "svg => { const m = svg.getScreenCTM(); return [m.a, m.d, m.e, m.f]; }"
        )
        zoom = width / {0: 192, 3: 80, 8: 192}[place]
        assert matrix == pytest.approx([zoom, zoom, left, top], abs=0.6)
        assert tile.locator("img").bounding_box() == box
        expect(tile.locator("img")).to_have_css("object-fit", "contain")


def test_switches_hide_the_outlines_of_every_gallery_from_then_on(show):
    page = show("gallery")
    truth, explanation = (gallery_tiles(page).nth(1).locator(f".{kind} .line") for kind in ("truth", "explanation"))
    truth.wait_for()
    page.get_by_label("Drawn by a human").uncheck()
    expect(truth).to_be_hidden()
    explanation.wait_for()
    page.get_by_text("Gallery", exact=True).click()
    expect(gallery_tiles(page)).to_have_count(0)
    page.get_by_text("Gallery", exact=True).click()
    explanation.wait_for()
    expect(truth).to_be_hidden()
    page.get_by_label("Drawn by a human").check()
    truth.wait_for()


def test_an_empty_gallery_says_so(show):
    page = show("gallery", "bare")
    page.get_by_text("No record passes these filters.").wait_for()


# ---- viewer


def stage(page, number: int):
    return page.locator(".st-key-viewer .stage").nth(number)


def point(page, number: int, x: float, y: float) -> tuple[float, float]:
    """Return where the middle of an original pixel lies on the page while nothing is zoomed."""
    box = stage(page, number).bounding_box()
    return box["x"] + (x + 0.5) / 192 * box["width"], box["y"] + (y + 0.5) / 144 * box["height"]


def values(page) -> list[str]:
    return page.locator(".st-key-viewer .value").all_inner_texts()


def factor(page):
    return page.locator(".st-key-viewer .factor")


def test_every_panel_tells_the_raw_value_under_the_pointer(show):
    page = show("viewer")
    # the padded frame begins 24 pixels above the image: 2 x 4 cells of 96 x 48 pixels, numbered from -2
    planted = {
        (10, 5): ["pixel (10, 5)", "value −2", "outside the model frame", "no heatmap"],
        (150, 100): ["pixel (150, 100)", "value 5", "outside the model frame", "no heatmap"],
        (47, 71): ["pixel (47, 71)", "value −2", "value 0", "no heatmap"],
        (48, 72): ["pixel (48, 72)", "value 3", "value 2", "no heatmap"],
        (143, 20): ["pixel (143, 20)", "value 0", "value 1", "no heatmap"],
        (144, 20): ["pixel (144, 20)", "value 1", "outside the model frame", "no heatmap"],
    }
    run = open_run("sample_data/runs/grad_cam/malignant")
    sample = page.locator(".st-key-viewer img").first.get_attribute("alt").removeprefix("Image ")
    row = run.map_of(sample)
    heat = np.frombuffer(row["heatmap"], "<f2").reshape(6, 6).astype(float) * row["heatmap_scale"]
    for (x, y), (pixel, square, inner, none) in planted.items():
        page.mouse.move(*point(page, 0, x, y))
        found = values(page)
        assert (found[0], found[3], found[4], found[5]) == (pixel, square, inner, none)
        told = float(found[1].removeprefix("value ").replace("−", "-"))
        assert told == pytest.approx(heat[int((y + 0.5) / 24), int((x + 0.5) / 32)], rel=6e-3, abs=heat.max() / 32767)


def test_the_pointer_may_be_over_any_panel_and_leave(show):
    page = show("viewer")
    page.mouse.move(*point(page, 3, 100, 100))
    assert values(page)[0] == "pixel (100, 100)"
    page.mouse.move(2, 2)
    assert set(values(page)) == {""}


def test_a_heatmap_lies_on_the_model_frame(show):
    page = show("viewer")
    for number, (x, y, width, height) in [(3, (0, -24, 192, 192)), (4, (24, 12, 120, 120))]:
        picture, canvas = stage(page, number).bounding_box(), stage(page, number).locator("canvas").bounding_box()
        zoom = picture["width"] / 192
        assert canvas["width"] == pytest.approx(width * zoom, abs=0.5)
        assert canvas["height"] == pytest.approx(height * zoom, abs=0.5)
        assert canvas["x"] - picture["x"] == pytest.approx(x * zoom, abs=0.5)
        assert canvas["y"] - picture["y"] == pytest.approx(y * zoom, abs=0.5)
    assert stage(page, 3).locator(".world").evaluate("w => getComputedStyle(w).overflow") == "hidden"


def pixels(page, number: int) -> np.ndarray:
    """Return the canvas of a panel as it was drawn: (h, w, 4)."""
    flat, width = (
        stage(page, number)
        .locator("canvas")
        .evaluate("c => [[...c.getContext('2d').getImageData(0, 0, c.width, c.height).data], c.width]")
    )
    return np.array(flat).reshape(-1, width, 4)


def colours(scale: str, shares: np.ndarray) -> np.ndarray:
    """Return the colours of shares in [0, 1], read from the component's own stops."""
    source = (COMPONENTS / "shared/main.js").read_text()
    stops = re.findall(r'"#(\w{6})"', re.search(rf"const {scale} = \[(.*?)\]", source, re.DOTALL)[1])
    table = np.array([[int(stop[k : k + 2], 16) for k in (0, 2, 4)] for stop in stops], float)
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(shares, places, table[:, channel]) for channel in range(3)], -1)


def test_cells_have_the_colour_of_their_value(show):
    page = show("viewer")
    signed = (np.arange(8.0).reshape(2, 4) - 2) / 5
    np.testing.assert_allclose(pixels(page, 3)[..., :3], colours("DIVERGING", (signed + 1) / 2), atol=3)
    assert (pixels(page, 3)[..., 3] == 255).all()
    np.testing.assert_allclose(pixels(page, 4)[..., :3], colours("INFERNO", np.arange(4.0).reshape(2, 2) / 3), atol=3)


def test_a_smooth_map_is_interpolated_as_the_regions_are(show):
    page = show("viewer")
    sample = page.locator(".st-key-viewer img").first.get_attribute("alt").removeprefix("Image ")
    row = open_run("sample_data/runs/grad_cam/malignant").map_of(sample)
    heat = np.frombuffer(row["heatmap"], "<f2").reshape(6, 6).astype(np.float32)
    drawn = pixels(page, 1)
    expected = colours("INFERNO", np.clip(upsample(heat[None] / heat.max(), drawn.shape[:2])[0], 0, 1))
    np.testing.assert_allclose(drawn[..., :3], expected, atol=4)


def test_values_below_the_threshold_are_hidden_by_their_size(show):
    page = show("viewer")
    page.get_by_label("Hide below").fill("30")
    hidden = np.abs(np.arange(8).reshape(2, 4) - 2) < 0.3 * 5
    np.testing.assert_array_equal(pixels(page, 3)[..., 3] == 0, hidden)


def test_preferences_outlive_a_case(show):
    page = show("viewer")
    image = page.locator(".st-key-viewer img").first
    page.get_by_label("Opacity").fill("30")
    page.get_by_label("Hide below").fill("50")
    page.get_by_label("Drawn by a human").uncheck()
    page.keyboard.press("Tab")
    first = image.get_attribute("alt")
    stage(page, 0).click()
    page.keyboard.press("+")
    page.get_by_role("button", name="Next case").click()
    expect(image).not_to_have_attribute("alt", first)
    expect(factor(page)).to_have_text("1.0 ×")
    expect(page.get_by_label("Opacity")).to_have_value("30")
    expect(stage(page, 3).locator("canvas")).to_have_css("opacity", "0.3")
    assert (pixels(page, 3)[..., 3] == 0).sum() == 5
    expect(stage(page, 0).locator(".truth .line")).to_be_hidden()


def test_the_heat_can_be_taken_away(show):
    page = show("viewer")
    expect(stage(page, 1).locator("img")).to_have_css("filter", "grayscale(1)")
    page.get_by_label("Heat").uncheck()
    expect(stage(page, 1).locator("canvas")).to_be_hidden()
    expect(stage(page, 1).locator("img")).to_have_css("filter", "none")


def test_an_explanation_that_failed_shows_its_note(show):
    page = show("viewer")
    expect(stage(page, 5)).to_contain_text("No heatmap: the explainer failed on this image.")


def test_the_wheel_scrolls_the_page_until_a_picture_was_clicked(show):
    page = show("viewer", height=500)
    page.mouse.move(*point(page, 0, 40, 60))
    for distance, arrived in [(60, "> 0"), (-60, "=== 0")]:
        page.mouse.wheel(0, distance)
        page.wait_for_function(f"document.querySelector('[data-testid=stMain]').scrollTop {arrived}")
        expect(factor(page)).to_have_text("1.0 ×")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -120)
    expect(factor(page)).not_to_have_text("1.0 ×")
    page.keyboard.up("Control")


def test_wheel_drag_and_double_click_move_all_panels_together(show):
    page = show("viewer")
    spot = point(page, 0, 40, 30)
    page.mouse.click(*spot)
    assert values(page)[0] == "pixel (40, 30)"
    page.mouse.wheel(0, -300)
    expect(factor(page)).to_have_text("1.6 ×")
    assert values(page)[0] == "pixel (40, 30)"
    worlds = [page.locator(".st-key-viewer .world").nth(k).get_attribute("style") for k in range(6)]
    assert len(set(worlds)) == 1
    page.mouse.move(*spot)
    page.mouse.down()
    page.mouse.move(spot[0] - 30, spot[1] - 20, steps=3)
    page.mouse.up()
    assert values(page)[0] == "pixel (40, 30)"
    assert page.locator(".st-key-viewer .world").nth(2).get_attribute("style") != worlds[0]
    page.mouse.dblclick(*spot)
    expect(factor(page)).to_have_text("1.0 ×")


def test_buttons_and_keys_zoom_and_move(show):
    page = show("viewer")
    page.get_by_role("button", name="Zoom in").press("Enter")
    expect(factor(page)).to_have_text("1.5 ×")
    page.get_by_role("button", name="Zoom out").press("Enter")
    expect(factor(page)).to_have_text("1.0 ×")
    stage(page, 2).focus()
    page.keyboard.press("+")
    before = page.locator(".st-key-viewer .world").first.get_attribute("style")
    page.keyboard.press("ArrowRight")
    assert page.locator(".st-key-viewer .world").first.get_attribute("style") == before
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator(".st-key-viewer .world").first.get_attribute("style") != before
    page.keyboard.press("0")
    expect(factor(page)).to_have_text("1.0 ×")


@pytest.mark.parametrize(("width", "across"), [(1440, 3), (1024, 2)])
def test_panels_share_the_width(show, width, across):
    page = show("viewer", width=width)
    tops = [stage(page, k).bounding_box()["y"] for k in range(6)]
    assert tops[:across] == pytest.approx([tops[0]] * across, abs=0.5)
    assert tops[across] > tops[0] + 50


# ---- keys

THREE_KEYS = """
for (const [key, repeat] of [['n', false], ['1', false], ['ArrowLeft', false]]) {
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key, repeat, bubbles: true, cancelable: true }));
}
"""
HELD_KEY = """
for (let k = 0; k < 30; k += 1) {
  const more = { key: 'ArrowRight', repeat: k > 0, bubbles: true, cancelable: true };
  document.body.dispatchEvent(new KeyboardEvent('keydown', more));
}
"""


def drawn_again(page) -> None:
    """Let the server answer a press of a button, so that anything sent before it has been answered too."""
    page.get_by_role("button", name="Draw again").click()
    settled(page)


def test_a_key_is_heard_without_any_click(show):
    page = show("keys")
    listening(page)
    page.keyboard.press("ArrowRight")
    log_is(page, "'press' 'next'")
    page.keyboard.press("1")
    log_is(page, "'press' 'next'", "'press' 'right_reasons'")
    page.keyboard.press("Shift+N")
    log_is(page, "'press' 'next'", "'press' 'right_reasons'", "'press' 'next'")


def test_keys_pressed_in_a_row_are_answered_in_order_and_a_held_one_once(show):
    page = show("keys")
    listening(page)
    page.evaluate(THREE_KEYS)
    log = ["'press' 'next'", "'press' 'right_reasons'", "'press' 'previous'"]
    log_is(page, *log)
    page.evaluate(HELD_KEY)
    log_is(page, *log, "'press' 'next'")
    page.keyboard.press("1")
    log_is(page, *log, "'press' 'next'", "'press' 'right_reasons'")


def test_keys_are_left_to_whom_they_belong(show):
    page = show("keys")
    listening(page)
    page.get_by_label("Note").fill("")
    page.get_by_label("Note").press("n")
    expect(page.get_by_label("Note")).to_have_value("n")
    page.get_by_role("slider").press("ArrowRight")
    expect(page.get_by_test_id("stSliderThumbValue")).to_have_text("1")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Control+ArrowLeft")
    page.keyboard.press("Alt+ArrowDown")
    page.get_by_role("slider").press("n")
    log_is(page, "'press' 'next'")


def test_keys_do_nothing_behind_a_dialog(show):
    page = show("keys")
    listening(page)
    page.get_by_role("button", name="Dialog").click()
    page.get_by_text("In front of the page").wait_for()
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    expect(page.get_by_text("In front of the page")).to_have_count(0)
    page.keyboard.press("1")
    log_is(page, "'press' 'right_reasons'")


def test_a_component_that_has_gone_hears_nothing(show):
    page = show("keys")
    listening(page)
    page.keyboard.press("n")
    log_is(page, "'press' 'next'")
    page.get_by_text("Keyboard", exact=True).click()
    expect(page.locator(".st-key-keys")).to_have_count(0)
    prevented = page.evaluate(
        "!document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'n', bubbles: true, cancelable: true }))"
    )
    assert not prevented
    drawn_again(page)
    log_is(page, "'press' 'next'")
    page.get_by_text("Keyboard", exact=True).click()
    listening(page)
    page.keyboard.press("1")
    log_is(page, "'press' 'next'", "'press' 'right_reasons'")


SUPERSEDED = """
async (source) => {
  const component = (await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })))).default;
  const root = document.body.appendChild(document.createElement('div')).attachShadow({ mode: 'open' });
  const heard = [];
  const mount = () => component({
    data: new TextEncoder().encode(JSON.stringify({ bindings: { x: 'act' }, answered: 0 })),
    parentElement: root,
    setTriggerValue: (name, value) => heard.push(value),
  });
  const press = () => document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'x', bubbles: true }));
  const [first, second] = [mount(), mount()];
  first();
  press();
  second();
  press();
  return heard;
}
"""


def test_the_clean_up_of_a_superseded_call_changes_nothing(show):
    page = show("matrix")
    source = "\n".join((COMPONENTS / folder / "main.js").read_text() for folder in ("shared", "keys"))
    assert page.evaluate(SUPERSEDED, source) == [{"name": "act", "number": 1}]


# ---- all of them


DRAWN = ("histogram", "matrix", "gallery", "viewer")


def test_markup_in_data_stays_text(show):
    page = show(" ".join(DRAWN), "hostile")
    for name in DRAWN:
        expect(page.locator(f"[class*=st-key-{name}]").get_by_text("<img src=x").first).to_be_attached()
    assert page.locator("img[src=x]").count() == 0


# Returns [contrast, text, component] for every text in the components, against the nearest ground that is painted.
CONTRASTS = """
() => {
  const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
    .getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [r, g, b]
    .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const groundOf = (node) => {
    for (let at = node; at; at = at.parentElement ?? at.getRootNode().host) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const host of document.querySelectorAll('[data-testid=stBidiComponentIsolated]')) {
    for (const node of host.shadowRoot.querySelectorAll('*')) {
      const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
      if (!own || node.tagName === 'STYLE' || !node.checkVisibility() || node.disabled) continue;
      const style = getComputedStyle(node);
      const text = luminance(rgba(node instanceof SVGElement ? style.fill : style.color));
      const ground = luminance(groundOf(node));
      const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
      found.push([contrast, node.textContent, host.closest('[class*=st-key-]').className]);
    }
  }
  return found;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_in_both_themes(show, scheme):
    page = show(" ".join(DRAWN), "many", scheme=scheme)
    cell(page, "Called ambulance").click()
    expect(cell(page, "Called ambulance")).to_have_attribute("aria-pressed", "true")
    for name in DRAWN:
        expect(page.locator(f"[class*=st-key-{name}] :is(.line, .count, .caption, .title)").first).to_be_attached()
    found = page.evaluate(CONTRASTS)
    for name in DRAWN:
        assert sum(f"st-key-{name}" in key for _, _, key in found) > 5, name
    assert min(found)[0] >= 4.5, min(found)
    ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")

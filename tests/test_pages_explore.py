"""Explore in a real browser: every filter, order and page against plain pandas, and every state as a URL."""

from __future__ import annotations

import re

import pytest
from pages_fixtures import (
    address,
    bin_at,
    brush,
    button,
    case_is,
    cell,
    chart,
    drawn,
    expect,
    gallery_is,
    given_is,
    ids,
    menu,
    parameters_of,
    pick,
    pill,
    records,
    settled,
    shows,
    tiles,
    unfold,
)

from xai_core.review.verdicts import Verdicts
from xai_core.runs import open_run
from xai_core.scores.patterns import PATTERNS


def test_a_histogram_filters_by_brush_click_and_neighbour_and_lets_go(visit):
    page, table = visit(), records()
    coverage, iou = table["explanation_coverage"], table["iou"]
    shows(page, ids(table))
    brush(page, "explanation_coverage", 12, 3)
    shows(page, ids(table[coverage.between(0.15, 0.65, inclusive="left")]))
    assert parameters_of(page)["explanation_coverage"] == ["0.15", "0.65"]
    # the last bin holds its upper end, as a drag beyond the chart does
    brush(page, "explanation_coverage", 17, 19)
    shows(page, ids(table[coverage >= 0.85]))
    page.mouse.click(*bin_at(page, "explanation_coverage", 0))
    lowest = coverage < 0.05
    shows(page, ids(table[lowest]))
    # the other charts count what passes; their own brush narrows it further
    expect(page.locator(".st-key-histogram_iou .line")).to_have_text(
        f"{lowest.sum()} of 100 records, {(lowest & (table['outcome'] == 'wrong')).sum()} wrong"
    )
    brush(page, "iou", 0, 1)
    shows(page, ids(table[lowest & (iou < 0.1)]))
    chart(page, "explanation_coverage").press("Escape")
    shows(page, ids(table[iou < 0.1]))
    page.locator(".st-key-histogram_iou .clear").click()
    shows(page, ids(table))
    assert set(parameters_of(page)) == {"run"}


# Two charts are asked for their first bar, or let go, within so many milliseconds; the page itself is quick enough
TWO_GESTURES = """async ([keys, delay]) => {
  const chart = (name) => document.querySelector(`.st-key-histogram_${name} [data-testid=stBidiComponentIsolated]`)
    .shadowRoot.querySelector("svg.chart");
  const press = (name) => keys.forEach((key) =>
    chart(name).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true })));
  press("explanation_coverage");
  await new Promise((done) => setTimeout(done, delay));
  press("iou");
}"""


def test_a_gesture_made_before_the_last_is_answered_undoes_nothing(visit):
    page, table = visit(), records()
    both = (table["explanation_coverage"] < 0.05) & (table["iou"] < 0.05)
    for delay in (5, 20, 60, 120):
        page.evaluate(TWO_GESTURES, [["Home", "Enter"], delay])
        shows(page, ids(table[both]))
        page.evaluate(TWO_GESTURES, [["Escape"], delay])
        shows(page, ids(table))
    # what the reader puts back afterwards is the reader's wish
    cell(page, "label benign, called malignant").click()
    missed = table["called"] == "malignant"
    shows(page, ids(table[missed & (table["label"] == "benign")]))
    pill(page, "label", "benign").click()
    shows(page, ids(table[missed]))


def test_every_kind_of_filter_joins_every_other(visit):
    page, table = visit(), records()
    passes = table["confidence"] >= 0.5

    def narrows(condition):
        nonlocal passes
        passes &= condition
        shows(page, ids(table[passes]))

    brush(page, "explanation_coverage", 0, 15)
    narrows(table["explanation_coverage"] < 0.8)
    cell(page, "label benign, called benign").click()
    narrows((table["label"] == "benign") & (table["called"] == "benign"))
    expect(pill(page, "label", "benign")).to_have_attribute("aria-pressed", "true")
    pill(page, "outcome", "Right").click()
    narrows(table["outcome"] == "right")
    pick(page, "pattern", "Sufficient context")
    narrows(table["pattern"] == "sufficient_context")
    unfold(page, "more_filters")  # the field that is left stays as high as it is: this click meets what it was aimed at
    pick(page, "verdict", "Not reviewed")
    pill(page, "meta_sex", "female").click()
    narrows(table["meta_sex"] == "female")
    brush(page, "also", 10, 18)
    narrows(table["confidence"].between(0.5, 0.95, inclusive="left"))
    assert 0 < passes.sum() < 20
    page.get_by_text("Chance levels").click()
    expect(chart(page, "iou").locator(".level")).to_have_count(3)
    chance = table[passes]["chance_random_iou"].mean()
    expect(chart(page, "iou")).to_have_attribute("aria-label", re.compile(rf"By chance \(random\): {chance:.2f}\."))
    # the matrix leaves its own two filters aside, and nothing else
    others = (passes | (table["called"] == "malignant")) & (table["meta_sex"] == "female")
    others &= (table["explanation_coverage"] < 0.8) & table["confidence"].between(0.5, 0.95, inclusive="left")
    others &= (table["outcome"] == "right") & (table["pattern"] == "sufficient_context")
    row = table[others & (table["label"] == "malignant") & (table["called"] == "malignant")]
    cell(page, f"label malignant, called malignant: {len(row)} records").wait_for()
    page.reload()
    shows(page, ids(table[passes]))
    button(page, "clear").click()
    shows(page, ids(table))


def test_presets_are_what_pandas_finds_in_the_order_they_promise(visit):
    page, table = visit(), records()
    button(page, "missed").click()
    missed = (table["label"] == "malignant") & (table["called"] == "benign")
    shows(page, ids(table[missed]))
    menu(page, "Eight patterns")
    for key, pattern in PATTERNS.items():
        chosen = table[table["pattern"] == key]
        preset = button(page, f"preset_{key}")
        expect(preset).to_have_text(f"{pattern.title} ({len(chosen)})")
        preset.click()
        shows(page, ids(chosen, pattern.sort, pattern.descending))
    page.keyboard.press("Escape")
    menu(page, "Figures of the article")
    right, malignant = table["outcome"] == "right", table["label"] == "malignant"
    for number, mask, sort, descending in [
        (6, right, "iou", True),
        (7, malignant & ~right, "ground_truth_coverage", False),
        (8, ~malignant & right, "explanation_coverage", False),
    ]:
        button(page, f"figure_{number}").click()
        shows(page, ids(table[mask], sort, descending))


def test_order_ties_and_pages(visit):
    page, table = visit(), records()
    shows(page, ids(table))
    assert table["explanation_coverage"].duplicated().sum() > 20  # so that ties are there to be kept
    pill(page, "order", "Highest first").click()
    shows(page, ids(table, descending=True))
    pill(page, "per", "24").click()
    page.locator(".st-key-page").get_by_role("button", name="Page 5").click()
    shows(page, ids(table, descending=True), per=24, number=5)
    for column, title in [("meta_age", "Age"), ("label", "Label"), ("excess_iou", "IoU above chance")]:
        table["excess_iou"] = table["iou"] - table["chance_random_iou"]
        pick(page, "sort", title)
        shows(page, ids(table, column, True), per=24)
        pill(page, "order", "Lowest first").click()
        shows(page, ids(table, column), per=24)
        pill(page, "order", "Highest first").click()
        shows(page, ids(table, column, True), per=24)
    page.get_by_role("button", name="Next page").click()
    shows(page, ids(table, "excess_iou", True), per=24, number=2)
    # a filter begins at the first page, and so does a link to a page that is not there
    pill(page, "label", "malignant").click()
    shows(page, ids(table[table["label"] == "malignant"], "excess_iou", True), per=24)
    deep = visit(label="malignant", per="24", page="5")
    shows(deep, ids(table[table["label"] == "malignant"]), per=24)


@pytest.mark.parametrize("choice", ["Sensitivity 0.95", "Own"])
def test_everything_follows_the_operating_point(visit, choice):
    point = open_run("sample_data/runs/grad_cam/predicted").settings["operating_points"]["sensitivity_95"]
    table = records(threshold=point if choice != "Own" else 0.3)
    page = visit()
    pill(page, "at", choice).click()
    if choice == "Own":
        thumb = page.locator(".st-key-threshold").get_by_role("slider")
        thumb.focus()
        for _ in range(2):
            page.keyboard.press("PageDown")
        expect(thumb).to_have_value("0.3")
    else:
        page.get_by_text(f"p ≥ {point:.3g}").wait_for()
    half = records()
    recalled = (table["called"] != half["called"]).sum()
    assert recalled > 0
    page.get_by_text(f"{recalled} of 100 records are called otherwise").wait_for()
    for label in ("benign", "malignant"):
        for called in ("benign", "malignant"):
            there = table[(table["label"] == label) & (table["called"] == called)]
            cell(page, f"label {label}, called {called}: {len(there)} records").wait_for()
    menu(page, "Eight patterns")
    for key, pattern in PATTERNS.items():
        expect(button(page, f"preset_{key}")).to_have_text(f"{pattern.title} ({(table['pattern'] == key).sum()})")
    page.keyboard.press("Escape")
    button(page, "missed").click()
    missed = table[(table["label"] == "malignant") & (table["called"] == "benign")]
    shows(page, ids(missed))
    page.get_by_role("link", name="Overview").click()
    page.get_by_text(f"{len(missed)} of 41 malignant records were called benign").wait_for()


def test_a_case_is_walked_by_keys_and_left_where_it_was_found(visit):
    table = records()
    wanted = ids(table[table["outcome"] == "wrong"], "iou", True)
    page = visit(outcome="Wrong", sort="IoU", order="Highest first")
    shows(page, wanted)
    tiles(page).nth(2).click()
    case_is(page, wanted[2], "3 of 11")
    expect(tiles(page)).to_have_count(0)
    assert parameters_of(page)["case"] == [wanted[2]]
    for key, place in [("ArrowRight", 4), ("n", 5), ("ArrowLeft", 4), ("p", 3), ("P", 2), ("p", 1), ("p", 1), ("n", 2)]:
        page.keyboard.press(key)
        case_is(page, wanted[place - 1], f"{place} of 11")
    button(page, "next").click()
    case_is(page, wanted[2], "3 of 11")
    page.keyboard.press("Escape")
    shows(page, wanted)
    expect(tiles(page).nth(2)).to_be_focused()
    expect(tiles(page).nth(2)).to_have_attribute("aria-selected", "true")
    assert "case" not in parameters_of(page)
    # the browser's own Back opens the case again, and its Forward leaves it
    page.go_back()
    case_is(page, wanted[2], "3 of 11")
    page.go_forward()
    shows(page, wanted)


def test_a_case_outside_the_filters_says_so_and_its_scores_are_those_of_the_run(visit):
    table = records().set_index("sample_id")
    sample = table.index[table["outcome"] == "right"][0]
    page = visit(case=sample, outcome="Wrong")
    case_is(page, sample, "not among the records that pass")
    expect(button(page, "next")).to_be_disabled()
    expect(page.locator(".st-key-viewer img").first).to_have_attribute("alt", re.compile(sample))
    row = table.loc[sample]
    page.get_by_text(f"label {row['label']}, called {row['called']}").wait_for()
    page.locator(".st-key-steps").get_by_text(PATTERNS[row["pattern"]].title).wait_for()
    page.get_by_text(f"Explanation area {row['explanation_area']:.2f}").wait_for()


def test_a_verdict_is_stored_shown_filtered_undone_and_downloaded(visit, workspace, tmp_path):
    import pandas as pd

    name = "lime/malignant"
    table, key = records(name), open_run(f"sample_data/runs/{name}").manifest["content_digest"]
    wanted = ids(table)
    stored = Verdicts(workspace / "verdicts.sqlite")
    page = visit(run=name, case=wanted[0])
    page.get_by_label("Reviewer").fill("Dr Ada")
    page.get_by_label("Reviewer").press("Enter")
    settled(page)
    page.evaluate("document.activeElement.blur()")
    for place, (press, verdict) in enumerate([("1", "right_reasons"), ("2", "wrong_reasons"), ("3", "unsure")]):
        case_is(page, wanted[place], f"{place + 1} of 100")
        page.keyboard.press(press)
        given_is(page, verdict)
        page.keyboard.press("ArrowRight")
    case_is(page, wanted[3], "4 of 100")
    said = {sample: (opinion.verdict, opinion.reviewer) for sample, opinion in stored.state(key).items()}
    given = [(verdict, "Dr Ada") for verdict in ("right_reasons", "wrong_reasons", "unsure")]
    assert said == dict(zip(wanted, given, strict=False))
    page.keyboard.press("z")
    case_is(page, wanted[2], "3 of 100")
    given_is(page, "unsure", False)
    assert set(stored.state(key)) == set(wanted[:2])
    page.get_by_test_id("stPopover").get_by_role("button", name="Tags and note").click()
    page.get_by_role("button", name="Artefact", exact=True).click()
    settled(page)
    page.get_by_role("textbox", name="Note").fill("a patch, not a lesion; =1+1")
    page.get_by_role("textbox", name="Note").blur()
    page.get_by_text("Dr Ada: note a patch").wait_for()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    assert stored.state(key)[wanted[2]].tags == ("artefact",)
    button(page, "close").click()
    shows(page, wanted)
    expect(tiles(page).nth(0).locator(".verdict")).to_have_text("✓")
    expect(tiles(page).nth(1).locator(".verdict")).to_have_text("✗")
    pick(page, "verdict", "Wrong reasons")
    shows(page, [wanted[1]])
    button(page, "clear").click()
    shows(page, wanted)
    page.get_by_test_id("stPopover").get_by_role("button", name="Download").click()
    with page.expect_download() as coming:
        button(page, "csv").click()
    coming.value.save_as(tmp_path / "table.csv")
    found = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    assert found["sample_id"].tolist() == wanted
    assert found["verdict"].tolist()[:4] == ["right_reasons", "wrong_reasons", "", ""]
    assert found["tags"][2] == "artefact" and found["note"][2].endswith("a patch, not a lesion; =1+1")
    same = table.set_index("sample_id").loc[wanted]
    assert found["iou"].tolist() == pytest.approx(same["iou"].tolist())
    assert found["called"].tolist() == same["called"].tolist()


def test_back_undoes_what_a_chart_or_a_preset_did_and_a_colleague_sees_the_same(visit):
    table = records("lime/predicted")
    page = visit(run="lime/predicted")
    shows(page, ids(table))
    cell(page, "Label malignant").click()
    malignant = table[table["label"] == "malignant"]
    shows(page, ids(malignant))
    # Streamlit writes a change of a widget of its own over the present entry of the history
    pick(page, "sort", "Confidence")
    shows(page, ids(malignant, "confidence"))
    brush(page, "iou", 1, 8)
    narrow = malignant[malignant["iou"].between(0.05, 0.45, inclusive="left")]
    shows(page, ids(narrow, "confidence"))
    colleague = visit()
    colleague.goto(page.url)
    shows(colleague, ids(narrow, "confidence"))
    expect(chart(colleague, "iou").locator(".brush")).to_have_count(1)
    page.go_back()
    shows(page, ids(malignant, "confidence"))
    page.go_back()
    shows(page, ids(table))
    page.go_forward()
    shows(page, ids(malignant, "confidence"))


NONSENSE = ["", "\u0000", "nan", "-1", "1e999", "<img src=x onerror=alert(1)>", "../../etc/passwd", "💣" * 40]
PARAMETERS = [
    *("label", "called", "outcome", "pattern", "split", "target", "speaks_for", "missing", "verdict", "meta_sex"),
    *("meta_age", "confidence", "explanation_coverage", "ground_truth_coverage", "iou", "at", "threshold", "rule"),
    *("sort", "order", "per", "page", "also", "colour", "chance", "case", "beside"),
]


@pytest.mark.parametrize("shift", [0, *(pytest.param(k, marks=pytest.mark.long) for k in range(1, len(NONSENSE)))])
def test_nonsense_in_the_url_gives_a_page(visit, shift):
    page = visit(**{name: NONSENSE[(k + shift) % len(NONSENSE)] for k, name in enumerate(PARAMETERS)})
    page.get_by_text("of 100 records pass the filters").wait_for()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.locator(".st-key-gallery :is(.tile, .empty:not([hidden]))").first.wait_for()


@pytest.mark.parametrize(
    ("path", "runs"),
    [("/", ["no/such/run", "/etc/passwd"]), ("/explore", ["../../etc", "/etc/passwd", "\u0000", "a" * 5000])],
)
def test_a_run_that_is_not_there_is_refused_in_words_and_another_shown(visit, app, path, runs):
    page = visit(path)
    for run in runs:
        page.goto(address(app, path, run=run))
        drawn(page)
        expect(page.get_by_role("alert")).to_contain_text("This run cannot be opened")
        expect(page.get_by_test_id("stException")).to_have_count(0)
        page.get_by_text("Grad-CAM for the predicted class").first.wait_for()
        assert "root:" not in page.content()


def test_a_case_that_is_not_there_gives_the_gallery(visit):
    page = visit(case="../../etc/passwd")
    shows(page, ids(records()))
    assert "case" not in parameters_of(page)


def test_the_keyboard_alone_leads_to_a_verdict(visit, workspace):
    name = "lime/predicted"
    page = visit(run=name)
    shows(page, ids(records(name)))

    def tab_to(done: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate(done):
                return
        pytest.fail(f"Tab never led to {done}")

    inner = "(document.activeElement.shadowRoot?.activeElement ?? document.activeElement)"
    tab_to(f"{inner}.closest('.st-key-missed') !== null")
    page.keyboard.press("Enter")
    missed = ids(records(name).query("label == 'malignant' and called == 'benign'"))
    shows(page, missed)
    tab_to(f"{inner}.matches('.tile')")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    case_is(page, missed[1], f"2 of {len(missed)}")
    settled(page)
    page.keyboard.press("ArrowRight")
    case_is(page, missed[2], f"3 of {len(missed)}")
    page.keyboard.press("2")
    given_is(page, "wrong_reasons")
    key = open_run(f"sample_data/runs/{name}").manifest["content_digest"]
    assert Verdicts(workspace / "verdicts.sqlite").state(key)[missed[2]].verdict == "wrong_reasons"
    page.keyboard.press("Escape")
    gallery_is(page, missed)
    expect(tiles(page).nth(2)).to_be_focused()
    drawn(page)

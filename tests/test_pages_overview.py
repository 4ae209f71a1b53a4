"""The front page in a real browser, and what holds for the look of every page: width, overlaps, contrast."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from pages_fixtures import (
    RUNS,
    SAMPLE,
    address,
    drawn,
    expect,
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

PAGES = {
    "overview": ("/", {}),
    "explore": ("/explore", {}),
    "case": ("/explore", {"case": "synthetic_7_00005"}),
    "jobs": ("/jobs", {}),
}


def test_two_clicks_lead_to_the_missed_melanomas(visit):
    page, table = visit("/"), records()
    missed = table[(table["label"] == "malignant") & (table["called"] == "benign")]
    outside = (missed["explanation_coverage"] < 0.5).sum()
    page.get_by_text(f"{len(missed)} of 41 malignant records were called benign; in {outside} of").wait_for()
    page.get_by_role("link", name=f"Show {len(missed)}", exact=True).first.click()
    shows(page, ids(missed))
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("heading", name="Where to look first").wait_for()
    page.get_by_role("link", name="Explore", exact=True).click()
    page.locator(".st-key-missed").get_by_role("button").first.click()
    shows(page, ids(missed))


def test_every_lead_shows_as_many_records_as_it_says(visit, app):
    page = visit("/", run="lime/predicted")
    links = page.locator("[class*=st-key-lead_] a")
    links.first.wait_for()
    found = [(links.nth(k).get_attribute("href"), links.nth(k).inner_text()) for k in range(links.count())]
    assert len(found) >= 3
    for link, text in found:
        page.goto(f"{app}/{link.lstrip('/')}")
        drawn(page)
        page.get_by_text(f"{text.removeprefix('Show ')} of 100 records pass").wait_for()


def test_the_run_and_the_operating_point_go_from_page_to_page(visit):
    page = visit("/")
    pill(page, "at", "Sensitivity 0.95").click()
    page.get_by_text("records are called otherwise").wait_for()
    pick(page, "run_choice", "LIME for malignant · sample · test · demo")
    page.get_by_text("How far LIME for malignant agrees").wait_for()
    assert parameters_of(page)["run"] == [str(SAMPLE / "lime/malignant")]
    point = records("lime/malignant", 0.5)
    page.get_by_role("link", name="Explore", exact=True).click()
    shows(page, ids(point))
    page.get_by_text("what LIME for malignant points to").wait_for()
    assert parameters_of(page)["at"] == ["Sensitivity 0.95"]


def test_the_figures_are_those_of_the_run_and_every_run_is_listed(visit):
    from sklearn.metrics import roc_auc_score

    page, table = visit("/"), records()
    menu(page, "ROC")
    truth, called = table["label"] == "malignant", table["called"] == "malignant"
    chart = page.get_by_test_id("stPopoverBody").get_by_role("img")
    expect(chart).to_contain_text(
        f"sensitivity {called[truth].mean():.2f}, specificity {1 - called[~truth].mean():.2f}"
    )
    page.keyboard.press("Escape")
    # a table is drawn on a canvas, with its cells beside it for screen readers
    cells = page.locator("[data-testid=stDataFrame] [role=gridcell]")
    auc = roc_auc_score(truth, table["positive_probability"])
    expect(cells.filter(has_text=re.compile(f"^{auc:.3f} "))).not_to_have_count(0)
    for name in ("explanation_coverage", "iou"):
        expect(cells.filter(has_text=re.compile(f"^{table[name].mean():.3f} "))).not_to_have_count(0)
    unfold(page, "another")
    page.get_by_label("Folder of a run").fill(str(SAMPLE))
    page.get_by_label("Folder of a run").press("Enter")
    expect(page.get_by_role("link", name="Explore /")).to_have_count(len(RUNS))
    page.get_by_label("Folder of a run").fill("../../etc")
    page.get_by_label("Folder of a run").press("Enter")
    page.get_by_role("alert").wait_for()


# ---- the look of every page

BUTTONS = "button, a[href], input:not([type=range]), [role=combobox], [role=radio], summary, svg.chart"
# Returns the visible controls of the page's main part and sidebar: [name, left, top, right, bottom]
CONTROLS = """
(selector) => {
  const found = [];
  const collect = (root) => {
    for (const node of root.querySelectorAll('*')) {
      if (node.shadowRoot) collect(node.shadowRoot);
      const seen = node.checkVisibility({ opacityProperty: true, visibilityProperty: true });
      if (!seen || !node.matches(selector)) continue;
      const box = node.getBoundingClientRect();
      if (box.width < 2 || box.height < 2 || node.closest('[data-testid=stHeader], .unseen')) continue;
      found.push([node.getAttribute('aria-label') || node.textContent.trim() || node.className.baseVal || node.tagName,
        box.left, box.top, box.right, box.bottom]);
    }
  };
  for (const part of document.querySelectorAll('[data-testid=stMain], [data-testid=stSidebar]')) collect(part);
  return found;
}
"""
# Returns the lowest contrast of the texts that match, with the text
CONTRAST = """
(selector) => {
  const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
    .getContext('2d', { willReadFrequently: true });
  const over = (colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const worst = [Infinity, ''];
  for (const node of document.querySelectorAll(selector)) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    const seen = node.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!own || !seen || node.closest('[disabled]')) continue;
    const grounds = [];
    let opacity = 1;
    for (let at = node; at; at = at.parentElement) {
      grounds.unshift(getComputedStyle(at).backgroundColor);
      opacity *= Number(getComputedStyle(at).opacity);
    }
    const ground = over(['white', ...grounds]);
    const solid = over([`rgb(${ground})`, getComputedStyle(node).color]);
    const text = solid.map((v, k) => v * opacity + ground[k] * (1 - opacity));
    const [a, b] = [luminance(text), luminance(ground)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < worst[0]) worst.splice(0, 2, contrast, node.textContent.slice(0, 60));
  }
  return worst;
}
"""
TEXTS = {
    "captions": "[data-testid=stCaptionContainer] :is(p, strong)",
    "sentences": "[data-testid=stMarkdownContainer] :is(p, strong, h1, h2, h3)",
    "labels": "[data-testid=stWidgetLabel] p",
    "legend": ".legend",
}


def overlapping(boxes: list[list], tolerance: float = 1.5) -> list[tuple[str, str]]:
    """Return the names of controls that lie on each other, a control within another left aside."""
    found = []
    for (one, *a), (other, *b) in combinations(boxes, 2):
        across = min(a[2], b[2]) - max(a[0], b[0])
        along = min(a[3], b[3]) - max(a[1], b[1])
        inside = _holds(a, b, tolerance) or _holds(b, a, tolerance)
        if across > tolerance and along > tolerance and not inside:
            found.append((one, other))
    return found


def _holds(outer: list[float], inner: list[float], tolerance: float) -> bool:
    return all(
        [
            outer[0] - tolerance <= inner[0],
            outer[1] - tolerance <= inner[1],
            outer[2] + tolerance >= inner[2],
            outer[3] + tolerance >= inner[3],
        ]
    )


def test_overlaps_are_seen():
    assert overlapping([["a", 0, 0, 10, 10], ["b", 5, 5, 20, 20]]) == [("a", "b")]
    assert not overlapping([["a", 0, 0, 10, 10], ["b", 11, 0, 20, 10], ["c", 2, 2, 5, 5]])


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1024, "dark")])
def test_every_page_fits_and_can_be_read(visit, app, width, scheme):
    page = visit("/", width=width, scheme=scheme)
    for name, (path, parameters) in PAGES.items():
        page.goto(address(app, path, **parameters))
        drawn(page)
        if name == "explore":
            tiles(page).first.wait_for()
        if name == "case":
            page.locator(".st-key-viewer .stage").first.wait_for()
        settled(page)
        wide = page.evaluate(
            "[document.documentElement, document.querySelector('[data-testid=stMain]')]"
            ".map((node) => node.scrollWidth - node.clientWidth)"
        )
        assert wide == [0, 0], (name, wide)
        found = page.evaluate(CONTROLS, BUTTONS)
        assert len(found) > 8
        assert not overlapping(found), (name, overlapping(found))
        assert max(box[3] for box in found) <= width
        for kind, selector in TEXTS.items():
            contrast, text = page.evaluate(CONTRAST, selector)
            assert contrast is None or contrast >= 4.5, (name, kind, contrast, text)
    ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")

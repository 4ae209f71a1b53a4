"""The report in one file: whole without a network, right in every filter, and deaf to hostile text."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil

import axe
import cv2
import numpy as np
import pandas as pd
import pytest
import review_fixtures
from killing import run as command
from review_fixtures import FRAMES, SIZES, SQUASH, drawn, failed, lime, picture, record

from xai_core.cli import main
from xai_core.errors import BadInput
from xai_core.files import sealed, write_json
from xai_core.release import gate, policy, review_set, trust
from xai_core.report import page as report
from xai_core.report import page_cases
from xai_core.review import cards
from xai_core.review.records import Records, join
from xai_core.review.verdicts import Verdicts
from xai_core.runs import open_run, rows

SAMPLE = report.HERE.parents[1] / "sample_data" / "runs"
EVIL = "</script><img src=x onerror=\"document.title='owned'\"><b>&amp;{{data}}"


def data_of(text: str) -> dict:
    """Return what a report's script reads."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


def write_run(*arguments, **settings):
    return review_fixtures.write_run(*arguments, **{"split": "test"} | settings)


def write_pictures(root, names, size=(90, 150)):
    root.mkdir(exist_ok=True)
    for k, name in enumerate(names):
        cv2.imwrite(str(root / name), picture(size, k))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Return a run of 60 records whose scores, calls, labels and metadata differ, some undefined, one an error."""
    folder = tmp_path_factory.mktemp("many")
    records = []
    for k in range(60):
        more = {"annotation": "no_annotation", "region": None} if k % 13 == 5 else {}
        more |= {"label": None, "label_index": -1} if k % 17 == 3 else {}
        heat = rows.encode_heatmap(np.zeros((6, 8), np.float32)) if k % 19 == 7 else {}
        records.append(record(k, SIZES[0], SQUASH, **more, **heat))
    records.append(failed(60))
    write_pictures(folder / "data", [f"id{k:03d}.png" for k in range(60)])
    return write_run(folder / "run", folder / "data", records, part=32)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Return a run with markup in every text, and what was said of it."""
    folder = tmp_path_factory.mktemp("hostile")
    classes = [f"benign{EVIL}", f"malignant{EVIL}"]
    records = [
        record(
            k,
            SIZES[0],
            SQUASH,
            sample_id=f"{k}{EVIL}",
            label=classes[k % 2],
            predicted=classes[0],
            target=classes[1],
            metadata=json.dumps({EVIL: EVIL, "line\u2028end": "été \ud83d\ude00"}),
        )
        for k in range(4)
    ]
    write_pictures(folder / "data", [f"id{k:03d}.png" for k in range(4)])
    run = write_run(folder / "run", folder / "data", records, class_names=classes, positive=classes[1], classifier=EVIL)
    verdicts = Verdicts(folder / "verdicts.sqlite")
    key = run.manifest["content_digest"]
    verdicts.give(key, f"0{EVIL}", "wrong_reasons", EVIL)
    verdicts.note(key, f"0{EVIL}", EVIL, "Ada")
    return run, verdicts


@pytest.fixture
def offline(browser, tmp_path):
    """Return ``offline(text, **options) -> page`` without a network; a request or an error fails the test."""
    contexts, faults = [], []

    def show(text: str, **options):
        file = tmp_path / "report.html"
        file.write_text(text, encoding="utf-8")
        context = browser.new_context(viewport={"width": 1440, "height": 1000}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"exception: {error}"))
        page.on("console", lambda line: faults.append(f"console: {line.text}"))
        page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or faults.append(asked.url))
        page.on("request", lambda asked: asked.url.startswith("data:") or (page.asked.append(asked.url)))
        page.asked = []
        page.goto(file.as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert not faults, "\n".join(faults)


def ids_shown(page) -> list[str]:
    return page.locator(".case:not([hidden]) h3").all_text_contents()


# ---- what the file holds


def test_the_same_input_gives_the_same_bytes_wherever_it_lies(many, tmp_path):
    first = report.text_of([many])
    folder = tmp_path / "elsewhere"
    shutil.copytree(many.folder, folder / "run")
    shutil.copytree(many.folder.parent / "data", folder / "data")
    (folder / "run" / "tiles.sqlite").unlink()
    moved = write_run(folder / "again", folder / "data", rows_again(many), part=7)
    assert moved.manifest["content_digest"] == many.manifest["content_digest"]
    assert report.text_of([many]) == first
    again, before = data_of(report.text_of([moved])), data_of(first)
    assert again["cases"] == before["cases"] and again["sections"][:-1] == before["sections"][:-1]


def rows_again(run) -> list[dict]:
    import pyarrow.parquet as pq

    parts = [pq.read_table(run.folder / part["file"]).to_pylist() for part in run.manifest["parts"]]
    return sorted((row for part in parts for row in part), key=lambda row: row["position"])


def test_the_worst_come_first_and_what_is_left_out_is_said(many):
    table = Records(join(many)).table
    wrong = table["outcome"] != "wrong"
    order = table.assign(w=wrong).sort_values(["w", "explanation_coverage", "sample_id"], na_position="last")
    data = data_of(report.text_of([many], cases=10))
    assert [case["id"] for case in data["cases"]] == order["sample_id"].tolist()[:10]
    assert "10 of 61" in data["left_out"] and "51" in data["left_out"]
    assert "All 61" in data_of(report.text_of([many]))["left_out"]


def test_small_maps_lie_where_the_frame_lies_and_are_what_is_stored(tmp_path):
    """One strong cell, off the centre, in frames of every fit: found again in the picture by the map's own box."""
    for place, frame in enumerate(FRAMES):
        folder = tmp_path / str(place)
        folder.mkdir()
        heat = np.zeros((6, 8), np.float32)
        heat[1, 6] = 3.0
        write_pictures(folder / "data", ["id000.png"], SIZES[0])
        run = write_run(
            folder / "run", folder / "data", [record(0, SIZES[0], frame, **rows.encode_heatmap(heat))], frame
        )
        case = data_of(report.text_of([run]))["cases"][0]
        width, height, data, box = case["views"][0]["heat"]
        cells = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width)
        assert cells.shape == (6, 8) and cells.argmax() == 1 * 8 + 6 and np.count_nonzero(cells) == 1
        middle = (box[0] + box[2] * 6.5 / 8) * case["width"], (box[1] + box[3] * 1.5 / 6) * case["height"]
        region = drawn(case["views"][0]["explanation"], (case["height"], case["width"]))
        yy, xx = np.nonzero(region)
        assert np.hypot(xx.mean() / 4 - middle[0], yy.mean() / 4 - middle[1]) < 0.05 * case["width"]


def test_large_maps_are_made_small(many):
    values = np.add.outer(np.arange(224.0), 2 * np.arange(112.0)).astype(np.float32)
    small = page_cases._small(values, 56, smooth=True)
    assert small.shape == (56, 28)
    np.testing.assert_allclose(small, values.reshape(56, 4, 28, 4).mean((1, 3)), rtol=1e-5)
    segments = np.kron(np.arange(12.0).reshape(3, 4), np.ones((64, 48))).astype(np.float32)
    small = page_cases._small(segments, 48, smooth=False)
    assert small.shape == (48, 48) and set(np.unique(small)) == set(range(12))
    assert page_cases._small(values[:9, :5], 56, smooth=True) is not None
    assert page_cases.side_of(1) == 56 and 16 * page_cases.side_of(16) ** 2 <= page_cases.CELLS


def test_other_runs_stand_beside_where_they_have_the_same_image(many, tmp_path):
    some = [dict(row, target="benign", target_index=0) for row in rows_again(many)[10:40]]
    some[3] |= {"image_hash": "another"}
    other = write_run(tmp_path / "other", many.folder.parent / "data", some, target="benign")
    data = data_of(report.text_of([many, other]))
    views = {case["id"]: case["views"][1] for case in data["cases"]}
    assert [run["name"] for run in data["runs"]] == ["Grad-CAM for malignant", "Grad-CAM for benign"]
    assert views["id002"] is None and views["id010"]["target"] == "benign"
    assert "another image" in views["id013"]["absent"]


def test_lime_maps_are_signed_and_their_stability_is_said(tmp_path):
    write_pictures(tmp_path / "data", ["id000.png", "id001.png"])
    records = [record(k, SIZES[0], SQUASH, **lime(k, SQUASH)) for k in range(2)]
    run = write_run(tmp_path / "run", tmp_path / "data", records, method="lime", region_rule="top_segments:2")
    text = report.text_of([run])
    data = data_of(text)
    assert data["runs"][0] == {"name": "LIME for malignant", "signed": True, "smooth": False, "mark": ""}
    assert "Stability 0.500" in text
    width, height, encoded, _ = data["cases"][0]["views"][0]["heat"]
    cells = np.frombuffer(base64.b64decode(encoded), np.uint8).reshape(height, width)
    assert (height, width) == (42, 56) and cells.min() < 128 < cells.max()


def test_five_hundred_cases_fit_into_fifteen_megabytes(tmp_path):
    """Pictures and maps of noise are the largest that there can be; long outlines are shortened (below)."""
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    root.mkdir()
    for k in range(5):
        noise = cv2.GaussianBlur(rng.integers(0, 256, (132, 176, 3)).astype(np.uint8), (0, 0), 1.5)
        cv2.imwrite(str(root / f"p{k}.png"), noise)
    maps = []
    for k in range(3):
        values = rng.random((60, 60), np.float32) * 0.4
        values[10:25, 20 + k : 50] += 0.6
        maps.append(rows.encode_heatmap(values))
    records = [record(k, (132, 176), SQUASH, image=f"p{k % 5}.png", **maps[k % 3]) for k in range(500)]
    runs = [
        write_run(tmp_path / target, root, [dict(row, target=target) for row in records], part=250, target=target)
        for target in ("benign", "malignant")
    ]
    written = report.write(runs, tmp_path / "report.html")
    assert len(data_of(written.read_text())["cases"]) == 500
    assert 6e6 < written.stat().st_size < 15e6 - 500 * page_cases.LONGEST_OUTLINE


def test_a_long_outline_keeps_its_largest_pieces():
    pieces = [f"M{' '.join(f'{x},{k}' for x in range(n))}Z" for k, n in enumerate((3, 40, 4, 20))]
    path = "".join(pieces)
    assert page_cases._shortened(path, len(path)) == "".join(sorted(pieces, key=len, reverse=True))
    assert page_cases._shortened(path, len(path) - 1) == pieces[1] + pieces[3] + pieces[2]
    assert page_cases._shortened(path, 5) == pieces[1] and page_cases._shortened("", 5) == ""


def test_the_card_is_shown_only_where_it_is_of_this_classifier(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = open_run(SAMPLE / "grad_cam" / "predicted")
    card, _ = cards.card_of(run)
    assert card["digest"] == run.settings["classifier_digest"]
    stranger = tmp_path / "sample_data" / "models" / "demo"
    stranger.mkdir(parents=True)
    (stranger / "card.json").write_text(json.dumps(card | {"digest": "other"}))
    assert cards.card_of(run)[0] is None and "another classifier" in cards.card_of(run)[1]
    (stranger / "card.json").write_text("{")
    assert "cannot be read" in cards.card_of(run)[1]
    run.settings["classifier"] = "models/none"
    assert cards.card_of(run) == (None, "models/none has no card here.")


def test_a_report_needs_a_run_and_a_gate_that_is_one(many):
    with pytest.raises(BadInput, match="a run"):
        report.text_of([])
    for other in ({}, {"verdict": "fine", "rules": []}, {"verdict": "pass", "rules": [{}]}):
        with pytest.raises(BadInput, match="the result of a gate"):
            report.text_of([many], gate=other)


def test_a_gate_is_told_rule_by_rule_and_a_mark_stands_in_every_case(offline, monkeypatch):
    run = open_run(SAMPLE / "grad_cam" / "predicted")
    items = review_set.choose([run], per_cell=3)
    result = gate.gate(run, items, policy.read(SAMPLE.parent / "policy.toml"))
    monkeypatch.setattr(trust, "mark", lambda run: "fails the randomisation check: <b>planted</b>")
    page = offline(report.text_of([run], gate=result, cases=3))
    rows = page.locator("#gate tbody tr")
    assert rows.locator("th").all_text_contents() == [rule["name"] for rule in result["rules"]]
    outcomes = {True: "passed", False: "failed", None: "not decided"}
    assert rows.locator("td:nth-child(2)").all_text_contents() == [outcomes[rule["passed"]] for rule in result["rules"]]
    assert page.get_by_text("In this report: candidate Grad-CAM for the predicted class.").is_visible()
    assert page.locator(".case .mark").all_text_contents() == [trust.mark(run)] * 3


def test_the_command_writes_it(tmp_path):
    out = tmp_path / "report.html"
    told = command(["report", SAMPLE / "lime" / "malignant", "--out", out, "--cases", "3", "--json"])
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["bytes"] == out.stat().st_size
    assert len(data_of(out.read_text())["cases"]) == 3
    refused = command(["report", tmp_path / "none", "--out", out])
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1


# ---- in a browser without a network


def test_hostile_text_stays_text(offline, hostile):
    run, verdicts = hostile
    text = report.text_of([run], verdicts=verdicts)
    page = offline(text)
    assert page.title() != "owned" and page.locator("img[src=x]").count() == 0 and page.locator("b").count() == 0
    assert sorted(ids_shown(page)) == sorted(f"{k}{EVIL}" for k in range(4))
    assert page.locator(".note").text_content() == f"“{EVIL}” ({EVIL}, Ada)"
    assert EVIL in page.locator(".case p").first.text_content()
    assert EVIL in page.locator("select[name=label] option").nth(1).text_content()
    assert "<b>&amp;{{data}}" in page.locator("h1").text_content()
    assert [url.rpartition("/")[2] for url in page.asked] == ["report.html"]


def test_the_policy_lets_nothing_else_run(browser, tmp_path, many):
    """A script, a style and a request that somebody puts into the file are refused by the browser."""
    text = report.text_of([many], cases=2)
    added = "<script>document.title='owned'</script><img src='http://127.0.0.1:9/x.png'><style>h1{display:none}</style>"
    file = tmp_path / "changed.html"
    file.write_text(text.replace("</body>", f"{added}</body>"), encoding="utf-8")
    context = browser.new_context()
    page = context.new_page()
    refused = []
    page.on("console", lambda line: refused.append(line.text))
    page.goto(file.as_uri())
    assert page.title() != "owned" and page.locator("h1").is_visible()
    assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')") == "refused"
    assert sum("Content Security Policy" in line for line in refused) >= 4
    context.close()


CHOICES = [
    {},
    {"label": "malignant"},
    {"called": "benign", "outcome": "wrong"},
    {"outcome": "unknown"},
    {"pattern": "distracted"},
    {"label": "benign", "pattern": "no_explanation"},
]
SORTS = ["explanation_coverage", "iou", "excess_explanation_coverage", "confidence", "id"]


def test_filters_and_order_are_those_of_pandas(offline, many):
    page = offline(report.text_of([many]))
    table = Records(join(many)).table
    for k, chosen in enumerate(CHOICES):
        page.locator("button[type=reset]").click()
        passing = table
        for name, value in chosen.items():
            page.locator(f"select[name={name}]").select_option(f"={value}")
            passing = passing[passing[name] == value]
        page.locator(".count").get_by_text(f"{len(passing)} of 61 cases").wait_for()
        sort = SORTS[k % len(SORTS)]
        for order in ("low", "high"):
            page.locator("select[name=sort]").select_option(sort)
            page.locator("select[name=order]").select_option(order)
            assert ids_shown(page) == by_pandas(table, passing, sort, order)
    assert 0 < len(passing) < 61


def by_pandas(table: pd.DataFrame, passing: pd.DataFrame, sort: str, order: str) -> list[str]:
    worst = table.assign(w=table["outcome"] != "wrong")
    worst = worst.sort_values(["w", "explanation_coverage", "sample_id"], na_position="last").loc[
        lambda t: t.index.isin(passing.index)
    ]
    column = "sample_id" if sort == "id" else sort
    keyed = worst.assign(key=worst[column] if sort == "id" else worst[column].astype(float).round(6))
    return keyed.sort_values("key", ascending=order == "low", kind="stable", na_position="last")["sample_id"].tolist()


def test_text_is_searched_in_names_notes_and_metadata(offline, many, tmp_path):
    verdicts = Verdicts(tmp_path / "verdicts.sqlite")
    key = many.manifest["content_digest"]
    verdicts.note(key, "id004", "A Ruler at the edge", "Ada")
    verdicts.tag(key, "id009", ["artefact"], "Ada")
    page = offline(report.text_of([many], verdicts=verdicts))
    box = page.get_by_role("searchbox", name="Search")
    for words, found in [
        ("ruler", {"id004"}),
        ("ARTEFACT", {"id009"}),
        ("id03", {f"id03{k}" for k in range(10)}),
        ("age 34", {"id004"}),
        ("nowhere", set()),
    ]:
        box.fill(words)
        assert set(ids_shown(page)) == found
        assert page.get_by_role("status").text_content() == f"{len(found)} of 61 cases are shown."


def test_runs_side_by_side_are_judged_by_the_one_chosen(offline, many, tmp_path):
    flipped = [dict(row, probabilities=row["probabilities"] and row["probabilities"][::-1]) for row in rows_again(many)]
    other = write_run(
        tmp_path / "other", many.folder.parent / "data", flipped, classifier_digest="c2", classifier="models/y"
    )
    page = offline(report.text_of([many, other]))
    for place, run in enumerate((many, other)):
        page.get_by_label("Judged by").select_option(index=place)
        page.get_by_label("Outcome").select_option("=wrong")
        table = Records(join(run)).table
        assert set(ids_shown(page)) == set(table["sample_id"][table["outcome"] == "wrong"])


def test_heat_outlines_and_keys(offline, many):
    page = offline(report.text_of([many]))
    first = page.locator(".case").first
    canvas = first.locator("canvas")
    assert canvas.evaluate("node => node.getContext('2d').getImageData(0, 0, 1, 1).data[3]") == 255
    slider = page.get_by_role("slider", name="Heat")
    slider.focus()
    page.keyboard.press("Home")
    assert canvas.evaluate("node => getComputedStyle(node).opacity") == "0"
    page.keyboard.press("ArrowRight")
    assert canvas.evaluate("node => getComputedStyle(node).opacity") == "0.05"
    for name, kind in (("Drawn by a human", "truth"), ("Explanation region", "explanation")):
        box = page.get_by_role("checkbox", name=name)
        box.focus()
        page.keyboard.press("Space")
        assert not first.locator(f".picture .{kind}").last.is_visible()
    page.keyboard.press("Tab")
    page.locator("body").press("Control+Home")
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the cases"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "cases"


def test_names_roles_and_headings(offline, many):
    page = offline(report.text_of([many], cases=8))
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(node => Number(node.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    tree = page.locator("body").aria_snapshot()
    for line in (
        "main",
        'navigation "Contents"',
        'searchbox "Search"',
        'combobox "Sorted by"',
        'slider "Heat"',
        'region "Metrics"',
        'article "id',
    ):
        assert line in tree
    assert page.locator("table:not(:has(caption)), th:not([scope])").count() == 0


def test_printed_it_has_cases_and_no_controls(offline, many):
    page = offline(report.text_of([many], cases=6))
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator(".bar").is_visible() and page.locator(".case").first.is_visible()
    assert page.locator(".case").first.evaluate("node => getComputedStyle(node).breakInside") == "avoid"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, tmp_path, scheme):
    runs = [open_run(SAMPLE / "grad_cam" / "predicted"), open_run(SAMPLE / "lime" / "malignant")]
    out = report.write(runs, tmp_path / "report.html", cases=20)
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(out.as_uri())
    assert axe.faults(page) == []
    context.close()


def test_verdicts_that_are_named_have_to_be_there(tmp_path, capsys):
    run, out = str(SAMPLE / "grad_cam/predicted"), tmp_path / "r.html"
    assert main(["report", run, "--out", str(out), "--verdicts", str(tmp_path / "typo.sqlite")]) == 2
    assert "typo.sqlite: expected a file of verdicts; found nothing there" in capsys.readouterr().err
    assert not out.exists()


def test_a_gate_whose_verdict_was_changed_is_refused(tmp_path, capsys):
    file = write_json(tmp_path / "gate.json", sealed({"verdict": "fail_both"}) | {"verdict": "pass"})
    run, out = str(SAMPLE / "grad_cam/predicted"), tmp_path / "r.html"
    assert main(["report", run, "--out", str(out), "--gate", str(file)]) == 2
    assert "gate.json: expected the result of a gate as it was written" in capsys.readouterr().err
    assert not out.exists()

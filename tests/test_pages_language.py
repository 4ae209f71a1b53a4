"""The page Language in a real browser: its cells are a hand count, they lead to Explore, and a scorer stays blind."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3

import axe
import numpy as np
import pandas as pd
import pytest
from language_fixtures import Spy, whole_rows
from pages_fixtures import SAMPLE, button, drawn, expect, gallery_is, listening, parameters_of, records, settled

from xai_core.files import read_json, sealed, write_json
from xai_core.language import people
from xai_core.language.agreement import figures
from xai_core.language.judge import judge_run
from xai_core.language.schema import block
from xai_core.language.store import open_judgements
from xai_core.review.records import Records, join
from xai_core.runs import open_run
from xai_core.runs.store import RunWriter
from xai_core.ui import language_view

RUN = "grad_cam/predicted"
SECRET = "periwinkle"
UNREADABLE = "1. &lt;b&gt; :material/home: :streamlit: :+1: a -> b *c*"
HOSTILE = (
    "1. :material/home: :streamlit: &lt;b&gt; <b onclick=x>bold</b> $x^2$ a -> b\n\n# :red[second] [link](http://x.y)\n"
    "    four spaces, *stars* and `ticks` ![](http://x.y/z.png) <img src=x onerror=alert(1)>. End."
)


def score_of(sample_id: str) -> int | None:
    """Return what the oracle gives a record: 0 to 5 by its name, and to one in fifteen nothing."""
    drawn_ = int(hashlib.sha256(sample_id.encode()).hexdigest(), 16)
    return None if drawn_ % 15 == 0 else drawn_ % 6


def oracle(request) -> str:
    """Return an answer that says more of a coloured patch where the class is benign."""
    patch = hashlib.sha256(request.sample_id.encode()).digest()[5] < (240 if request.predicted == "benign" else 15)
    seen = "A coloured patch shines." if patch else "The skin is even."
    return block(f"{seen} It looks {SECRET}.", f"Because {SECRET}.", score_of(request.sample_id))


def copied(root):
    """Return a copy of the sample run that nobody has judged."""
    without = shutil.ignore_patterns("judgements", "*.sqlite*")
    shutil.copytree(SAMPLE / RUN, root / "runs" / RUN, ignore=without)
    (root / "dermoscopy").symlink_to(SAMPLE.parent / "dermoscopy")
    return open_run(root / "runs" / RUN)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Return a copy of the sample run, judged by a judge that gives scores by name."""
    run = copied(tmp_path_factory.mktemp("judged"))
    judge_run(run, Spy(oracle), out="oracle")
    return run


@pytest.fixture
def language(visit, judged):
    return lambda **said: visit("/language", run=str(judged.folder), **said)


def hostile_block(request) -> str:
    return json.dumps({"description": HOSTILE, "justification": HOSTILE, "score": score_of(request.sample_id)})


def flip(path) -> None:
    """Change one byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def by_hand(threshold: float = 0.5) -> pd.DataFrame:
    table = records(RUN, threshold)
    score = pd.Series([score_of(sample_id) for sample_id in table["sample_id"]], dtype="Int8")
    level = score.map({0: "low", 1: "low", 2: "low", 3: "high", 4: "high", 5: "high"})
    return table.assign(score=score, cell=table["outcome"].map({"right": "correct", "wrong": "wrong"}) + "_" + level)


def come_in(page, name: str) -> None:
    """Say who scores."""
    page.get_by_label("Reviewer").fill(name)
    button(page, "begin_scoring").click()
    page.get_by_text(f"scored by {name}").wait_for()
    page.locator("img.judged").wait_for()
    listening(page, "score_keys")


def bytes_of(said: str | bytes) -> bytes:
    return said if isinstance(said, bytes) else said.encode()


@pytest.mark.parametrize("at", ["0.5", "Sensitivity 0.95"])
def test_the_cells_are_a_hand_count_and_lead_to_explore(language, judged, at):
    threshold = judged.settings["operating_points"]["sensitivity_95"] if at.startswith("Sens") else 0.5
    expected = by_hand(threshold)
    page = language(at=at)
    counts = expected["cell"].value_counts()
    for cell in ("correct_high", "correct_low", "wrong_high", "wrong_low"):
        shown = page.locator(f".st-key-cell_{cell}").get_by_role("heading")
        expect(shown).to_have_text(str(counts.get(cell, 0)))
    page.locator(".st-key-cell_correct_low").get_by_role("link", name="Show").click()
    page.wait_for_url("**/explore?**")
    drawn(page)
    inside = expected[expected["cell"] == "correct_low"]
    wanted = inside.sort_values("explanation_coverage", kind="stable", na_position="last")["sample_id"].tolist()
    page.get_by_text(f"{len(wanted)} of 100 records pass the filters.").wait_for()
    gallery_is(page, wanted[:60])
    assert parameters_of(page)["judged"] == ["Right, judged low"]
    page.reload()
    drawn(page)
    gallery_is(page, wanted[:60])


def test_the_page_says_whose_opinion_it_is_and_how_far_to_trust_it(language):
    page = language()
    page.get_by_text("This is the opinion of spy, a vision-language model on this machine").wait_for()
    unscored = sum(score_of(sample_id) is None for sample_id in by_hand()["sample_id"])
    page.get_by_text(f"{100 - unscored} of 100 records scored · {unscored} on which it could").wait_for()
    page.get_by_text(re.compile("(patch|even).* goes with being called (benign|malignant)")).first.wait_for()
    page.get_by_text("How far to trust this list.").wait_for()
    page.get_by_text("No difference from the plain ranking can be told from chance").wait_for()
    suspects = by_hand()
    suspects = suspects[suspects["cell"] == "wrong_high"]["sample_id"].tolist()
    shown = page.locator(".st-key-suspects .tile").evaluate_all("(tiles) => tiles.map((tile) => tile.dataset.id)")
    assert sorted(shown) == sorted(suspects)
    assert [score_of(each) for each in shown] == sorted((score_of(each) for each in shown), reverse=True)
    assert axe.faults(page) == []


def test_a_tile_says_what_was_said_of_its_record(language):
    page = language()
    tile = page.locator(".st-key-suspects .tile").first
    sample_id = tile.get_attribute("data-id")
    tile.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(f"Because {SECRET}.").wait_for()
    dialog.get_by_text(f"Score {score_of(sample_id)} of 5").wait_for()
    assert parameters_of(page)["record"] == [sample_id]
    dialog.get_by_role("link", name="Open in Explore").click()
    page.wait_for_url("**/explore?**")
    drawn(page)
    assert parameters_of(page)["case"] == [sample_id]
    page.get_by_text("What the judge “oracle” says").click()
    page.get_by_text(f"Because {SECRET}.").wait_for()


def test_a_blind_scorer_sees_nothing_of_the_judge_before_the_score(language, judged, workspace):
    page = language(part="Score for yourself")
    heard: list[bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda said: heard.append(bytes_of(said))))
    page.reload()
    drawn(page)
    come_in(page, "Ann")
    order = people.order_of(by_hand()["sample_id"], "Ann")
    total = len(order)
    progress = page.get_by_text("scored by Ann")
    expect(progress).to_have_text(f"0 of {total} scored by Ann")
    given = {}
    for place, key in enumerate("2530x1"):
        page.locator("img.judged").wait_for()
        assert SECRET not in page.content()
        expect(page.get_by_text("Quadratic kappa")).to_have_count(0)
        page.keyboard.press(key)
        expect(progress).to_have_text(f"{place + 1} of {total} scored by Ann")
        settled(page)
        given[order[place]] = None if key == "x" else int(key)
    assert heard and not [
        data for data in heard if SECRET.encode() in (data if isinstance(data, bytes) else data.encode())
    ]
    stored = people.PeopleScores(workspace / "scores.sqlite")
    assert list(stored.given(judged.manifest["content_digest"], "masked")["Ann"].items()) == list(given.items())
    page.get_by_text("Show what the judge said of the picture I scored last").click()
    page.get_by_text(f"Because {SECRET}.").wait_for()
    again = language(part="Score for yourself")
    come_in(again, "Ann")
    expect(again.get_by_text("scored by Ann")).to_have_text(f"6 of {total} scored by Ann")
    assert SECRET not in again.content()
    page = language()
    page.get_by_role("heading", name="People against the judge").wait_for()
    both = {each: score for each, score in given.items() if score is not None}
    found = figures(np.array([score_of(each) for each in both], float), list(both.values()))
    assert found["n"] == sum(score_of(each) is not None for each in both) > 0
    (workspace / "scores.sqlite").unlink()


def test_a_run_that_nobody_judged_is_judged_from_the_page(visit, tmp_path):
    run = copied(tmp_path)
    page = visit("/language", run=str(run.folder))
    page.get_by_text("Nobody has judged these maps yet.").wait_for()
    button(page, "judge_run").click()
    page.get_by_text("This is the opinion of measured").wait_for()
    page.get_by_text("of 100 records scored").wait_for()


def test_texts_damage_and_what_was_not_asked_are_told_as_they_are(visit, tmp_path):
    run = copied(tmp_path)

    def hostile(request):
        return f"{UNREADABLE} {request.sample_id}" if score_of(request.sample_id) is None else hostile_block(request)

    judge_run(run, Spy(hostile), out="hostile", limit=40)
    for name in ("flipped", "broken"):
        shutil.copytree(run.folder / "judgements" / "hostile", run.folder / "judgements" / name)
    flip(next((run.folder / "judgements" / "flipped").glob("part-*")))
    (run.folder / "judgements" / "broken" / "manifest.json").write_text('{"format": ')
    asked = open_judgements(run, "hostile").table().set_index("sample_id")["score"]
    first, silent = asked.index[asked.notna()][0], asked.index[asked.isna()][0]
    page = visit("/language", run=str(run.folder), judge="nosuch", record=first, width=1024)
    dialog = page.get_by_role("dialog")
    written = dialog.get_by_test_id("stHtml").filter(has_text="End.")
    expect(written).to_have_count(2)
    assert [each.inner_text() for each in written.all()] == [HOSTILE, HOSTILE]
    for name, fault in (("flipped", "found other bytes"), ("broken", "expected a JSON file")):
        told = page.get_by_text(f"The judgements named {name} cannot be read.")
        expect(told).to_contain_text(fault)
    page.get_by_text("There are no judgements named nosuch; shown are those of hostile.").wait_for()
    scored = int(asked.notna().sum())
    page.get_by_text(f"{scored} of 40 records scored · 60 of the run's 100 were not asked").wait_for()
    page.get_by_text(f"{100 - scored} records are in no cell: 60 were not asked, the others").wait_for()
    heights = [page.locator(f".st-key-cell_wrong_{level}").bounding_box()["height"] for level in ("high", "low")]
    assert heights[0] == pytest.approx(heights[1], abs=1)
    assert not re.search(r"\d%", page.locator("[data-testid=stMain]").inner_text())

    page = visit("/language", run=str(run.folder), judge="flipped", record=silent)
    said = page.get_by_role("dialog").get_by_text("There is no judgement that can be read")
    said.wait_for()
    assert UNREADABLE in said.inner_text().replace("\u2060", "")
    page.get_by_text("Those named flipped cannot be read; shown are those of hostile.").wait_for()

    shutil.rmtree(run.folder / "judgements" / "hostile")
    page = visit("/explore", run=str(run.folder), judge="flipped", case=first)
    expect(page.get_by_text("What the judge")).to_have_count(0)
    (run.folder / "judgements" / "begun").mkdir()
    page = visit("/language", run=str(run.folder), judge="begun")
    page.get_by_text("The judgements named begun are not finished.").wait_for()
    page.get_by_text("There are no other judgements of these maps.").wait_for()
    expect(page.get_by_text("cannot be read.")).to_have_count(2)
    button(page, "judge_run").wait_for()


def test_where_nothing_is_outlined_the_page_says_why_nothing_is_scored(visit, tmp_path):
    whole = copied(tmp_path)
    bare = {"annotation": "no_annotation", "annotation_area": None, "annotation_kept": None, "region_area": None}
    writer = RunWriter(whole.folder.parent / "bare", whole.settings)
    writer.add([row | bare | {"region": None} for row in whole_rows(whole)[:12]])
    run = writer.finish()
    judge_run(run, Spy(lambda request: block("It cannot be told.", "Nobody outlined it.", None)), out="silent")
    manifest = read_json(run.folder / "judgements" / "silent" / "manifest.json")
    manifest["judge"] |= {"name": "measured", "measures": True}
    write_json(run.folder / "judgements" / "silent" / "manifest.json", sealed(manifest))
    page = visit("/language", run=str(run.folder))
    page.get_by_text("No map has a score: no record of this run has an outline").wait_for()
    for absent in (
        "fully on the outlined region",
        "How far to trust this list",
        "Labels to look at again",
        "Right, and",
    ):
        expect(page.get_by_text(absent)).to_have_count(0)
    page = visit("/language", run=str(run.folder), part="Score for yourself")
    page.get_by_text("The judge has scored none of these pictures").wait_for()
    come_in(page, "Eve")
    page.keyboard.press("3")
    expect(page.get_by_text("scored by Eve")).to_have_text("1 of 12 scored by Eve")
    page.get_by_text("Show how far we agree so far").click()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(2)


def test_a_judge_without_any_score_is_said_to_have_none_and_why(tmp_path):
    run = copied(tmp_path)
    said = judge_run(run, Spy(lambda request: "I would rather *not*."), out="mute", limit=6)
    records_ = Records(join(run, run.settings["region_rule"]), 0.5)
    text = language_view._nothing_scored(records_, language_view.Said("mute", said, said.table(), ()))
    assert text.startswith("No map has a score: on 6 its answer could not be read. Most often: ")
    assert r"rather \*not\*" in text


def test_the_first_score_counts_and_events_are_only_added(tmp_path):
    scores = people.PeopleScores(tmp_path / "scores.sqlite")
    assert scores.given("run", "masked") == {}
    scores.give("run", "masked", "a", "Ann", 4)
    scores.give("run", "masked", "a", "Ann", 1)
    scores.give("run", "masked", "b", "Ann", None)
    scores.give("run", "overlay", "a", "Ann", 0)
    scores.give("run", "masked", "a", "Bob", 5)
    assert scores.given("run", "masked") == {"Ann": {"a": 4, "b": None}, "Bob": {"a": 5}}
    with sqlite3.connect(scores.path) as connection, pytest.raises(sqlite3.DatabaseError, match="only added"):
        connection.execute("UPDATE events SET score = 5")
    connection.close()
    with pytest.raises(ValueError, match="0 to 5"):
        scores.give("run", "masked", "c", "Ann", 6)


def test_each_reviewer_has_an_order_of_their_own_and_a_picture_without_the_label(judged):
    ids = by_hand()["sample_id"].tolist()
    ann, bob = people.order_of(ids, "Ann"), people.order_of(ids, "Bob")
    assert sorted(ann) == sorted(ids) and ann != bob != ids
    assert people.order_of(reversed(ids), "Ann") == ann and people.order_of(ids, "Ann", seed=1) != ann
    from xai_core.language.views import View

    pixels, predicted = people.picture_of(judged, ids[0], View())
    row = by_hand().set_index("sample_id").loc[ids[0]]
    assert predicted == row["target"] and pixels.shape == (192, 192, 3) and pixels.dtype == np.uint8

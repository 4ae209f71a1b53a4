"""The page Structure: its figures are those of structure.json, its pictures lead to reasons, its URL restores it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from apptest_fixtures import forget, opened, sound, triggered
from axe import faults
from pages_fixtures import drawn, expect, parameters_of
from structure_fixtures import HOSTILE, OPTIONS, drawn_track

from xai_core.files import read_json
from xai_core.i2x.store import open_track
from xai_core.i2x.why import why

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("ring", "bar", "hook", "star")


@pytest.fixture(scope="module", autouse=True)
def tracks(workspace):
    """Return the tracks in the server's working directory: from the first page on, until the last."""
    import shutil

    home = workspace / "tracks"
    drawn_track(home / "drawn")
    drawn_track(home / "fresh", analysed=False)
    drawn_track(home / "hostile", class_names=HOSTILE, seed=4, pictures=False)
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def found(tracks) -> dict:
    return read_json(tracks / "drawn" / "structure.json")


@pytest.fixture
def here(workspace, monkeypatch):
    """Work where the tracks are, without a browser."""
    monkeypatch.chdir(workspace)
    forget()


def strips(test, key: str) -> list[dict]:
    """Return the rows of pictures that a component of this key draws."""
    component = next(element for element in test.get("bidi_component") if element.key == key)
    return json.loads(component.proto.bytes)["rows"]


def table(test, column: str):
    """Return the table that has a column of this name."""
    return next(frame.value for frame in test.dataframe if column in frame.value)


def texts(test) -> str:
    """Return all words of the page without Markdown's escapes."""
    return "\n".join(element.value for element in (*test.markdown, *test.caption, *test.info)).replace("\\", "")


# ---- without a browser


def test_without_a_track_it_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    forget()
    test = opened("structure")
    assert "i2x fit DATA --model MODEL" in test.info[0].value and "a *track* is" in test.info[0].value


@pytest.mark.parametrize("name", NAMES)
def test_roles_have_the_figures_of_the_analysis(here, found, name):
    test = opened("structure", track="tracks/drawn", **{"class": name})
    entry = next(each for each in found["classes"] if each["class"] == name)
    assert entry["sentence"] in texts(test)
    rows = {row["title"]: row for row in strips(test, "prototypes")}
    claimed = {title for title, row in rows.items() if row["claimed"]}
    roles = [(role, each) for role in ("shared", "specialised", "supporting") for each in entry[role]]
    assert roles and claimed == {f"Prototype {each['prototype']}" for _, each in roles}
    for role, each in roles:
        row, raw, other = rows[f"Prototype {each['prototype']}"], each["units"]["raw"], each["units"]["normalised"]
        assert row["badge"] == role
        for unit in (raw, other):
            assert f"{unit['support']:+.2f} [{unit['low']:+.2f}, {unit['high']:+.2f}]" in row["text"]
        assert f"in {each['coverage']:.0%} of {name}" in row["text"]
    for each in entry["in_one_unit"]:
        row = rows[f"Prototype {each['prototype']}"]
        assert row["badge"] == "not claimed" and each["unit"] in row["text"]


def test_pictures_carry_what_is_outlined_on_them(here, tracks):
    track = open_track(tracks / "drawn")
    places, names = track.places(), list(track.samples["sample_id"])
    tiles = [tile for row in strips(opened("structure", track="tracks/drawn"), "prototypes") for tile in row["tiles"]]
    assert len({tile["caption"] for tile in tiles}) > 1  # several classes
    for tile in tiles:
        k = int(tile["alt"].partition("prototype ")[2].split()[0])
        count = (places[names.index(tile["id"])] == k).sum()
        assert count and f"on {count} of 24 places" in tile["alt"] and tile["outline"]


def test_curve_and_steps_are_those_of_the_analysis(here, found):
    test = opened("structure", track="tracks/drawn")
    steps = table(test, "Confidence moved")
    assert steps["Step"].tolist() == [f"{s['from']:,} to {s['to']:,}" for s in found["steps"]]
    assert steps["Confidence moved"].tolist() == [f"{s['movement']:.1%}" for s in found["steps"]]
    assert steps["Accuracy after"].tolist() == [f"{c['accuracy']:.1%}" for c in found["checkpoints"][1:]]
    skipped = [s["skipped"] for s in found["steps"]]
    assert any(skipped) and not all(skipped)
    for said, why_skipped in zip(steps["Pairs told apart"], skipped, strict=True):
        assert said.startswith("skipped: ") == bool(why_skipped) and why_skipped in said
    apart = table(test, "Gained")
    told = {(row["Gained"], other) for _, row in apart.iterrows() for cell in row[1:] for other in cell.split(", ")}
    wanted = {
        (c["class"], row["class"]) for c in found["classes"] for row in c["separation"] if row["from"] is not None
    }
    assert {pair for pair in told if pair[1]} == wanted
    assert len(test.get("vega_lite_chart")) == 3


def test_pair_is_the_most_confused_and_its_figures_are_those_of_the_analysis(here, found):
    test = opened("structure", track="tracks/drawn")
    pair = found["pairs"][0]
    assert [test.selectbox(key=key).value for key in ("one", "other")] == pair["classes"]
    rows = table(test, "Swing")
    assert rows["Prototype"].tolist() == [str(row["prototype"]) for row in pair["prototypes"]]
    assert rows["p"].tolist() == [f"{row['p']:.3f}" for row in pair["prototypes"]]
    assert rows["Swing"].tolist() == [f"{row['score']:.3f}" for row in pair["prototypes"]]
    sure = [row["p"] <= OPTIONS.level for row in pair["prototypes"]]
    assert sure == [said == "uncertain" for said in rows["Found"]] and any(sure) and not all(sure)


def test_maps_over_time_share_one_scale(here, tracks):
    test = opened("structure", track="tracks/drawn")
    track = open_track(tracks / "drawn")
    rows = strips(test, "pair_maps")
    ids = list(track.samples["sample_id"])
    shown = [ids.index(row["title"]) for row in rows]
    maps = {step: track.heatmaps(step)[shown] for step in track.steps}
    limit = max(values.max() for values in maps.values())
    for k, row in enumerate(rows):
        assert [tile["caption"] for tile in row["tiles"]] == [f"{step:,}" for step in track.steps]
        for step, tile in zip(track.steps, row["tiles"], strict=True):
            values = [value for line in tile["heat"] for value in line]
            assert values == (255 * maps[step][k] / limit).round().astype(int).tolist()
    means = [c["mean_intensity"] for c in read_json(tracks / "drawn" / "structure.json")["checkpoints"]]
    other = strips(opened("structure", track="tracks/drawn", unit="Divided by the mean"), "pair_maps")
    parts = [maps[step][0] / mean for step, mean in zip(track.steps, means, strict=True)]
    ratio = max(part.max() for part in parts)
    peaks = [max(max(line) for line in tile["heat"]) for tile in other[0]["tiles"]]
    assert max(peaks) <= 255 and peaks.index(max(peaks)) == [part.max() for part in parts].index(ratio)


def test_pairs_that_say_nothing_are_explained(here):
    test = opened("structure", track="tracks/drawn", one="ring", other="ring")
    assert "two different classes" in texts(test)
    test.selectbox(key="other").set_value("bar")
    assert "was not looked at" in texts(sound(test.run()))


def test_sample_has_the_figures_of_why(here, tracks, found):
    track = open_track(tracks / "drawn")
    wanted = why(track, found, "s0007")
    test = opened("structure", track="tracks/drawn", sample="s0007")
    assert wanted["honest"] in texts(test)
    rows = table(test, "Moved")
    assert rows["Moved"].tolist() == [f"{step['moved']:+.3f}" for step in wanted["steps"]]
    lessons = strips(test, "lessons")
    assert [row["title"] for row in lessons] == [f"Prototype {each['prototype']}" for each in wanted["lessons"]]
    for row, lesson in zip(lessons, wanted["lessons"], strict=True):
        assert [t["id"] for t in row["tiles"]] == ["s0007", *(each["sample"] for each in lesson["witnesses"])]
    witness = next(each["sample"] for lesson in wanted["lessons"] for each in lesson["witnesses"])
    triggered(test, "lessons", "open", {"id": witness})
    assert test.query_params["sample"] == witness


def test_unknown_sample_and_unknown_choices_are_let_go(here):
    test = opened(
        "structure", track="tracks/nowhere", sample="*nobody*", **{"class": "x", "one": "y", "prototype": "99"}
    )
    assert "no sample of the name *nobody*" in texts(test)
    assert "sample" not in test.query_params and test.selectbox(key="track").value == "tracks/drawn"


def test_analysis_by_other_options_says_so(here):
    said = texts(opened("structure", track="tracks/drawn"))
    assert "Not analysed by the defaults" in said and "permutations 99" in said


@pytest.mark.parametrize("damage", ["cut", "another track's", "changed"])
def test_damaged_analysis_is_not_shown(here, tracks, damage):
    path = tracks / "fresh" / "structure.json"
    whole = (tracks / "drawn" / "structure.json").read_text()
    text = {"cut": whole[:999], "another track's": (tracks / "hostile" / "structure.json").read_text()}
    path.write_text(text.get(damage, whole.replace('"samples": 160', '"samples": 161')))
    try:
        test = opened("structure", track="tracks/fresh")
        assert "has not been analysed" in texts(test) and test.button(key="analyse")
    finally:
        path.unlink()


def test_damaged_track_is_said(here, tracks):
    part = next((tracks / "fresh" / "places").iterdir())
    whole = part.read_bytes()
    part.write_bytes(whole[:-1])
    try:
        assert "as it was written" in opened("structure", track="tracks/fresh").error[0].value
    finally:
        part.write_bytes(whole)


def test_page_needs_no_torch(workspace):
    script = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
        "from apptest_fixtures import opened\n"
        "opened('structure', track='tracks/drawn', sample='s0007')\n"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=workspace, check=True)


# ---- in a browser


def test_a_picture_leads_to_its_reasons_and_back(visit):
    page = visit("/structure", track="tracks/drawn")
    page.get_by_text("A prototype is a kind of place").wait_for()
    tile = page.locator(".st-key-prototypes button.tile").first
    name = tile.get_attribute("data-id")
    tile.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(f"{name} · label").wait_for()
    expect(dialog.locator(".st-key-sample_maps .tile")).to_have_count(7)
    page.wait_for_url(lambda url: url.endswith(f"sample={name}"))
    witness = dialog.locator(f".st-key-lessons button.tile:not([data-id={name}])").first
    other = witness.get_attribute("data-id")
    witness.click()
    dialog.get_by_text(f"{other} · label").wait_for()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.wait_for_url(lambda url: "sample" not in url)


def test_url_restores_the_page(visit):
    chosen = {"class": "hook", "unit": "Divided by the mean", "one": "hook", "other": "bar", "prototype": "Prototype 8"}
    page = visit("/structure", track="tracks/drawn", sample="s0009", **chosen)
    page.get_by_role("dialog").get_by_text("s0009 · label").wait_for()
    expect(page.get_by_text("Images that carry prototype 8")).to_be_attached()
    before = parameters_of(page)
    assert before.items() >= {name: [value] for name, value in chosen.items()}.items()
    page.reload()
    drawn(page)
    assert parameters_of(page) == before
    expect(page.get_by_text("How the prototypes of hook evolved")).to_be_attached()


def test_keyboard_reaches_every_picture(visit):
    page = visit("/structure", track="tracks/drawn")
    tiles = page.locator(".st-key-prototypes button.tile")
    expect(page.locator(".st-key-prototypes button.tile[tabindex='0']")).to_have_count(1)
    tiles.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = page.locator(".st-key-prototypes .row").nth(1).locator("button.tile").nth(1)
    expect(below).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_text(f"{below.get_attribute('data-id')} · label").wait_for()


def test_hostile_names_stay_text_and_absent_images_are_said(visit):
    page = visit("/structure", track="tracks/hostile", width=1024, scheme="dark", **{"class": HOSTILE[1]})
    page.get_by_text("How the prototypes of **bold** [x](http:").wait_for()
    assert page.locator("img[src=x]").count() == 0 and page.locator("a[href*='evil']").count() == 0
    tiles = page.locator(".st-key-prototypes svg.world")
    assert all("the image cannot be shown" in tile.get_attribute("aria-label") for tile in tiles.all())
    assert page.locator(".st-key-prototypes path.line").first.get_attribute("d") == ""
    assert page.evaluate("document.documentElement.scrollWidth") <= 1024


def test_a_track_is_analysed_from_the_page(visit, tracks):
    page = visit("/structure", track="tracks/fresh")
    page.get_by_role("button", name="Analyse").click()
    page.get_by_text("What is a prototype?").wait_for()
    drawn(page)
    assert (tracks / "fresh" / "structure.json").is_file()
    (tracks / "fresh" / "structure.json").unlink()


@pytest.mark.parametrize(("width", "scheme", "sample"), [(1440, "light", {}), (1024, "dark", {"sample": "s0007"})])
def test_nothing_stands_in_a_readers_way(visit, width, scheme, sample):
    page = visit("/structure", track="tracks/drawn", width=width, scheme=scheme, **sample)
    page.locator(f".st-key-{'lessons' if sample else 'prototypes'} .tile").first.wait_for()
    assert not faults(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width

"""What a run of a judge asks, keeps and tells: each question once, never the label, nothing guessed."""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from language_fixtures import Spy, flipped, make_run, whole_rows
from PIL import Image
from review_fixtures import SQUASH, lime, picture, write_run

from xai_core.errors import BadInput
from xai_core.files import sealed, sha256_of
from xai_core.language import prompts, store
from xai_core.language.judge import Answer, judge_run
from xai_core.language.measured import MeasuredJudge
from xai_core.language.schema import block
from xai_core.language.views import View, masked
from xai_core.review.again import frame_image
from xai_core.runs import rows


def by_name(request) -> str:
    """Return an answer that differs from record to record."""
    return block(f"saw {request.sample_id}", "because", int(request.sample_id[2:]) % 6)


def test_each_record_gets_what_was_said_about_it(tmp_path):
    run = make_run(tmp_path, 7, broken=2)
    spy = Spy(by_name)
    found = judge_run(run, spy, concurrency=3)
    table = found.table()
    assert table["sample_id"].tolist() == run.records()["sample_id"].tolist()
    assert table["score"].tolist()[:7] == [0, 1, 2, 3, 4, 5, 0] and table["score"].isna().tolist()[7:] == [True, True]
    assert table["description"].tolist()[:7] == [f"saw id{k:03d}" for k in range(7)]
    assert table["error"].str.contains("no map").tolist() == [False] * 7 + [True] * 2
    assert spy.ids == [f"id{k:03d}" for k in range(7)]
    counts = {"records": 9, "scored": 7, "undecided": 0, "unreadable": 0, "unanswered": 2}
    assert found.manifest["counts"] == counts and list(found.manifest["scores"].values()) == [2, 1, 1, 1, 1, 1]
    assert found.manifest["tokens"] == 700 and found.manifest["cost"] is None
    assert not list(found.folder.glob("*.tmp")) and not (found.folder / store.BEGUN).exists()
    assert store.names(run) == ["spy-masked-clinical"] and len(store.open_judgements(run, found.name)) == 9


def test_a_request_is_the_masked_frame_and_the_filled_prompt(tmp_path):
    run, spy = make_run(tmp_path), Spy()
    judge_run(run, spy, view=View("masked", 20, 0.6))
    prompt = prompts.open_prompt("clinical")
    for request in spy.asked:
        native = rows.decode_heatmap(run.map_of(request.sample_id), run.frame_size)
        np.testing.assert_array_equal(request.image, masked(frame_image(run, request.sample_id), native, 20, 0.6))
        target = run.records().set_index("sample_id").loc[request.sample_id, "target"]
        assert request.predicted == target and f"“{target}”" in request.prompt and request.facts is None
        assert "{" not in request.prompt and len(request.prompt) > len(prompt.text)


@pytest.mark.parametrize("judge", [Spy, MeasuredJudge])
def test_the_label_reaches_no_judge(tmp_path, judge):
    """Two runs that differ in every label, and in all that is known of the sample but its picture, ask the same."""
    told = []
    for name in ("told", "flipped"):
        run = make_run(tmp_path, 6, name=f"{name}-0")
        changed = whole_rows(run)
        if name == "flipped":
            for row in changed:
                k = row["position"]
                row.update(label=flipped(k), label_index=1 - k % 2, group="SECRET", metadata='{"diagnosis": "SECRET"}')
                row.update(split="train", confidence=0.123)
        run = write_run(tmp_path / name, tmp_path / "data", changed)
        spy = Spied(judge())
        table = judge_run(run, spy).table()
        told.append(([shown(request) for request in sorted(spy.asked, key=lambda r: r.sample_id)], table))
    assert told[0][0] == told[1][0]
    pd.testing.assert_frame_equal(*(table.drop(columns=["seconds"]) for _, table in told))


class Spied:
    """Another judge that keeps every request."""

    def __init__(self, judge) -> None:
        self.judge, self.asked = judge, []
        self.name, self.settings, self.remote, self.batch = judge.name, judge.settings, judge.remote, judge.batch
        self.wants_facts = getattr(judge, "wants_facts", False)

    def answer(self, requests):
        self.asked += requests
        return self.judge.answer(requests)


def shown(request) -> tuple:
    """Return all that a request holds, as bytes and text."""
    facts = {k: None if v is None else v.tobytes() for k, v in (request.facts or {}).items()}
    return request.sample_id, request.image.tobytes(), request.prompt, request.predicted, facts


def test_maps_of_the_label_are_refused(tmp_path):
    with pytest.raises(BadInput, match="no judge may know"):
        judge_run(make_run(tmp_path, target="label"), spy := Spy())
    assert spy.asked == []


def test_nothing_is_asked_twice_and_what_changed_is_asked_anew(tmp_path):
    run, spy = make_run(tmp_path), Spy(by_name)
    first = judge_run(run, spy).table()
    pd.testing.assert_frame_equal(judge_run(run, spy).table(), first)
    judge_run(run, spy, out="another", concurrency=4)
    assert len(spy.asked) == 6
    own = tmp_path / "own.md"
    own.write_text(f"<!-- version 3 -->\n\n{prompts.open_prompt('clinical').text}\n")
    judge_run(run, spy, prompt=prompts.open_prompt(str(own)))
    assert len(spy.asked) == 6, "the same text under another name and version"
    own.write_text("Is it {predicted}?")
    judge_run(run, spy, prompt=prompts.open_prompt(str(own)))
    assert len(spy.asked) == 12
    judge_run(run, spy, view=View("masked", 25, 0.41))
    assert len(spy.asked) == 18
    judge_run(run, spy, view=View("overlay"))
    assert len(spy.asked) == 24
    judge_run(run, other := Spy(settings={"temperature": 1}))
    assert len(other.asked) == 6
    judge_run(run, spy), judge_run(run, spy, view=View("overlay"))
    assert len(spy.asked) == 24, "what other questions were answered is kept"


def test_a_changed_map_or_image_is_asked_anew_and_the_others_are_not(tmp_path):
    run, spy = make_run(tmp_path), Spy()
    folder = judge_run(run, spy).folder
    maps = whole_rows(run)
    maps[1] |= rows.encode_heatmap(rows.decode_heatmap(maps[1], SQUASH.size) + 1)
    maps[2]["target"] = "benign"
    Image.fromarray(picture((90, 150), 99)).save(tmp_path / "data" / "id003.png")
    maps[3]["image_hash"] = sha256_of(tmp_path / "data" / "id003.png")
    again = write_run(tmp_path / "again", tmp_path / "data", maps)
    shutil.copytree(folder, again.folder / "judgements" / folder.name)
    with pytest.raises(BadInput, match="other maps"):
        store.open_judgements(again, folder.name)
    judge_run(again, spy)
    assert sorted(request.sample_id for request in spy.asked[6:]) == ["id001", "id002", "id003"]


def test_a_changed_outline_is_measured_anew_and_asked_of_no_model_again(tmp_path):
    run, spy, measured = make_run(tmp_path), Spy(), Spied(MeasuredJudge())
    folder = judge_run(run, spy).folder.parent
    judge_run(run, measured)
    maps = whole_rows(run)
    maps[4]["region"] = rows.encode_region(np.eye(*SQUASH.size, dtype=bool))
    maps[5] |= {"region": None, "annotation": "annotation_outside_crop"}
    again = write_run(tmp_path / "again", tmp_path / "data", maps)
    shutil.copytree(folder, again.folder / "judgements")
    judge_run(again, spy)
    table = judge_run(again, measured).table()
    assert len(spy.asked) == 6 and sorted(request.sample_id for request in measured.asked[6:]) == ["id004", "id005"]
    assert "not in the picture" in table["description"][5]


@pytest.mark.parametrize("view", ["masked", "overlay", "region"])
def test_maps_of_segments_are_shown_in_every_view(tmp_path, view):
    run = make_run(tmp_path, 3)
    maps = whole_rows(run)
    maps = [row | lime(k, SQUASH) for k, row in enumerate(maps)]
    again = write_run(tmp_path / "lime", tmp_path / "data", maps, method="lime", region_rule="top_segments:5")
    judge_run(again, spy := Spy(), view=View(view))
    for request in spy.asked:
        row, frame = again.map_of(request.sample_id), frame_image(again, request.sample_id)
        segments = rows.decode_segments(row, SQUASH.size)
        most, least = np.argmax(row["coefficients"]), np.argmin(row["coefficients"])
        shown = [np.abs(request.image.astype(int) - frame)[segments == each].mean() for each in (most, least)]
        # under colours both differ from the frame; else the strongest segment is shown and the weakest is black
        assert (shown[0] <= 1 and not request.image[segments == least].any()) if view != "overlay" else min(shown) > 10


def test_records_with_the_same_picture_and_map_are_asked_once(tmp_path):
    run = make_run(tmp_path, 4)
    maps = whole_rows(run)
    twin = maps[1] | {"sample_id": "twin", "position": 4}
    again = write_run(tmp_path / "again", tmp_path / "data", [*maps, twin])
    spy = Spy(lambda request: block(request.sample_id, "", 2))
    table = judge_run(again, spy).table().set_index("sample_id")
    assert len(spy.asked) == 4 and table.loc["twin", "description"] == table.loc["id001", "description"]


def test_an_unreadable_answer_is_kept_raw_and_counted_and_not_asked_again(tmp_path):
    run = make_run(tmp_path)
    spy = Spy(lambda request: "I rather like it \ud800" if request.sample_id == "id002" else by_name(request))
    found = judge_run(run, spy)
    row = found.table().set_index("sample_id").loc["id002"]
    assert row["raw"] == "I rather like it ?" and pd.isna(row["score"]) and "rather like" in row["error"]
    assert found.manifest["counts"]["unreadable"] == 1 and found.manifest["counts"]["scored"] == 5
    judge_run(run, spy)
    assert len(spy.asked) == 6


def test_an_unanswered_request_is_told_and_asked_again(tmp_path):
    run, down = make_run(tmp_path), {"id001", "id004"}
    spy = Spy(lambda r: Answer("", error="the server is down") if r.sample_id in down else by_name(r))
    found = judge_run(run, spy)
    assert found.manifest["counts"]["unanswered"] == 2
    assert found.table().set_index("sample_id").loc["id004", "error"] == "the server is down"
    down.clear()
    found = judge_run(run, spy)
    assert spy.ids == sorted([f"id{k:03d}" for k in range(6)] + ["id001", "id004"])
    assert found.manifest["counts"]["scored"] == 6


def test_a_judge_that_cannot_tell_is_undecided(tmp_path):
    found = judge_run(make_run(tmp_path), Spy(lambda request: block("dark", "nothing to see", None)))
    assert found.manifest["counts"] == {"records": 6, "scored": 0, "undecided": 6, "unreadable": 0, "unanswered": 0}
    assert set(found.table()["error"]) == {""} and set(found.table()["justification"]) == {"nothing to see"}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_what_was_answered_before_a_failure_is_kept(tmp_path, concurrency):
    run, stop = make_run(tmp_path, 12), {"id005"}

    def says(request):
        if request.sample_id in stop:
            raise BadInput(where="server", expected="a key", found="none", remedy="set one")
        return by_name(request)

    spy = Spy(says)
    with pytest.raises(BadInput, match="a key"):
        judge_run(run, spy, concurrency=concurrency)
    assert list((run.folder / "judgements").rglob("part-*")) and store.names(run) == []
    with pytest.raises(BadInput, match="--resume"):
        judge_run(run, spy)
    stop.clear()
    asked = len(spy.asked)
    found = judge_run(run, spy, resume=True)
    assert found.manifest["counts"]["scored"] == 12 and 2 <= len(spy.asked) - asked < 12
    assert found.table()["description"].tolist() == [f"saw id{k:03d}" for k in range(12)]


def test_what_is_on_its_way_when_a_call_fails_is_waited_for_and_kept(tmp_path):
    run, failed = make_run(tmp_path, 4), threading.Event()

    def says(request):
        if request.sample_id == "id001":
            failed.set()
            raise BadInput(where="server", expected="a key", found="none", remedy="set one")
        assert failed.wait(20)
        time.sleep(0.1)  # most likely the failure has been seen by then; what is asserted holds in any case
        return by_name(request)

    spy = Spy(says)
    spy.batch = 1
    with pytest.raises(BadInput, match="a key"):
        judge_run(run, spy, concurrency=4)
    spy._says = by_name
    judge_run(run, spy, resume=True)
    assert [request.sample_id for request in spy.asked[4:]] == ["id001"]


def test_an_image_that_is_gone_or_changed_is_told_and_judged_when_it_is_back(tmp_path):
    run, spy = make_run(tmp_path), Spy(by_name)
    gone, changed = tmp_path / "data" / "id001.png", tmp_path / "data" / "id002.png"
    before = gone.read_bytes(), changed.read_bytes()
    gone.unlink()
    changed.write_bytes((tmp_path / "data" / "id005.png").read_bytes())
    found = judge_run(run, spy)
    errors = found.table().set_index("sample_id")["error"]
    assert "id001" not in spy.ids and "id002" not in spy.ids and len(spy.asked) == 4
    assert "id001.png" in errors["id001"] and "changed" in errors["id002"]
    gone.write_bytes(before[0]), changed.write_bytes(before[1])
    assert judge_run(run, spy).manifest["counts"]["scored"] == 6 and len(spy.asked) == 6


def test_a_limit_draws_by_hash_and_more_of_them_hold_the_fewer(tmp_path):
    run, spy = make_run(tmp_path, 12), Spy(by_name)
    few = judge_run(run, spy, limit=4).table()["sample_id"].tolist()
    assert len(few) == 4 == len(spy.asked) and few != [f"id{k:03d}" for k in range(4)]
    more = judge_run(run, spy, limit=9).table()["sample_id"].tolist()
    assert set(few) < set(more) and len(spy.asked) == 9
    with pytest.raises(BadInput, match="expected 9 records or more, for as many were judged; found 5"):
        judge_run(run, spy, limit=5)
    assert len(judge_run(run, spy, limit=5, out="fewer")) == 5 and len(spy.asked) == 9


def test_another_question_to_a_model_takes_no_place_of_the_first(tmp_path):
    run, first, second = make_run(tmp_path), Spy(by_name), Spy(by_name, settings={"url": "elsewhere"})
    names = [judge_run(run, judge).name for judge in (first, second, first, second)]
    assert names[:2] == names[2:] and names[1].startswith(f"{names[0]}-")
    assert store.names(run) == sorted(names[:2]) and len(first.asked) == len(second.asked) == 6


@pytest.mark.parametrize("when", ["in keeping", "in asking"])
def test_an_interruption_keeps_what_is_on_its_way_and_tells_the_judge(tmp_path, when):
    """The third request ends the work; the first two calls and those on their way with it are kept."""
    run = make_run(tmp_path, 12)

    class Stopped(Spy):
        batch, halted = 1, False

        def stop(self):
            self.halted = True

        def answer(self, requests):
            if when == "in asking" and len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().answer(requests)

    def progress(done, total):
        if when == "in keeping" and done >= 3:
            raise KeyboardInterrupt

    judge = Stopped(by_name)
    with pytest.raises(KeyboardInterrupt):
        judge_run(run, judge, progress=progress, concurrency=3)
    assert judge.halted and 3 <= len(judge.asked) < 12
    again = Spy(by_name, settings=judge.settings)
    assert judge_run(run, again, resume=True).manifest["counts"]["scored"] == 12
    assert len(again.asked) == 12 - len(judge.asked)


def test_the_cost_is_the_tokens_times_the_price(tmp_path):
    found = judge_run(make_run(tmp_path), Spy(), price=2.5)
    assert found.manifest["cost"] == pytest.approx(600 / 1e6 * 2.5)


def test_damage_is_told_and_mended_by_asking_what_is_lost(tmp_path):
    run, spy = make_run(tmp_path), Spy()
    found = judge_run(run, spy)
    path = found.folder / found.manifest["file"]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadInput, match="other bytes"):
        found.table()
    with pytest.raises(BadInput, match=r"part-0.*other bytes; ask anew what stood in it by --resume"):
        judge_run(run, spy, out="another")
    assert judge_run(run, spy, resume=True).manifest["counts"]["scored"] == 6 and len(spy.asked) == 12
    (found.folder / "part-of-a-thesis.parquet").write_bytes(b"mine")
    assert judge_run(run, spy).manifest["counts"]["scored"] == 6 and len(spy.asked) == 12
    assert (found.folder / "part-of-a-thesis.parquet").exists()
    manifest = found.folder / store.MANIFEST
    manifest.write_text(manifest.read_text().replace('"3": 6', '"3": 7'))
    with pytest.raises(BadInput, match="changed"):
        store.open_judgements(run, found.name)
    manifest.write_text(json.dumps(sealed(json.loads(manifest.read_text()) | {"format": "judgements 0"})))
    with pytest.raises(BadInput, match="another version"):
        store.open_judgements(run, found.name)


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "x" * 101, "ü"])
def test_a_name_is_a_plain_folder_name(tmp_path, name):
    with pytest.raises(BadInput, match="a name of letters"):
        store.folder_of(make_run(tmp_path), name)


def test_names_of_models_become_folder_names(tmp_path):
    assert store.plain_name("small-2.5_x") == "small-2.5_x"
    texts = ("HuggingFaceTB/SmolVLM-500M: (x)", "HuggingFaceTB-SmolVLM-500M: (x)", "../..", "日本", "中国", "a" * 99)
    names = [store.plain_name(text) for text in texts]
    assert names[0].startswith("HuggingFaceTB-SmolVLM-500M-x-") and len(set(names)) == len(texts)
    run = make_run(tmp_path)
    assert all(store.folder_of(run, name) for name in names)


@pytest.mark.parametrize("text", ["no place", "{predicted} but it is {label}", "{predicted} {metadata}"])
def test_a_prompt_can_ask_for_no_more_than_class_and_view(tmp_path, text):
    (tmp_path / "own.md").write_text(text)
    with pytest.raises(BadInput, match="predicted"):
        prompts.open_prompt(str(tmp_path / "own.md"))


def test_a_class_name_is_filled_in_as_it_is(tmp_path):
    (tmp_path / "own.md").write_text('Is it {predicted}? Answer {"score": 1}.')
    prompt = prompts.open_prompt(str(tmp_path / "own.md"))
    assert prompt.fill(r"crane \1 {view}", View()) == r'Is it crane \1 {view}? Answer {"score": 1}.'
    assert replace(prompt, text="x").digest == prompt.digest != prompts.open_prompt("general").digest

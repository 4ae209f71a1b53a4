"""The judge behind a server: real requests to a real process on loopback, however well or badly it behaves."""

from __future__ import annotations

import base64
import logging
import time

import numpy as np
import pytest
from chat_server import AT_ONCE, ChatServer

from xai_core.errors import BadInput
from xai_core.language import privacy
from xai_core.language.asking import Request
from xai_core.language.completions import answer_of, seconds_of
from xai_core.language.judge import ask
from xai_core.language.openai_judge import FAILED_IN_A_ROW, OpenAIJudge
from xai_core.language.schema import parse

SECRET = "sk-a-secret-nobody-may-see"


@pytest.fixture(scope="module")
def process():
    server = ChatServer()
    yield server
    server.stop()


@pytest.fixture
def server(process, monkeypatch):
    for name in privacy.KEYS:
        monkeypatch.delenv(name, raising=False)
    process.plan("ok")
    yield process
    process.release()


def requests(number: int = 1) -> list[Request]:
    random = np.random.default_rng(3)
    return [
        Request(f"ISIC_{index:07d}", random.integers(0, 256, (5, 7, 3), dtype=np.uint8), "Judge it.", "malignant")
        for index in range(number)
    ]


def judge_at(server: ChatServer, waits: list | None = None, **settings) -> OpenAIJudge:
    waits = [] if waits is None else waits
    return OpenAIJudge(server.url, "small", wait=waits.append, **settings)


def one(judge: OpenAIJudge):
    (answer,) = judge.answer(requests())
    return answer


def test_a_request_holds_the_picture_and_the_text_and_nothing_else(server):
    asked = requests()[0]
    answer = one(judge_at(server))
    assert parse(answer.raw)[2] == 4
    assert (answer.error, answer.tokens) == ("", 77)
    (body,), (headers,) = server.seen()["bodies"], server.seen()["headers"]
    assert body["path"] == "/v1/chat/completions"
    assert (body["model"], body["temperature"], body["seed"]) == ("small", 0, 0)
    picture, text = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "Judge it."}
    data = base64.b64decode(picture["image_url"]["url"].removeprefix("data:image/png;base64,"))
    assert np.array_equal(pixels(data), asked.image)
    assert chunks(data) == {b"IHDR", b"IDAT", b"IEND"}
    assert asked.sample_id not in str(body) + str(headers)
    assert "Authorization" not in headers


def pixels(data: bytes) -> np.ndarray:
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def chunks(data: bytes) -> set[bytes]:
    """Return the names of a PNG's chunks, read by hand."""
    place, found = 8, set()
    while place < len(data):
        found.add(data[place + 4 : place + 8])
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return found


def test_sixteen_requests_are_really_on_their_way_at_once(server):
    server.plan("together")  # nobody is answered before all sixteen are there
    asked = [(each.sample_id, each) for each in requests(2 * AT_ONCE)]
    answers = []
    ask(judge_at(server), asked, lambda batch: answers.extend(answer for _, answer in batch), AT_ONCE)
    assert server.seen()["most"] == AT_ONCE
    assert len(answers) == 2 * AT_ONCE
    assert all(parse(answer.raw)[2] == 4 for answer in answers)


@pytest.mark.parametrize("step", ["500", "502", "503", "529", "408", "cut", "garbage", "wrong", "deep", "list"])
def test_what_fails_for_now_is_asked_again(server, step):
    server.plan(step, step, "ok")
    waits = []
    assert parse(one(judge_at(server, waits)).raw)[2] == 4
    first, second = waits
    assert 0.5 <= first <= 1
    assert 1 <= second <= 2
    assert list(server.seen()["asked"].values()) == [3]


def test_waiting_times_differ_between_requests_and_not_between_runs(server):
    def waited() -> list[float]:
        server.plan("500", "ok")
        waits = []
        judge_at(server, waits).answer(requests(3))
        return waits

    once = waited()
    assert once == waited()
    assert len(set(once)) == 3


def test_too_many_requests_make_everybody_wait_as_long_as_the_server_says(server):
    server.plan("429 7", "ok")
    waits = []
    judge = judge_at(server, waits)
    judge.answer(requests(2))
    own, rest, others = waits[0], waits[1], waits[2:]
    assert 7.5 <= own <= 8
    assert 6 < rest <= 7  # the test's clock did not wait: the pause still holds for this request,
    assert 6 < others[0] <= 7  # and for the one that was not refused
    assert list(server.seen()["asked"].values()) == [2, 2]


@pytest.mark.parametrize("tokens", ["true", "-1", "2.5", "1e99", '"many"', "99999999999", "null", "{}"])
def test_a_count_of_tokens_that_is_none_is_left_out(tokens):
    data = f'{{"choices": [{{"message": {{"content": "x"}}}}], "usage": {{"total_tokens": {tokens}}}}}'
    assert answer_of(data.encode(), 0.0).tokens is None


def test_a_judge_that_is_stopped_tries_nothing_again(server):
    server.plan("500")
    judge = judge_at(server)
    judge._wait = lambda seconds: judge.stop()
    with pytest.raises(BadInput, match="an interruption"):
        one(judge)
    assert list(server.seen()["asked"].values()) == [1]


def test_a_date_to_come_back_at_and_nonsense(server):
    server.plan("429 date", "429 soon", "429 nan", "ok")
    assert parse(one(judge_at(server)).raw)[2] == 4
    in_two_minutes = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 120))
    assert 115 < seconds_of(in_two_minutes) <= 120


def test_a_long_pause_ends_the_work(server):
    server.plan("429 86400")
    with pytest.raises(BadInput, match="pause of 86400 s"):
        one(judge_at(server))


def test_a_slow_answer_and_one_that_drips_for_ever_are_given_up(server):
    for step in ("hold", "drip"):
        server.plan(step, "ok")
        judge = judge_at(server, timeout=0.4)
        assert parse(one(judge).raw)[2] == 4
        server.release()
    server.plan("hold")
    answer = one(judge_at(server, timeout=0.2, tries=2))
    assert (answer.raw, answer.error) == ("", "no whole answer in 0.2 s")
    assert list(server.seen()["asked"].values()) == [2]


@pytest.mark.parametrize("step", ["413", "501"])
def test_what_will_never_be_answered_is_asked_once(server, step):
    server.plan(step)
    answer = one(judge_at(server))
    assert answer.raw == ""
    assert step in answer.error
    assert list(server.seen()["asked"].values()) == [1]


@pytest.mark.parametrize("step", ["401", "403", "404", "302", "307"])
def test_what_nobody_would_be_answered_ends_the_work(server, step):
    server.plan(step)
    judge = judge_at(server)
    with pytest.raises(BadInput, match=step):
        one(judge)
    with pytest.raises(BadInput, match=step):
        one(judge)
    assert list(server.seen()["asked"].values()) == [1]  # no redirect is followed, and the second is not sent


def test_failures_in_a_row_end_the_work(server):
    server.plan("500")
    judge = judge_at(server, tries=1)
    for step in ("500", "ok", "500"):
        server.plan(step)
        answers = judge.answer(requests(1 if step == "ok" else FAILED_IN_A_ROW - 1))
        assert all((step in answer.error) == (step == "500") for answer in answers)
    with pytest.raises(BadInput, match=f"{FAILED_IN_A_ROW} failures in a row"):
        one(judge)


def test_a_server_that_dies_ends_the_work_after_some_tries():
    server = ChatServer()
    server.plan("die")
    waits = []
    with pytest.raises(BadInput, match="no server at 127.0.0.1"):
        one(judge_at(server, waits, tries=4))
    assert len(waits) == 3
    server.stop()


def test_structured_answers_are_asked_for_and_read(server):
    server.plan("json")
    answer = one(judge_at(server))
    assert answer.raw.startswith("{")
    assert parse(answer.raw)[1:] == ("It is so.", 4)
    (body,) = server.seen()["bodies"]
    kind = body["response_format"]
    assert kind["type"] == "json_schema"
    assert set(kind["json_schema"]["schema"]["required"]) == {"description", "justification", "score"}


@pytest.mark.parametrize("step", ["no schema", "without response_format", "without seed", "without temperature"])
def test_a_server_that_knows_less_is_asked_for_less_and_only_learns_once(server, step):
    part = step.removeprefix("without ") if step.startswith("without") else "response_format"
    server.plan(step)
    judge = judge_at(server)
    assert [parse(answer.raw)[2] for answer in judge.answer(requests(3))] == [4, 4, 4]
    bodies = server.seen()["bodies"]
    assert [part in body for body in bodies] == [True, False, False, False]


def test_the_newer_name_of_the_longest_answer(server):
    server.plan("without max_tokens")
    assert parse(one(judge_at(server, tokens=99)).raw)[2] == 4
    last = server.seen()["bodies"][-1]
    assert last["max_completion_tokens"] == 99
    assert last["response_format"]


def test_a_refused_request_is_no_reason_to_ask_the_others_for_less(server):
    server.plan("400")
    judge = judge_at(server)
    assert "so it is" in one(judge).error
    server.plan("json")
    assert one(judge).raw.startswith("{")


def test_answers_in_parts_and_without_words(server):
    server.plan("parts")
    assert parse(one(judge_at(server)).raw)[2] == 4
    server.plan("silent")
    assert one(judge_at(server)).raw == ""


@pytest.mark.parametrize("name", privacy.KEYS)
def test_the_key_goes_to_the_server_and_nowhere_else(server, monkeypatch, caplog, name):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(name, SECRET)
    judge = judge_at(server)
    one(judge)
    assert server.seen()["headers"][0]["Authorization"] == f"Bearer {SECRET}"
    server.plan("echo error")
    answer = one(judge)
    assert "[key]" in answer.error
    with pytest.raises(BadInput) as refused:
        server.plan("401")
        one(judge)
    told = [str(judge.settings), repr(judge), answer.error, str(refused.value), caplog.text]
    assert not any(SECRET in text for text in told)


def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(monkeypatch):
    monkeypatch.setenv(privacy.KEYS[0], "sk-ä\n-secret")
    with pytest.raises(BadInput, match="printable ASCII") as refused:
        OpenAIJudge("http://127.0.0.1:9/v1", "small")
    assert "secret" not in str(refused.value)


def test_loopback_is_here_and_everything_else_is_not():
    for url in ("http://localhost:1/v1", "http://127.8.0.1/v1", "http://[::1]:1234/v1"):
        assert not OpenAIJudge(url, "m").remote
    for url in ("http://192.168.0.9/v1", "https://api.example.org/v1", "http://localhost.example.org/v1"):
        judge = OpenAIJudge(url, "m")
        assert judge.remote
        assert judge.host in url


@pytest.mark.parametrize("url", ["ftp://x/v1", "nothing", "http://me:pw@host/v1", "http://host/v1?api-key=secret"])
def test_urls_that_are_none_or_hold_a_secret_are_refused(url):
    with pytest.raises(BadInput) as refused:
        OpenAIJudge(url, "m")
    assert "pw" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_proxy_of_the_environment_is_not_asked_on_this_machine(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert parse(one(judge_at(server, tries=1)).raw)[2] == 4

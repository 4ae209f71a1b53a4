"""Nothing leaves the machine unless somebody says so, and no key or name leaves or is written at all."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from language_fixtures import Spy, make_run
from PIL import Image

from xai_core.errors import BadInput
from xai_core.language import privacy
from xai_core.language.judge import Answer, first_requests, judge_run
from xai_core.language.schema import block

HOST = "api.example.com"


def remote(**more) -> Spy:
    return Spy(remote=True, host=HOST, **more)


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Work in an empty folder, and without leave from the environment."""
    monkeypatch.delenv(privacy.CLINICAL, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.mark.parametrize("allowed", ["", "other.example.com", "example.com", "API.example.com"])
def test_a_remote_judge_that_was_not_named_gets_nothing(tmp_path, allowed):
    spy, run = remote(), make_run(tmp_path)
    with pytest.raises(BadInput, match="--allow-remote api.example.com"):
        judge_run(run, spy, allow_remote=allowed)
    assert spy.asked == [] and not (run.folder / "judgements").exists()


def test_a_remote_judge_that_was_named_is_asked(tmp_path):
    judge_run(make_run(tmp_path), spy := remote(), allow_remote=HOST)
    assert len(spy.asked) == 6


def test_clinical_data_stay_here_unless_the_configuration_says_otherwise(tmp_path, monkeypatch):
    run, spy = make_run(tmp_path, clinical=True), remote()
    configuration = tmp_path / "work" / privacy.CONFIGURATION
    for text in (
        "",
        "[language]\nallow_remote_clinical = false",
        '[language]\nallow_remote_clinical = "true"',
        "language=1",
    ):
        configuration.write_text(text)
        with pytest.raises(BadInput, match="clinical data"):
            judge_run(run, spy, allow_remote=HOST)
    monkeypatch.setenv(privacy.CLINICAL, "true")
    with pytest.raises(BadInput, match="clinical data"):
        judge_run(run, spy, allow_remote=HOST)
    configuration.write_text("[language\n")
    with pytest.raises(BadInput, match="TOML"):
        judge_run(run, spy, allow_remote=HOST)
    assert spy.asked == []
    configuration.write_text("[language]\nallow_remote_clinical = true\n")
    judge_run(run, spy, allow_remote=HOST, limit=2)
    assert len(spy.asked) == 2
    configuration.unlink()
    monkeypatch.setenv(privacy.CLINICAL, "1")
    judge_run(run, spy, allow_remote=HOST, limit=4)
    assert len(spy.asked) == 4
    with pytest.raises(BadInput, match="leave to send"):
        judge_run(run, spy)


def test_a_judge_on_this_machine_needs_no_leave(tmp_path):
    judge_run(make_run(tmp_path, clinical=True), spy := Spy())
    assert len(spy.asked) == 6


@pytest.mark.parametrize(
    ("url", "host", "here"),
    [
        ("http://localhost:8000/v1", "localhost", True),
        ("http://LOCALHOST/v1", "localhost", True),
        ("http://127.0.0.1:1/v1", "127.0.0.1", True),
        ("http://127.8.9.1", "127.8.9.1", True),
        ("http://[::1]:80/v1", "::1", True),
        ("https://localhost.example.com/v1", "localhost.example.com", False),
        ("http://127.0.0.1.example.com", "127.0.0.1.example.com", False),
        ("http://0.0.0.0:8000", "0.0.0.0", False),
        ("http://2130706433/", "2130706433", False),
        ("http://192.168.1.4:8000", "192.168.1.4", False),
        ("https://api.example.com/localhost", "api.example.com", False),
    ],
)
def test_which_host_a_url_speaks_to_and_whether_it_is_this_machine(url, host, here):
    assert privacy.host_of(url) == host and privacy.is_loopback(host) is here


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "file:///etc/passwd", "http://", "http://[::1", "ftp://x/", "http://localhost:abc/v1"]
)
def test_what_is_no_url(url):
    with pytest.raises(BadInput, match="http://HOST"):
        privacy.host_of(url)


def test_a_url_with_a_password_is_refused_and_not_repeated():
    with pytest.raises(BadInput) as caught:
        privacy.host_of("http://me:hunter2hunter2@localhost/v1")
    assert "hunter2" not in str(caught.value)


def test_keys_are_in_nothing_that_is_written(tmp_path, monkeypatch):
    secret = "sk-0123456789-very-secret"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    monkeypatch.setenv("HF_TOKEN", f"{secret}-longer")
    answers = iter(
        [f"wrong key {secret}", block(f"{secret}-longer", secret, 3), Answer("", error=f"401: {secret}"), *["x"] * 9]
    )
    found = judge_run(make_run(tmp_path), Spy(lambda _: next(answers)))
    written = [path for path in found.folder.rglob("*") if path.is_file()]
    assert all(secret.encode() not in path.read_bytes() for path in written)
    texts = found.table()[["raw", "error", "description", "justification"]].to_string()
    assert secret not in texts and "-longer" not in texts and texts.count("[key]") >= 4
    assert any(path.name == "manifest.json" for path in written)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (" sk-0123456789\r", "sk-0123456789"),
        ("sk-0123456789", "".join(f"\\u{ord(c):04x}" for c in "sk-0123456789")),
        ("k-12345", "k-12345"),
    ],
)
def test_a_key_is_masked_however_it_is_set_or_spelled(tmp_path, monkeypatch, value, said):
    monkeypatch.setenv("OPENAI_API_KEY", value)
    answer = f'{{"description": "it is {said}", "justification": "{said}", "score": 4}}'
    found = judge_run(make_run(tmp_path), Spy(lambda _: answer)).table()
    assert (found["score"] == 4).all() and (found["description"] == "it is [key]").all()
    texts = found[["raw", "description", "justification"]].to_string()
    assert value.strip() not in texts and "u0073" not in texts


def test_a_word_in_a_keys_place_is_no_key(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    found = judge_run(make_run(tmp_path), Spy(lambda _: block("none of it", "because", 3))).table()
    assert (found["description"] == "none of it").all()


def test_the_preview_shows_the_exact_pixels_and_text_and_asks_nothing(tmp_path):
    run, spy = make_run(tmp_path), remote()
    requests = first_requests(run, spy, 3)
    page = privacy.preview(requests, spy)
    assert spy.asked == [] and HOST in page and "nothing has been sent" in page
    pictures = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([^\"]+)", page)]
    judge_run(run, spy, allow_remote=HOST)
    sent = {request.image.tobytes(): request.prompt for request in spy.asked}
    assert len(pictures) == 3
    for data, request in zip(pictures, requests, strict=True):
        image = np.asarray(Image.open(io.BytesIO(data)))
        assert sent[image.tobytes()] == request.prompt
    for k in range(6):
        assert f"id{k:03d}" not in page
    assert "<script" not in page and "http" not in page


def test_markup_in_a_class_name_is_text_in_the_preview(tmp_path):
    from dataclasses import replace

    spy = Spy()
    (request,) = first_requests(make_run(tmp_path), spy, 1)
    page = privacy.preview([replace(request, prompt="<img src=x onerror=alert(1)>")], spy)
    assert "<img src=x" not in page and "&lt;img src=x" in page

"""`judge` by a server, as a command: killed and gone on with; and by Transformers' own server with a small model."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from chat_server import AT_ONCE, ChatServer
from killing import command, environment
from killing import run as finished
from sample_run_copy import copy_of_a_run

from xai_core.errors import BadInput
from xai_core.language.judge import judge_run
from xai_core.language.openai_judge import OpenAIJudge
from xai_core.language.prompts import open_prompt
from xai_core.language.store import folders_of, valid_parts
from xai_core.runs import open_run

SECRET = "sk-a-secret-nobody-may-see"
RECORDS = 60
BEFORE = 24


@pytest.fixture
def server():
    process = ChatServer()
    yield process
    process.stop()


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is true of another process."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.05)


def stored(run) -> int:
    return sum(pq.read_metadata(file).num_rows for folder in folders_of(run) for file in valid_parts(folder))


def arguments(run, server, *more: object) -> list:
    judge = ("--judge", "openai", "--url", server.url, "--model", "small", "--limit", RECORDS)
    return ["judge", run.folder, *judge, "--concurrency", AT_ONCE, "--json", *more]


def test_a_killed_command_goes_on_and_nothing_is_judged_twice(server, tmp_path):
    run = open_run(copy_of_a_run(tmp_path))
    server.plan("ok", answer_only=BEFORE)
    killed = subprocess.Popen(
        command(*arguments(run, server)),
        env=environment(OPENAI_API_KEY=SECRET),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    until(lambda: stored(run) == BEFORE and server.seen()["now"] == AT_ONCE)
    os.killpg(killed.pid, signal.SIGKILL)
    assert SECRET.encode() not in killed.communicate()[1]
    before = server.seen()
    assert before["most"] == AT_ONCE
    assert sorted(before["asked"].values()) == [1] * (BEFORE + AT_ONCE)

    server.plan("ok")
    refused = finished(arguments(run, server))
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    assert not server.seen()["asked"]
    ended = finished(arguments(run, server, "--resume"), OPENAI_API_KEY=SECRET)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["counts"]["scored"] == RECORDS
    after = server.seen()
    assert not set(before["answered"]) & set(after["asked"])
    assert len(after["answered"]) == RECORDS - BEFORE
    assert set(before["answered"].values()) | set(after["answered"].values()) == {1}

    server.plan("ok")
    again = finished(arguments(run, server))
    assert again.returncode == 0, again.stderr
    assert not server.seen()["asked"]
    secret = SECRET.encode()
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and secret in file.read_bytes()]
    assert SECRET not in ended.stdout + ended.stderr


def test_a_server_that_dies_midway_keeps_what_it_answered(server, tmp_path):
    run = open_run(copy_of_a_run(tmp_path))
    server.plan("ok", answer_only=BEFORE)

    def die(done: int, _: int) -> None:
        if done == BEFORE:
            server.process.kill()

    judge = OpenAIJudge(server.url, "small", wait=lambda _: None)
    with pytest.raises(BadInput, match=r"no server at 127\.0\.0\.1"):
        judge_run(run, judge, limit=RECORDS, concurrency=AT_ONCE, progress=die)
    assert stored(run) == BEFORE


@pytest.fixture
def transformers_server(tmp_path):
    """Yield (URL, model) of ``transformers serve`` with a small random SmolVLM."""
    for package in ("transformers", "openai", "fastapi"):
        pytest.importorskip(package, reason=f"`transformers serve` needs {package}: requirements-dev.txt has it")
    from small_vlm import save, small_smolvlm

    folder = save(*small_smolvlm(["Judge what you see of benign and malignant."]), tmp_path / "small")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "served.log"
    with log.open("w") as told:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).parent / "transformers_server.py", folder, str(port)],
            env=environment(),
            stdout=told,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: process.poll() is not None or "Uvicorn running" in log.read_text(), 200)
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        process.kill()
        process.wait()


@pytest.mark.long
def test_transformers_own_server_with_a_small_model(transformers_server, tmp_path):
    from xai_core.language.transformers_judge import TransformersJudge

    url, model = transformers_server
    run = open_run(copy_of_a_run(tmp_path))
    path = tmp_path / "short.md"
    path.write_text("Does it speak for “{predicted}”?", encoding="utf-8")
    prompt = open_prompt(str(path))
    served = judge_run(run, OpenAIJudge(url, model, tokens=12), prompt=prompt, limit=4, concurrency=2, out="served")
    here = judge_run(run, TransformersJudge(model, tokens=12), prompt=prompt, limit=4, out="here")
    assert served.manifest["counts"]["unreadable"] == 4
    assert served.table()["raw"].tolist() == here.table()["raw"].tolist()
    assert served.table()["tokens"].tolist() == here.table()["tokens"].tolist()

"""A judge that is killed at any moment goes on, ends as if nothing had happened, and is asked next to nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from killing import environment
from language_fixtures import make_run

from xai_core.language.judge import judge_run
from xai_core.language.store import open_judgements

HERE = Path(__file__).resolve().parent
SAMPLES, AT_ONCE = 60, 4


def start(run, log: Path) -> subprocess.Popen:
    command = [sys.executable, str(HERE / "judge_job.py"), str(run.folder), str(log)]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True)


def campaign(tmp_path: Path, kills: int, seed: int) -> None:
    from judge_job import SlowJudge

    whole = judge_run(make_run(tmp_path, SAMPLES, name="whole"), SlowJudge(tmp_path / "whole.txt")).table()
    run, log, moments = make_run(tmp_path, SAMPLES, name="killed"), tmp_path / "asked.txt", random.Random(seed)
    found_working = 0
    for _ in range(kills):
        process = start(run, log)
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.15))
        found_working += process.poll() is None
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    last = start(run, log)
    last.communicate(timeout=120)
    assert last.returncode == 0
    found = open_judgements(run, "slow-masked-clinical")
    pd.testing.assert_frame_equal(found.table().drop(columns="seconds"), whole.drop(columns="seconds"))
    asked = Counter(log.read_text().split())
    assert len(asked) == SAMPLES
    # only what was on its way is asked again, and what a part held that was being written: a round of answers each
    assert sum(asked.values()) - SAMPLES <= 2 * AT_ONCE * found_working
    assert found_working >= kills / 2, "the moments were chosen too late to say anything"
    assert len(list(found.folder.glob("part-*"))) == 1 and not list(found.folder.glob("*.tmp"))


def test_two_kills(tmp_path):
    campaign(tmp_path, 2, seed=1)


@pytest.mark.long
def test_twenty_kills(tmp_path):
    campaign(tmp_path, 20, seed=2)

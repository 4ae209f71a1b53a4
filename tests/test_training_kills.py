"""A training that is killed at any moment and resumed ends with the same folder, byte for byte."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killing import environment, kill
from training_fixtures import contents
from warm import Warm

JOB = Path(__file__).with_name("train_job.py")


def begin(images: Path, out: Path) -> Warm:
    return Warm("train_job:main", [str(images), str(out)], environment(), stream=1)


def kill_at_random(images: Path, out: Path, moments: random.Random) -> bool:
    """Begin or go on, send SIGKILL somewhere; return whether the training was at work.

    The moment is a number of steps after the first that this process does, and then a moment within a step: in the
    network, in a file being written, between two renames. Some come before the first step: while data are read.
    """
    process = begin(images, out)
    wanted = moments.choice((0, 1, 2, 3, 5, 8))
    for _ in range(wanted):
        if not process.lines.readline():
            break
    time.sleep(moments.uniform(0, 0.05) if wanted else moments.uniform(0.05, 1.5))
    at_work = kill(process)
    assert process.wait() in (0, -signal.SIGKILL), "it failed by itself"
    return at_work


def campaign(folder: Path, kills: int, seed: int) -> None:
    whole = [sys.executable, str(JOB), str(folder / "images"), str(folder / "whole")]
    subprocess.run(whole, env=environment(PYTHONWARNINGS="error"), stdout=subprocess.DEVNULL, timeout=300, check=True)
    moments = random.Random(seed)
    at_work = 0
    out = folder / "killed-0"
    for k in range(kills):
        if (out / "card.json").exists():
            assert contents(out) == contents(folder / "whole")
            out = folder / f"killed-{k}"
        at_work += kill_at_random(folder / "images", out, moments)
    assert at_work >= kills / 2, "the moments were chosen too late to say anything"
    last = begin(folder / "images", out)
    assert last.rest() and last.wait() == 0
    assert contents(out) == contents(folder / "whole")
    assert not (out / "state").exists()


def test_six_kills(tmp_path):
    campaign(tmp_path, 6, seed=4)


@pytest.mark.long
def test_thirty_kills(tmp_path):
    campaign(tmp_path, 30, seed=5)

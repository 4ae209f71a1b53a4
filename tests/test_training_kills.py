"""A training that is killed at any moment and resumed ends with the same folder, byte for byte."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killing import environment
from training_fixtures import ROOT, contents

JOB = Path(__file__).with_name("train_job.py")


def begin(images: Path, out: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(JOB), str(images), str(out)],
        cwd=ROOT,
        env=environment(PYTHONWARNINGS="error"),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> None:
    process.communicate(timeout=300)
    assert process.returncode == 0


def kill_at_random(images: Path, out: Path, moments: random.Random) -> bool:
    """Begin or go on, send SIGKILL somewhere; return whether the training was at work.

    The moment is a number of steps after the first that this process does, and then a moment within a step: in the
    network, in a file being written, between two renames. Some come before the first step: while data are read.
    """
    process = begin(images, out)
    wanted = moments.choice((0, 1, 2, 3, 5, 8))
    for _ in range(wanted):
        if not process.stdout.readline():
            break
    time.sleep(moments.uniform(0, 0.05) if wanted else moments.uniform(0.5, 4))
    at_work = process.poll() is None
    if at_work:
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    process.stdout.close()
    assert code in (0, -signal.SIGKILL), "it failed by itself"
    return at_work


def campaign(folder: Path, kills: int, seed: int) -> None:
    finish(begin(folder / "images", folder / "whole"))
    moments = random.Random(seed)
    at_work = 0
    out = folder / "killed-0"
    for k in range(kills):
        if (out / "card.json").exists():
            assert contents(out) == contents(folder / "whole")
            out = folder / f"killed-{k}"
        at_work += kill_at_random(folder / "images", out, moments)
    assert at_work >= kills / 2, "the moments were chosen too late to say anything"
    finish(begin(folder / "images", out))
    assert contents(out) == contents(folder / "whole")
    assert not (out / "state").exists()


def test_six_kills(tmp_path):
    campaign(tmp_path, 6, seed=4)


@pytest.mark.long
def test_thirty_kills(tmp_path):
    campaign(tmp_path, 30, seed=5)

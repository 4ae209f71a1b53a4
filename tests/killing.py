"""Killing a real process again and again while it works, then letting it end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from warm import Warm

ROOT = Path(__file__).resolve().parent.parent


def command(*arguments: object) -> list[str]:
    """Return the command line of ``python -m xai_core``."""
    return [sys.executable, "-m", "xai_core", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which the package is found and torch uses one thread."""
    return (
        os.environ
        | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1", "RIGHT_REASONS_CACHE": ""}
        | more
    )


def run(arguments: Sequence[object], **more: str) -> subprocess.CompletedProcess:
    """Return the finished command with its output."""
    return subprocess.run(
        command(*arguments), env=environment(**more), capture_output=True, text=True, timeout=300, check=False
    )


def begin(arguments: Sequence[object]) -> Warm:
    """Start ``python -m xai_core`` without its imports; its `lines` are those on stderr."""
    return Warm("xai_core.cli:main", [str(word) for word in arguments], environment(), stream=2)


def kill(process: Warm) -> bool:
    """Send SIGKILL to a process and what it has started; return whether it was still at work."""
    at_work = process.poll() is None
    if at_work:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.lines.close()
    return at_work


def kill_while_working(arguments: Sequence[object], begun: str, kills: int, seed: int, longest: float) -> int:
    """Run the command, kill it `kills` times, then let it end; return how many kills found it working.

    Each time the process group gets SIGKILL at a random moment, up to `longest` seconds after the first line on
    stderr that contains `begun`: between two batches, in a write, in a rename, wherever it is.
    """
    moments = random.Random(seed)
    found_working = 0
    for _ in range(kills):
        process = begin(arguments)
        any(begun in line for line in process.lines)  # the first will do
        time.sleep(moments.uniform(0, longest))
        found_working += kill(process)
    last = begin(arguments)
    told = last.rest()
    assert last.wait() == 0, told
    return found_working

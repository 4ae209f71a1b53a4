"""Work spread over processes comes back in order, is bounded, and leaves nobody behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from killing import environment

from xai_core.runs.spread import over_processes, over_threads

CODE = """
from xai_core.runs.spread import over_processes
import os, time
print(*set(over_processes(lambda k: (time.sleep(0.1), os.getpid())[1], range(8), workers=2, ahead=8)), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_order(workers):
    slow_first = lambda k: (time.sleep(0.05 if k == 0 else 0), k * k)[1]  # noqa: E731
    assert list(over_processes(slow_first, range(9), workers=workers, ahead=3)) == [k * k for k in range(9)]
    assert list(over_threads(slow_first, range(9), workers=workers)) == [k * k for k in range(9)]


def test_no_more_wait_than_asked():
    asked = []
    results = over_threads(lambda k: k, (asked.append(k) or k for k in range(100)), workers=2)
    next(results)
    assert len(asked) <= 5
    results.close()


def test_an_error_in_a_worker_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(over_processes(lambda k: 1 // k, [1, 0], workers=1, ahead=2))


def test_workers_end_with_a_parent_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True, env=environment())
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert workers and parent.pid not in workers
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while any(_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_alive(pid) for pid in workers)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False

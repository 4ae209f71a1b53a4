"""Processes forked from one that has imported what our commands need: each starts without its 4 s of imports.

They are processes like any other: with a session of their own that can be killed, an exit code, and what they say.
"""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from unittest import mock


class Warm:
    """A process that calls ``module:function`` with some texts; `lines` is what it writes to `stream`, 1 or 2."""

    def __init__(self, called: str, texts: Sequence[str], environment: Mapping[str, str], stream: int) -> None:
        forking = multiprocessing.get_context("forkserver")
        forking.set_forkserver_preload(["warm_imports"])
        with mock.patch.dict(os.environ, environment):
            forkserver.ensure_running()
        reading, writing = os.pipe()
        self.lines = os.fdopen(reading, encoding="utf-8")
        self._process = forking.Process(target=_call, args=(called, texts, environment, stream, _Passed(writing)))
        self._process.start()
        os.close(writing)
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, -9 of one that was killed; None while the process lives."""
        return self._process.exitcode

    def rest(self) -> str:
        """Return all lines that are left, once the last is there."""
        with self.lines:
            return self.lines.read()

    def wait(self, seconds: float = 300) -> int:
        """Return the exit code, once the process has ended."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, f"still there after {seconds} s"
        return self._process.exitcode


class _Passed:
    """An open file of this process, for the other one."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple:
        return _number_of, (multiprocessing.reduction.DupFd(self.number),)


def _number_of(passed) -> int:
    return passed.detach()


def _call(called: str, texts: Sequence[str], environment: Mapping[str, str], stream: int, pipe: int) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    silence = os.open(os.devnull, os.O_WRONLY)
    for each in (1, 2):
        os.dup2(pipe if each == stream else silence, each)
    os.close(pipe)
    module, function = called.split(":")
    code = getattr(importlib.import_module(module), function)(texts)
    # how an interpreter ends; multiprocessing leaves it out, and with it the end of what the process itself has started
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.exit(code)

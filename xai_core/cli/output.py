"""How commands speak: tables and JSON to stdout, progress to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from xai_core.jobs.process import PROGRESS


def print_json(value: object) -> None:
    """Print one JSON object; NaN cannot stand in it."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def say(line: str) -> None:
    """Print a log line to stderr."""
    print(line, file=sys.stderr, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """Return rows of text under a header, columns aligned: the first to the left, the others to the right."""
    cells = [list(map(str, header)), *[list(map(str, row)) for row in rows]]
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    lines = []
    for row in cells:
        first, *others = row
        aligned = [first.ljust(widths[0]), *[c.rjust(w) for c, w in zip(others, widths[1:], strict=True)]]
        lines.append((indent + "  ".join(aligned)).rstrip())
    return "\n".join(lines)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with fixed digits, or a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Return 'low to high', or '' where there is no interval."""
    return "" if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


class Progress:
    """Prints how far the work is, its rate and the time left: a line rewritten on a terminal, else one in 10 s.

    Whoever started the process may name a file in ``RIGHT_REASONS_PROGRESS``: it then holds the same as JSON.
    """

    def __init__(self, noun: str) -> None:
        self.noun, self.started, self.first = noun, time.monotonic(), None
        self.printed = self.written = -10.0
        self.terminal, self.file = sys.stderr.isatty(), os.environ.get(PROGRESS)

    def __call__(self, done: int, total: int) -> None:
        """Say that `done` of `total` are done."""
        now = time.monotonic() - self.started
        if self.first is None:
            self.first = (done, now)
        rate = (done - self.first[0]) / (now - self.first[1]) if now > self.first[1] and done > self.first[0] else None
        left = (total - done) / rate if rate else None
        if self.file and (done >= total or now - self.written >= 0.25):
            self.written = now
            _replace(Path(self.file), {"noun": self.noun, "done": done, "total": total, "left": left})
        if done >= total or now - self.printed >= (0.2 if self.terminal else 10):
            self.printed = now
            self._print(done, total, f", {rate:.1f} a second, {_clock(left)} left" if rate else "")

    def _print(self, done: int, total: int, pace: str) -> None:
        line = f"{done} of {total} {self.noun}{pace}"
        end = "\n" if done >= total or not self.terminal else ""
        print(f"\r\033[K{line}" if self.terminal else line, end=end, file=sys.stderr, flush=True)


def _replace(path: Path, value: object) -> None:
    """Write without waiting for the disk: the next one comes soon, and the work matters more."""
    temporary = path.with_name(f".{path.name}.tmp")
    with contextlib.suppress(OSError):
        temporary.write_text(json.dumps(value), encoding="utf-8")
        temporary.replace(path)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"

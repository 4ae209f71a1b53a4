"""One job as its folder tells it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.files import exclusive, read_json, write_json
from xai_core.jobs.process import Process, launch

RESUMABLE = ("explain", "train")
GONE = "the process is gone: it was killed, or the machine was restarted or ran out of memory"
GRACE = 5.0  # seconds from asking a job to end to ending it
TAIL = 8000  # bytes of the log that a page shows


@dataclass(frozen=True)
class Job:
    """A command in the background, as it was when the folder was read.

    Attributes
    ----------
    id, title : str
        The folder's name, which sorts by time; what people call it.
    arguments : tuple of str
        What stands behind ``python -m xai_core``.
    state : {'running', 'done', 'failed', 'cancelled'}
    done, total : int
        How much of the work is done; 0 of 0 before the command has said so.
    noun : str
        What is counted: "images explained".
    seconds : float
        From the start to now, or to the end.
    left : float or None
        Seconds that the rest will take at the present rate.
    log_tail : str
        The last lines of its log.
    outcome : str
        What came of it, in one or a few lines; '' while it runs.
    stopping : bool
        Whether it was asked to end and has not yet.
    """

    id: str
    title: str
    arguments: tuple[str, ...]
    state: str
    folder: Path = field(repr=False)
    done: int = 0
    total: int = 0
    noun: str = ""
    seconds: float = 0.0
    left: float | None = None
    log_tail: str = field(default="", repr=False)
    outcome: str = ""
    stopping: bool = False

    @property
    def resumable(self) -> bool:
        """Whether `resume` can take it up again."""
        return self.state in ("failed", "cancelled") and self.arguments[:1] in [(name,) for name in RESUMABLE]

    @property
    def out(self) -> str:
        """Return the folder that the command writes to, as it was named; '' where it names none."""
        apart = (value for flag, value in pairwise(self.arguments) if flag == "--out")
        joined = (flag.removeprefix("--out=") for flag in self.arguments if flag.startswith("--out="))
        return next(chain(apart, joined), "")

    def runs(self) -> list[str]:
        """Return the finished runs that the job has written, by name: one for each target."""
        root = self.folder.parent.parent / self.out
        found = [root, *sorted(root.iterdir())] if self.out and root.is_dir() else []
        base = self.folder.parent.parent
        return [str(f.relative_to(base) if f.is_relative_to(base) else f) for f in found if (f / "run.json").is_file()]

    def cancel(self, grace: float = GRACE) -> None:
        """End the job: politely, then after `grace` seconds firmly. What it finished is kept."""
        if self.state == "running":
            (self.folder / "cancelled").touch()
            process_of(read_json(self.folder / "job.json")).end(grace)

    def resume(self) -> Job:
        """Return the job taken up again where it was left.

        Raises
        ------
        BadInput
            Where it runs already, or its command cannot be taken up.
        """
        with exclusive(self.folder):
            job = read_job(self.folder)
            if not job.resumable:
                raise BadInput(
                    where=f"job {self.title}",
                    expected=f"a failed or cancelled {' or '.join(RESUMABLE)}",
                    found=job.state,
                    remedy="wait for it to end, or start it anew",
                )
            for name in ("outcome.json", "cancelled", "progress.json"):
                (self.folder / name).unlink(missing_ok=True)
            arguments = [*job.arguments, *(["--resume"] if "--resume" not in job.arguments else [])]
            return begin(self.folder, arguments, self.title)


def begin(folder: Path, arguments: list[str], title: str, made: Path | None = None) -> Job:
    """Return the job that was just started in `folder`, whose files lie in `made` until it is whole."""
    made = made or folder
    process, child = launch(folder, made)
    description = {"id": folder.name, "title": title, "arguments": arguments, "created": time.time()}
    try:
        write_json(made / "job.json", description | {"pid": process.pid, "began": process.began})
        made.rename(folder)
    finally:
        child.stdin.close()
    return read_job(folder)


def read_job(folder: Path) -> Job:
    """Return the job in a folder; one that cannot be read is a failed job that says so."""
    try:
        return _job(folder)
    except (BadInput, OSError, ValueError, TypeError, KeyError) as error:
        outcome = f"its folder {folder} cannot be read: {error}; remove it"
        return Job(id=folder.name, title=folder.name, arguments=(), state="failed", folder=folder, outcome=outcome)


def process_of(description: dict) -> Process:
    """Return the process that a job.json names."""
    return Process(int(description["pid"]), int(description["began"]))


def _job(folder: Path) -> Job:
    description = read_json(folder / "job.json")
    alive = process_of(description).alive
    # read after asking: the code is written before the process ends
    outcome = _json(folder / "outcome.json")
    progress, log = _json(folder / "progress.json"), _tail(folder / "log")
    asked = (folder / "cancelled").exists()
    code = outcome.get("code")
    state = _state(alive, code, asked)
    now = time.time() if state == "running" else outcome.get("ended") or _last_change(folder)
    return Job(
        id=folder.name,
        title=str(description["title"]),
        arguments=tuple(map(str, description["arguments"])),
        state=state,
        folder=folder,
        done=int(progress.get("done", 0)),
        total=int(progress.get("total", 0)),
        noun=str(progress.get("noun", "")),
        seconds=max(now - float(description["created"]), 0.0),
        left=progress.get("left") if state == "running" else None,
        log_tail=log,
        outcome=_outcome(state, code, log, _tail(folder / "stdout")),
        stopping=asked and state == "running",
    )


def _state(alive: bool, code: int | None, asked: bool) -> str:
    if code == 0:
        return "done"
    if alive and code is None:
        return "running"
    return "cancelled" if asked else "failed"


def _outcome(state: str, code: int | None, log: str, output: str) -> str:
    if state == "running":
        return ""
    if state == "done":
        return output
    if state == "cancelled":
        return "cancelled; what was finished is kept"
    last = log.splitlines()[-1:] or [f"it ended with code {code}"]
    return GONE if code is None else last[0].removeprefix("error: ")


def _json(path: Path) -> dict:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - TAIL, 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = text.splitlines()
    return "\n".join(lines[1:] if size > TAIL else lines)


def _last_change(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.iterdir())

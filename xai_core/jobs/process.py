"""Starting a process that outlives us, and knowing it again: a number alone may come to mean another process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

PROGRESS = "RIGHT_REASONS_PROGRESS"
# what a job has no use for
SECRETS = ("RIGHT_REASONS_PASSWORD",)
PACKAGES = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Process:
    """A process group's leader: its number, and when the system says it began (clock ticks since boot)."""

    pid: int
    began: int

    @property
    def alive(self) -> bool:
        """Whether this very process runs; one that has ended and waits to be collected does not."""
        return _began(self.pid) == self.began

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, if it is still this one."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def end(self, grace: float) -> None:
        """Ask the group to end, and after `grace` seconds end it."""
        self.signal(signal.SIGTERM)
        timer = threading.Timer(grace, self.signal, [signal.SIGKILL])
        timer.daemon = True
        timer.start()


def launch(folder: Path, made: Path) -> tuple[Process, subprocess.Popen]:
    """Return the process that will do the job in `folder` once its standard input is closed; its logs go to `made`."""
    paths = [str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    environment |= {PROGRESS: str(folder / "progress.json"), "PYTHONPATH": os.pathsep.join(paths)}
    with (made / "stdout").open("ab") as output, (made / "log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "xai_core.jobs.runner", str(folder)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    # collected as soon as it ends, lest it look alive
    threading.Thread(target=child.wait, name=f"job {folder.name}", daemon=True).start()
    return Process(child.pid, _began(child.pid) or 0), child


def _began(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    state, began = fields[0], int(fields[19])
    return None if state in "ZX" else began

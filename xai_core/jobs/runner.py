"""``python -m xai_core.jobs.runner FOLDER``: do the job described there, and leave its exit code."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import time
import traceback
from pathlib import Path

from xai_core.files import read_json, write_json


def main(folder: Path) -> int:
    """Return the exit code of the job's command, after writing it to ``outcome.json``."""
    sys.stdin.read()  # closed by the starter once job.json is written, or by the starter's death
    job = read_json(folder / "job.json")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = _run(job["arguments"])
    write_json(folder / "outcome.json", {"code": code, "ended": time.time()})
    return code


def _run(arguments: list[str]) -> int:
    sys.argv = ["xai_core", *arguments]
    try:
        runpy.run_module("xai_core", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

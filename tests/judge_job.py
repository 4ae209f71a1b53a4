"""A slow judge in a process of its own, which writes down every question it is asked: run, to be killed."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from xai_core.language.judge import Answer, Request, judge_run
from xai_core.language.schema import block
from xai_core.runs import open_run


class SlowJudge:
    """Takes a while, then says something that follows from the picture."""

    name, remote, batch, settings = "slow", False, 1, {}

    def __init__(self, log: Path) -> None:
        self.log = log

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Return an answer for each request, after a note of its id."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write("".join(f"{request.sample_id}\n" for request in requests))
        time.sleep(0.02)
        seen = [hashlib.sha256(request.image.tobytes()).hexdigest() for request in requests]
        return [Answer(block(digest, "seen", int(digest, 16) % 6)) for digest in seen]


if __name__ == "__main__":
    judge_run(
        open_run(sys.argv[1]),
        SlowJudge(Path(sys.argv[2])),
        concurrency=4,
        resume=True,
        progress=lambda done, total: print(done, total, flush=True),
    )

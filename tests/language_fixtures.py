"""Runs for judges, and judges that write down what they were asked."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from review_fixtures import CLASSES, SIZES, SQUASH, failed, picture, record, write_run

from xai_core.files import sha256_of
from xai_core.language.judge import Answer, Request
from xai_core.language.schema import block
from xai_core.runs import Run, rows


def make_run(tmp_path: Path, n: int = 6, *, name: str = "run", broken: int = 0, **more) -> Run:
    """Return a run whose map of record k is of its own, and `broken` records without a map behind them."""
    root = tmp_path / "data"
    root.mkdir(exist_ok=True)
    records = []
    for k in range(n):
        Image.fromarray(picture(SIZES[k % 3], k)).save(root / f"id{k:03d}.png")
        records.append(record(k, SIZES[k % 3], SQUASH) | {"image_hash": sha256_of(root / f"id{k:03d}.png")})
    return write_run(tmp_path / name, root, records + [failed(n + k) for k in range(broken)], **more)


class Spy:
    """A judge that keeps every request, and says what `says` gives for it."""

    name = "spy"
    batch = 2

    def __init__(self, says=None, *, settings: dict | None = None, remote: bool = False, host: str = "") -> None:
        self.settings, self.remote, self.host = settings or {}, remote, host
        self.asked: list[Request] = []
        self._says = says or (lambda request: block(f"saw {request.predicted}", "because", 3))
        self._lock = threading.Lock()

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        with self._lock:
            self.asked += requests
        found = [self._says(request) for request in requests]
        return [each if isinstance(each, Answer) else Answer(each, 0.5, 100) for each in found]

    @property
    def ids(self) -> list[str]:
        return sorted(request.sample_id for request in self.asked)


def whole_rows(run: Run) -> list[dict]:
    """Return the rows of a run with all their columns, in record order."""
    found = run.maps(columns=[*rows.RECORD_COLUMNS, *rows.MAP_COLUMNS])
    return sorted(found, key=lambda row: row["position"])


def flipped(k: int) -> str:
    """Return the label that record k does not have."""
    return CLASSES[1 - k % 2]

"""What people score blind: the order in which they see the pictures, and their scores, only ever added."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from xai_core.errors import BadInput
from xai_core.language.asking import Asking
from xai_core.language.schema import HIGHEST
from xai_core.review.events import EventFile

if TYPE_CHECKING:
    import numpy as np

    from xai_core.language.asking import Request
    from xai_core.language.judge import Answer
    from xai_core.language.views import View
    from xai_core.runs import Run

_SCHEMA = (
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        run_key TEXT NOT NULL,
        view TEXT NOT NULL,
        sample_id TEXT NOT NULL,
        reviewer TEXT NOT NULL,
        score INTEGER CHECK (score BETWEEN 0 AND 5),
        UNIQUE (run_key, view, sample_id, reviewer)
    ) STRICT""",
)


class PeopleScores(EventFile):
    """The scores that people of a workspace gave without knowing what a judge said.

    Parameters
    ----------
    path : Path
        Made with the first score; an absent file holds none.
    """

    holds = "blind scores"
    application_id = 0x52527331  # "RRs1"
    schema = _SCHEMA

    def give(self, run_key: str, view: str, sample_id: str, reviewer: str, score: int | None) -> None:
        """Store a score, None where the person cannot tell. The first one counts: a later one changes nothing.

        Parameters
        ----------
        run_key : str
            The run's content digest.
        view : str
            Name of the view that was seen.
        """
        if not reviewer or (score is not None and score not in range(HIGHEST + 1)):
            raise BadInput(
                where="score", expected="a name, and 0 to 5", found=f"{reviewer!r}, {score}", remedy="say so"
            )
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO events (at, run_key, view, sample_id, reviewer, score) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (at, run_key, view, sample_id, reviewer, score),
            )

    def given(self, run_key: str, view: str) -> dict[str, dict[str, int | None]]:
        """Return by reviewer the scores of a run under a view, by sample id, in the order in which they were given."""
        with self.reading() as connection:
            rows = (
                []
                if connection is None
                else connection.execute(
                    "SELECT reviewer, sample_id, score FROM events WHERE run_key = ? AND view = ? ORDER BY id",
                    (run_key, view),
                )
            )
            found: dict[str, dict[str, int | None]] = {}
            for reviewer, sample_id, score in rows:
                found.setdefault(reviewer, {})[sample_id] = score
        return found


class _Person:
    """Somebody who is asked as a judge is: the same pictures, and never the label."""

    name, remote, batch = "person", False, 1
    settings: ClassVar[dict] = {}

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Never called: people answer on a page."""
        raise NotImplementedError


def order_of(sample_ids: Iterable[str], reviewer: str, seed: int = 0) -> list[str]:
    """Return ids in an order of the reviewer's own, the same whenever he comes back."""
    return sorted(sample_ids, key=lambda each: hashlib.sha256(f"{seed}\0{reviewer}\0{each}".encode()).digest())


def picture_of(run: Run, sample_id: str, view: View) -> tuple[np.ndarray, str]:
    """Return what a judge would see of a record, (H, W, 3) uint8, and the class that its map speaks for.

    Raises
    ------
    BadInput
        Where the run's maps speak for the label, or the record's picture is no use.
    """
    faults: dict[str, str] = {}
    for _, request in Asking(run, _Person(), view).requests({"shown": sample_id}, faults):
        return request.image, request.predicted
    found = faults.get("shown", "none")
    raise BadInput(where=sample_id, expected="a picture with its map", found=found, remedy="look at another record")

"""What people decided about records: events in SQLite, only ever added, and the state that follows from them."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from xai_core.errors import BadInput
from xai_core.review.events import EventFile

_SCHEMA = (
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        run_key TEXT NOT NULL,
        sample_id TEXT NOT NULL,
        reviewer TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('verdict', 'tags', 'note', 'undo')),
        value TEXT NOT NULL,
        undoes INTEGER UNIQUE REFERENCES events (id)
    ) STRICT""",
    "CREATE INDEX by_run ON events (run_key, sample_id)",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Verdict:
    """One of the answers to "right for the right reasons?": its title, its meaning, its key on the keyboard."""

    title: str
    meaning: str
    shortcut: str


VERDICTS = {
    "right_reasons": Verdict("Right reasons", "What the explanation shows is a sound reason for the answer.", "1"),
    "wrong_reasons": Verdict("Wrong reasons", "The answer rests on something that should not count.", "2"),
    "unsure": Verdict("Unsure", "The explanation does not settle it.", "3"),
}
TAGS = {
    "label_in_doubt": "Label in doubt",
    "artefact": "Artefact",
    "poor_image": "Poor image",
    "interesting": "Interesting",
}


@dataclass(frozen=True)
class Event:
    """One thing that a reviewer did, as it is stored.

    Attributes
    ----------
    id : int
        Rises with time over the whole file.
    at : str
        UTC, ISO 8601.
    kind : str
        ``verdict``, ``tags``, ``note`` or ``undo``.
    value : str or list of str
        A key of `VERDICTS`; keys of `TAGS`; a text; '' for ``undo``.
    undoes : int or None
        The event that an ``undo`` takes back.
    """

    id: int
    at: str
    run_key: str
    sample_id: str
    reviewer: str
    kind: str
    value: str | list[str]
    undoes: int | None


@dataclass(frozen=True)
class Opinion:
    """What holds of one record: the newest verdict, tags and note of anybody that are not taken back.

    ``verdict`` is a key of `VERDICTS` or '', ``tags`` are keys of `TAGS`; ``reviewer`` names whose words these are,
    joined by ", "; ``at`` is when the newest of them was said.
    """

    verdict: str
    tags: tuple[str, ...]
    note: str
    reviewer: str
    at: str


class Verdicts(EventFile):
    """The verdicts of a workspace, in one SQLite file that many threads and processes may use at once.

    Parameters
    ----------
    path : Path
        Made with the first event; an absent file holds no verdicts.

    Raises
    ------
    BadInput
        From every method: where the file is not one of verdicts, a newer version wrote it, or (when writing) the
        folder is read-only or the disk full. What was stored before is intact.
    """

    holds = "verdicts"
    application_id = 0x52527631  # "RRv1"
    schema = _SCHEMA

    def give(self, run_key: str, sample_id: str, verdict: str, reviewer: str) -> None:
        """Store a verdict, a key of `VERDICTS`; it is on disk when this returns."""
        _check([verdict], VERDICTS, "verdict")
        self._add(run_key, sample_id, reviewer, "verdict", verdict)

    def tag(self, run_key: str, sample_id: str, tags: Sequence[str], reviewer: str) -> None:
        """Store all tags of a record, keys of `TAGS`, in the place of those before; none takes them away."""
        _check(tags, TAGS, "tags")
        self._add(run_key, sample_id, reviewer, "tags", [tag for tag in TAGS if tag in tags])

    def note(self, run_key: str, sample_id: str, text: str, reviewer: str) -> None:
        """Store a note in the place of the one before; an empty one takes it away."""
        self._add(run_key, sample_id, reviewer, "note", text.strip())

    def undo(self, run_key: str, reviewer: str) -> str | None:
        """Take back the reviewer's newest event in a run that still holds; return its sample id, None without one."""
        with self.writing() as connection:
            newest = connection.execute(
                "SELECT id, sample_id FROM events WHERE run_key = ? AND reviewer = ? AND kind != 'undo' AND id NOT IN"
                " (SELECT undoes FROM events WHERE undoes IS NOT NULL) ORDER BY id DESC LIMIT 1",
                (run_key, reviewer),
            ).fetchone()
            if newest is None:
                return None
            _insert(connection, run_key, newest[1], reviewer, "undo", "", newest[0])
        return newest[1]

    def state(self, run_key: str) -> dict[str, Opinion]:
        """Return the opinion on each record of a run that has one."""
        return fold(self._events("run_key = ?", run_key)).get(run_key, {})

    def history(self, run_key: str, sample_id: str | None = None) -> list[Event]:
        """Return every event of a record, or of a run, oldest first, those taken back and the takings back too."""
        return self._events("run_key = ? AND sample_id = coalesce(?, sample_id)", run_key, sample_id)

    def version(self, run_key: str) -> int:
        """Return the newest event's id in a run, 0 without one: where it is the same, so is the state."""
        with self.reading() as connection:
            if connection is None:
                return 0
            return connection.execute("SELECT max(id) FROM events WHERE run_key = ?", (run_key,)).fetchone()[0] or 0

    def to_csv(self, run_key: str | None = None) -> str:
        """Return the state of a run, or of all, as CSV: a line for each record with an opinion.

        A cell that a spreadsheet would take for a formula begins with an apostrophe.
        """
        runs = fold(self._events("1") if run_key is None else self._events("run_key = ?", run_key))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(["run_key", "sample_id", "verdict", "tags", "note", "reviewer", "at"])
        for key, opinions in sorted(runs.items()):
            for sample_id, said in sorted(opinions.items()):
                cells = [key, sample_id, said.verdict, ";".join(said.tags), said.note, said.reviewer, said.at]
                writer.writerow([f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell for cell in cells])
        return text.getvalue()

    def _add(self, run_key: str, sample_id: str, reviewer: str, kind: str, value: object) -> None:
        with self.writing() as connection:
            _insert(connection, run_key, sample_id, reviewer, kind, value)

    def _events(self, condition: str, *values: str | None) -> list[Event]:
        with self.reading() as connection:
            if connection is None:
                return []
            found = connection.execute(f"SELECT * FROM events WHERE {condition} ORDER BY id", values).fetchall()
        return [Event(*row[:6], json.loads(row[6]), row[7]) for row in found]


def fold(events: Iterable[Event]) -> dict[str, dict[str, Opinion]]:
    """Return by run key and sample id the opinion that follows from events, oldest first."""
    events = list(events)
    undone = {event.undoes for event in events}
    newest: dict[tuple[str, str], dict[str, Event]] = {}
    for event in events:
        if event.kind != "undo" and event.id not in undone:
            newest.setdefault((event.run_key, event.sample_id), {})[event.kind] = event
    state: dict[str, dict[str, Opinion]] = {}
    for (run_key, sample_id), by_kind in newest.items():
        said = [by_kind[kind] for kind in ("verdict", "tags", "note") if kind in by_kind and by_kind[kind].value]
        if said:
            values = {event.kind: event.value for event in said}
            state.setdefault(run_key, {})[sample_id] = Opinion(
                verdict=values.get("verdict", ""),
                tags=tuple(values.get("tags", ())),
                note=values.get("note", ""),
                reviewer=", ".join(dict.fromkeys(event.reviewer for event in said)),
                at=max(said, key=lambda event: event.id).at,
            )
    return state


def _insert(
    connection: sqlite3.Connection,
    run_key: str,
    sample_id: str,
    reviewer: str,
    kind: str,
    value: object,
    undoes: int | None = None,
) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    connection.execute(
        "INSERT INTO events (at, run_key, sample_id, reviewer, kind, value, undoes) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (at, run_key, sample_id, reviewer, kind, json.dumps(value, ensure_ascii=False), undoes),
    )


def _check(given: Sequence[str], known: dict, where: str) -> None:
    unknown = [key for key in given if key not in known]
    if unknown:
        raise BadInput(where=where, expected=", ".join(known), found=", ".join(unknown), remedy="name one of these")

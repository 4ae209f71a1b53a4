"""What is derived from a run and kept in its folder, `tiles.sqlite`: pictures, outlines, where each row lies.

Patient pictures must not leave the run's folder. The file may be deleted at any time; where it cannot be written,
what it would hold stays in memory.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from xai_core.errors import BadInput
from xai_core.runs.refusals import readable
from xai_core.runs.store import Run

FILE = "tiles.sqlite"
IN_MEMORY = 2000
"""Pictures (some 16 MB) and outlines that are kept in memory at most, of each run."""

_TABLES = {
    "about": "name TEXT PRIMARY KEY, value TEXT",
    "places": "sample_id TEXT PRIMARY KEY, part INTEGER, row_group INTEGER, row INTEGER, image TEXT,"
    " height INTEGER, width INTEGER",
    "pictures": "sample_id TEXT PRIMARY KEY, jpeg BLOB, height INTEGER, width INTEGER",
    "outlines": "sample_id TEXT, rule TEXT, truth TEXT, explanation TEXT, PRIMARY KEY (sample_id, rule)",
}
_LAYOUT = "1"
_BUSY_SECONDS = 20.0
Result = TypeVar("Result")


@dataclass(frozen=True)
class Place:
    """Where a record's row lies in the parts of its run, and which picture it is about.

    ``height`` and ``width`` are the original's, 0 where it could not be read; ``image`` is relative to the data set.
    """

    sample_id: str
    part: int
    row_group: int
    row: int
    image: str
    height: int
    width: int


class Kept:
    """What is kept of one run. An object costs nothing: make one for each call."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._path = run.folder / FILE
        self._digest = run.manifest["content_digest"]

    def read(self, query: str, *values: object) -> list[tuple]:
        """Return the rows of a query."""
        return self._in_transaction(lambda connection: connection.execute(query, values).fetchall(), "BEGIN")

    def add(self, table: str, rows: Sequence[tuple]) -> None:
        """Add rows to a table, in the place of those with the same key."""
        marks = ", ".join("?" * len(rows[0])) if rows else ""
        query = f"INSERT OR REPLACE INTO {table} VALUES ({marks})"
        if rows:
            self._in_transaction(lambda connection: connection.executemany(query, rows), "BEGIN IMMEDIATE")

    def of_samples(self, table: str, sample_ids: Iterable[str], condition: str = "1", *values: object) -> list[tuple]:
        """Return a table's rows of some samples, in no order."""
        query = f"SELECT * FROM {table} WHERE sample_id IN (SELECT value FROM json_each(?)) AND {condition}"
        return self.read(query, json.dumps(list(sample_ids)), *values)

    def about(self, name: str) -> str | None:
        """Return a text that is kept of the run as a whole, None where it is not."""
        found = self.read("SELECT value FROM about WHERE name = ?", name)
        return found[0][0] if found else None

    def places(self, sample_ids: Iterable[str]) -> list[Place]:
        """Return where the rows of samples lie, in the order of the parts; BadInput where the run has no such one."""
        wanted = set(sample_ids)
        found = self.find(wanted)
        unknown = wanted.difference(place.sample_id for place in found)
        if unknown:
            raise BadInput(
                where=self.run.folder,
                expected="samples of this run",
                found=repr(min(unknown)),
                remedy="records.parquet lists the ids",
            )
        return found

    def find(self, sample_ids: Iterable[str] | None = None) -> list[Place]:
        """Return as `places` does, but only of those samples that the run has; of all of them without ids."""
        if self.about("places") is None:
            self.add("places", list(_all_places(self.run)))
            self.add("about", [("places", "complete")])
        every = sample_ids is None
        rows = self.read("SELECT * FROM places") if every else self.of_samples("places", sample_ids)
        return sorted((Place(*row) for row in rows), key=lambda place: (place.part, place.row_group, place.row))

    def _in_transaction(self, work: Callable[[sqlite3.Connection], Result], begin: str) -> Result:
        memory = _memory(self._path, self._digest)
        for _ in range(2):
            if memory.used:
                break
            try:
                with contextlib.closing(_connect(self._path)) as connection:
                    return self._work(connection, work, begin)
            except sqlite3.OperationalError:  # it cannot be opened or written, or the disk is full
                memory.used = True
            except sqlite3.DatabaseError:  # damaged, or no such file at all: begin anew
                with contextlib.suppress(OSError):
                    self._path.unlink()
        memory.used = True
        with memory.lock:
            result = self._work(memory.connection, work, begin)
            memory.forget()
            return result

    def _work(self, connection: sqlite3.Connection, work: Callable, begin: str):
        """Return what `work` returns, in a transaction that sees what belongs to this content of the run only."""
        with connection:
            connection.execute(begin)
            if self._is_current(connection):
                return work(connection)
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if not self._is_current(connection):
                for table, columns in _TABLES.items():
                    connection.execute(f"DROP TABLE IF EXISTS {table}")
                    connection.execute(f"CREATE TABLE {table} ({columns})")
                about = [("layout", _LAYOUT), ("content_digest", self._digest)]
                connection.executemany("INSERT INTO about VALUES (?, ?)", about)
            return work(connection)

    def _is_current(self, connection: sqlite3.Connection) -> bool:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'about'").fetchone():
            return False
        about = dict(connection.execute("SELECT name, value FROM about"))
        return (about.get("layout"), about.get("content_digest")) == (_LAYOUT, self._digest)


def rows_of(run: Run, places: Sequence[Place], columns: Sequence[str]) -> Iterator[dict]:
    """Yield rows of the parts (SPEC.md) as dicts, in the order of `places`, which is that of the parts.

    Only the row groups that hold them are read.
    """
    import pyarrow.parquet as pq

    for part, in_part in groupby(places, key=lambda place: place.part):
        path = run.intact(run.manifest["parts"][part])
        for group, in_group in groupby(in_part, key=lambda place: place.row_group):
            with readable(path), pq.ParquetFile(path) as file:
                table = file.read_row_group(group, columns=list(columns))
            yield from table.take([place.row for place in in_group]).to_pylist()


def _all_places(run: Run) -> Iterator[tuple]:
    import pyarrow.parquet as pq

    columns = ["sample_id", "image", "height", "width"]
    for part, entry in enumerate(run.manifest["parts"]):
        path = run.folder / entry["file"]
        with readable(path), pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                found = file.read_row_group(group, columns=columns).select(columns).to_pydict()
                for row, (sample_id, *picture) in enumerate(zip(*found.values(), strict=True)):
                    yield sample_id, part, group, row, *picture


@dataclass
class _Memory:
    """A database in memory that stands in for a file."""

    connection: sqlite3.Connection
    used: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def forget(self) -> None:
        with self.connection:
            for table in ("pictures", "outlines"):
                self.connection.execute(
                    f"DELETE FROM {table} WHERE rowid <= (SELECT max(rowid) FROM {table}) - {IN_MEMORY}"
                )


@lru_cache(maxsize=8)
def _memory(path: Path, digest: str) -> _Memory:
    return _Memory(_connect(":memory:"))


def _connect(path: str | Path) -> sqlite3.Connection:
    # shared between threads in memory only, and there under a lock
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)

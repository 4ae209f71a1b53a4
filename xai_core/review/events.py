"""SQLite files of events that are only ever added, which many threads and processes may use at once."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from xai_core.errors import BadInput

BUSY_SECONDS = 20.0


class EventFile:
    """One such file; each kind of file is a subclass.

    Parameters
    ----------
    path : Path
        Made with the first event; an absent file holds none.

    Attributes
    ----------
    holds : str
        What it holds, for messages.
    application_id, layout : int
        That tell such a file from others.
    schema : tuple of str
        The statements that make the table ``events`` and its indices.

    Raises
    ------
    BadInput
        From every method: where the file is of another kind, a newer version wrote it, or (when writing) the folder is
        read-only or the disk full. What was stored before is intact.
    """

    holds: ClassVar[str]
    application_id: ClassVar[int]
    layout: ClassVar[int] = 1
    schema: ClassVar[tuple[str, ...]]

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """Give a connection to read by, None where there is no file yet."""
        if not self.path.exists():
            yield None
            return
        with self._told(), contextlib.closing(self._connect()) as connection:
            # a file of no bytes is one that another process is about to fill
            yield connection if self._is_ours(connection) else None

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection inside one transaction, in a file that is made where there is none."""
        with self._told(), contextlib.closing(self._connect()) as connection:
            if not self._is_ours(connection):
                _in_wal_mode(connection)
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                if not self._is_ours(connection):
                    for statement in self._statements():
                        connection.execute(statement)
                yield connection

    def _statements(self) -> Iterator[str]:
        yield from self.schema
        for action in ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER no_{action.lower()} BEFORE {action} ON events "
                "BEGIN SELECT RAISE(ABORT, 'events are only added'); END"
            )
        yield f"PRAGMA application_id = {self.application_id}"
        yield f"PRAGMA user_version = {self.layout}"

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """Return True for a file of this kind, False for an empty file; raise BadInput for any other."""
        connection.execute("SAVEPOINT one_moment")  # another process may be filling the file: all three of one moment
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        filled = connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        connection.execute("RELEASE one_moment")
        if (owner, version) == (self.application_id, self.layout):
            return True
        if (owner, version) == (0, 0) and not filled:
            return False
        found, remedy = "a file of another program", "name another file"
        if owner == self.application_id:
            found, remedy = f"version {version}", "use the version of Right Reasons that wrote it"
        raise BadInput(where=self.path, expected=f"{self.holds} of version {self.layout}", found=found, remedy=remedy)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what SQLite raises into BadInput that says what to do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise BadInput(
                where=self.path,
                expected=f"a file of {self.holds}, in a folder that can be written, on a disk with room",
                found=str(error),
                remedy="free some space or let the folder be written, then try again; what was stored before is intact",
            ) from error


def _in_wal_mode(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL; SQLite does not wait for its turn there as it does elsewhere."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)

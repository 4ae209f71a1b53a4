"""An archive of versions: what a release was decided on, kept so that nothing of it can change unnoticed.

```
ARCHIVE/
  objects/ab/abcdef...   files by the sha256 of their bytes, written once, read only
  journal.jsonl          an entry on each line, with the sha256 of the line before and of itself
  torn-SHA256            what a writer that was cut off left at the journal's end, if any was
  open/KEY/              runs taken out to be looked at; derived, may be deleted
```
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.files import exclusive, sha256_of, write_atomic
from xai_core.release import journal
from xai_core.release.archive_entry import RUN, Entry, Stored, key_of
from xai_core.runs.store import Run

SHORTEST_KEY = 4
_READ_ONLY = 0o444


@dataclass(frozen=True)
class Added:
    """What `Archive.add` did: the entry's key, and whether it is new; the same content is stored once."""

    key: str
    new: bool


class Archive:
    """An archive in a folder, which many processes may use at once.

    Parameters
    ----------
    folder : Path
        Made with the first entry; an absent one holds nothing.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    # ---- what is in it

    def entries(self) -> list[Entry]:
        """Return every entry, oldest first.

        Raises
        ------
        BadInput
            Where the journal is damaged.
        """
        found = journal.read(self.folder)
        if found.problems:
            raise BadInput(
                where=self.folder / journal.FILE,
                expected="a journal whose lines follow each other",
                found=found.problems[0],
                remedy="put back a copy that `archive verify` finds whole",
            )
        return [Entry.of(content) for content in found.contents]

    def find(self, key: str) -> Entry:
        """Return the entry whose key begins so; BadInput where there is none, or more than one."""
        found = [entry for entry in self.entries() if len(key) >= SHORTEST_KEY and entry.key.startswith(key)]
        if len(found) != 1:
            raise BadInput(
                where=self.folder,
                expected=f"the key of one entry, or its beginning, {SHORTEST_KEY} digits or more",
                found=f"{key!r}, which {'several have' if found else 'none has'}",
                remedy="`archive list` shows the keys",
            )
        return found[0]

    def path_of(self, file: Stored) -> Path:
        """Return where a file's bytes lie."""
        return self.folder / "objects" / file.sha256[:2] / file.sha256

    def read(self, entry: Entry, name: str) -> bytes:
        """Return the bytes of a file of an entry, checked against its digest; BadInput where they differ."""
        data = b""
        with contextlib.suppress(OSError):
            data = self.path_of(entry.files[name]).read_bytes()
        if hashlib.sha256(data).hexdigest() != entry.files[name].sha256:
            raise self._damaged(entry, name)
        return data

    def run(self, key: str) -> Run:
        """Return the run of an entry, opened straight from the archive.

        Its files are linked into ``open/KEY`` of the archive, checked against their digests; pictures are looked for
        where they lay when the run was added, seen from the archive.

        Raises
        ------
        BadInput
            Where there is no such entry, it holds no run, or a file of it is damaged.
        """
        entry = self.find(key)
        folder = self.folder / "open" / entry.key[:16]
        names = {name: name.removeprefix(f"{RUN}/") for name in entry.files if name.startswith(f"{RUN}/")}
        if not names:
            raise BadInput(
                where=self.folder,
                expected="an entry with a run",
                found=f"{entry.kind} {entry.key[:12]}",
                remedy="`archive list` shows what each entry is",
            )
        for name, inside in names.items():
            self._take_out(entry, name, folder / inside)
        run = Run(folder)
        run.settings = run.settings | {"dataset_root": os.path.relpath(self.folder / entry.about["pictures"], folder)}
        return run

    def _take_out(self, entry: Entry, name: str, target: Path) -> None:
        stored = self.path_of(entry.files[name])
        if not stored.is_file() or sha256_of(stored) != entry.files[name].sha256:
            raise self._damaged(entry, name)
        if target.exists() and target.samefile(stored):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            os.link(stored, temporary)
        except OSError:  # another file system, or one without links
            shutil.copyfile(stored, temporary)
        temporary.replace(target)

    def _damaged(self, entry: Entry, name: str) -> BadInput:
        return BadInput(
            where=self.path_of(entry.files[name]),
            expected=f"the bytes of {name} that the entry {entry.key[:12]} names",
            found="others, or no file",
            remedy="put back a copy that `archive verify` finds whole",
        )

    def verify(self) -> list[str]:
        """Return a line for each damage: journal, entries, every byte of every object; empty where all is well."""
        found = journal.read(self.folder)
        problems = [f"{journal.FILE}: {problem}" for problem in found.problems]
        if found.torn:
            problems.append(f"{journal.FILE}: {len(found.torn)} bytes at its end are of a line that was cut off")
        if found.unended:
            problems.append(f"{journal.FILE}: its last line has lost its end")
        named: dict[str, Stored] = {}
        for number, content in enumerate(found.contents, 1):
            try:
                named |= {file.sha256: file for file in Entry.of(content).files.values()}
            except BadInput as error:
                problems.append(f"{journal.FILE}: line {number} holds {error.found}")
        there = {path.name: path for path in self._objects()}
        problems += [f"objects: {digest} is gone" for digest in sorted(set(named) - set(there))]
        problems += [
            f"{path.relative_to(self.folder)}: its bytes are not those that its name says"
            for digest, path in sorted(there.items())
            if path != self.path_of(Stored(digest, 0)) or sha256_of(path) != digest
        ]
        problems += [
            f"{path.name}: its bytes are not those that its name says"
            for path in sorted(self.folder.glob("torn-*"))
            if path.name != f"torn-{sha256_of(path)}"
        ]
        return problems

    def unnamed(self) -> list[str]:
        """Return the objects that no entry names: an add that was cut off leaves such, and so does a lost line."""
        named = {file.sha256 for entry in self.entries() for file in entry.files.values()}
        return sorted(path.name for path in self._objects() if path.name not in named)

    def _objects(self) -> Iterator[Path]:
        return (path for path in self.folder.glob("objects/*/*") if not path.name.endswith(".tmp"))

    # ---- adding to it

    def add(
        self, kind: str, files: Mapping[str, Path | bytes], *, about: dict | None = None, note: str = "", at: str = ""
    ) -> Added:
        """Store files as one entry, which is on disk when this returns; the same content again adds nothing.

        Parameters
        ----------
        kind : str
        files : mapping
            From names within the entry to files, or bytes.
        about : dict, optional
            What a list shows of it; plain JSON values.
        note : str
        at : str, optional
            When; now by default.

        Raises
        ------
        BadInput
            Where a file cannot be read, changes meanwhile, or the archive cannot be written or is damaged; what was
            stored before is intact.
        """
        with exclusive(self.folder, wait=True):
            for leftover in self.folder.glob("objects/*/.*.tmp"):
                leftover.unlink()
            stored = {name: self._store(source) for name, source in sorted(files.items())}
            key = key_of(kind, stored)
            if any(entry.key == key for entry in self.entries()):
                return Added(key, new=False)
            at = at or datetime.now(UTC).isoformat(timespec="seconds")
            content = Entry(key, kind, at, note, about or {}, stored).as_dict()
            Entry.of(content)
            journal.append(self.folder, content)
            return Added(key, new=True)

    def _store(self, source: Path | bytes) -> Stored:
        """Return a file as it is stored: its bytes lie in objects/, on disk, and are those that its name says."""
        try:
            digest = hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else sha256_of(source)
            size = len(source) if isinstance(source, bytes) else source.stat().st_size
        except OSError as error:
            raise BadInput(
                where=source, expected="a file to store", found=error.strerror or str(error), remedy="check the path"
            ) from error
        stored = Stored(digest, size)
        path = self.path_of(stored)
        if not path.exists() or sha256_of(path) != digest:
            write_atomic(path, lambda temporary: _copy(source, temporary, stored))
        return stored

    def add_run(self, run: Run, *, review_set: Path | None = None, gate: Path | None = None, note: str = "") -> Added:
        """Store a run with what belongs to it: `archive_run.files_of`; as `add` does."""
        from xai_core.release.archive_run import about_of, files_of

        files = files_of(run, review_set, gate)
        return self.add(RUN, files, about=about_of(run, files, self.folder), note=note)

    def diff(self, before: str, now: str) -> dict:
        """Return what differs between the runs of two entries: `archive_diff.diff`."""
        from xai_core.release.archive_diff import diff

        return diff(self.run(before), self.run(now))

    def export(self, file: str | Path) -> Path:
        """Return `file` after writing the whole archive to it: the same content gives the same bytes."""
        from xai_core.release.archive_file import write

        return write(self, Path(file))

    def load(self, file: str | Path) -> list[Added]:
        """Add every entry of an exported archive; BadInput, and nothing taken, where a byte of it is not as written."""
        from xai_core.release.archive_file import take

        return take(self, Path(file))


def _copy(source: Path | bytes, temporary: Path, stored: Stored) -> None:
    """Fill a temporary file and make it read-only; BadInput where the source is not what it was a moment ago."""
    if isinstance(source, bytes):
        temporary.write_bytes(source)
    else:
        shutil.copyfile(source, temporary)
    if sha256_of(temporary) != stored.sha256:
        raise BadInput(
            where=source,
            expected="a file that nobody writes to",
            found="other bytes than a moment ago",
            remedy="wait until its writer has ended",
        )
    temporary.chmod(_READ_ONLY)

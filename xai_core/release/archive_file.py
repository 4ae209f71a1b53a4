"""An archive as one file: a plain tar whose every byte follows from the content, so that nothing can hide in it."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from xai_core.errors import BadInput
from xai_core.files import write_atomic
from xai_core.release import journal
from xai_core.release.archive_entry import Entry, Stored

if TYPE_CHECKING:
    from xai_core.release.archive import Added, Archive

MOST_JOURNAL = 256 << 20
_BLOCK, _PIECE = 512, 1 << 20
_END = bytes(2 * _BLOCK)


def write(archive: Archive, file: Path) -> Path:
    """Return `file` after writing the archive to it: the journal, then every object that it names, by digest.

    Raises
    ------
    BadInput
        Where the archive is damaged, or the file cannot be written.
    """
    problems = archive.verify()
    if problems:
        raise BadInput(
            where=archive.folder,
            expected="an archive that `archive verify` finds whole",
            found=problems[0],
            remedy="put back a whole copy, or add an entry after a writer that was cut off",
        )
    entries = archive.entries()

    def fill(temporary: Path) -> None:
        with temporary.open("wb") as out:
            _member(out, journal.FILE, b"".join(_lines(entries)))
            for stored in _objects(entries):
                _member(out, _name(stored), archive.path_of(stored))
            out.write(_END)

    return write_atomic(file, fill)


def take(archive: Archive, file: Path) -> list[Added]:
    """Return what was added from an exported archive, whose every byte is checked before anything is taken.

    Links, names that leave the archive, names that come twice, compressed or sparse members, and bytes after the end
    are not what `write` writes: any of them is refused, as is an object that its name does not fit.

    Raises
    ------
    BadInput
        Where it is not an exported archive, byte for byte; nothing was taken.
    """
    try:
        with file.open("rb") as source:
            entries, places = _checked(source, file)
            contents = {name: _Part(file, *place) for name, place in places.items()}
            return [_add(archive, entry, contents) for entry in entries]
    except OSError as error:
        raise BadInput(
            where=file, expected="an exported archive", found=error.strerror or str(error), remedy="check the path"
        ) from error


def _add(archive: Archive, entry: Entry, contents: dict[str, _Part]) -> Added:
    files = {name: contents[stored.sha256].read() for name, stored in entry.files.items()}
    return archive.add(entry.kind, files, about=entry.about, note=entry.note, at=entry.at)


class _Part:
    """The bytes of a member of a file."""

    def __init__(self, file: Path, start: int, size: int) -> None:
        self.file, self.start, self.size = file, start, size

    def read(self) -> bytes:
        with self.file.open("rb") as source:
            source.seek(self.start)
            return source.read(self.size)


def _checked(source: BinaryIO, file: Path) -> tuple[list[Entry], dict[str, tuple[int, int]]]:
    """Return the entries, and where each object's bytes lie: (start, size) by digest."""
    size = _size_in(source, file)
    if size > MOST_JOURNAL:
        raise _refused(file, "a journal that is too long")
    data = source.read(size)
    _expect(source, _header(journal.FILE, len(data)), data, file)
    found = journal.parse(data)
    if found.problems or found.torn or found.unended:
        raise _refused(file, f"a journal whose lines do not follow each other: {(*found.problems, 'torn')[0]}")
    entries = [Entry.of(content) for content in found.contents]
    places = {}
    for stored in _objects(entries):
        header = source.read(_BLOCK)
        if header != _header(_name(stored), stored.bytes):
            raise _refused(file, f"another member in the place of the object {stored.sha256[:12]}")
        places[stored.sha256] = (source.tell(), stored.bytes)
        if _digest(source, stored.bytes) != stored.sha256 or any(source.read(-stored.bytes % _BLOCK)):
            raise _refused(file, f"other bytes in the object {stored.sha256[:12]}")
    if source.read(len(_END) + 1) != _END:
        raise _refused(file, "an end that is missing, or something after it")
    return entries, places


def _size_in(source: BinaryIO, file: Path) -> int:
    """Return the size that the first member states."""
    header = source.read(_BLOCK)
    try:
        return tarfile.TarInfo.frombuf(header, "utf-8", "strict").size
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise _refused(file, "no tar file") from error


def _expect(source: BinaryIO, header: bytes, data: bytes, file: Path) -> None:
    """Check the first member's header, and its padding."""
    place = source.tell()
    source.seek(0)
    if source.read(_BLOCK) != header:
        raise _refused(file, "a first member that is not the journal")
    source.seek(place)
    if any(source.read(-len(data) % _BLOCK)):
        raise _refused(file, "bytes behind the journal")


def _digest(source: BinaryIO, size: int) -> str:
    total = hashlib.sha256()
    while size:
        piece = source.read(min(size, _PIECE))
        if not piece:
            return ""
        total.update(piece)
        size -= len(piece)
    return total.hexdigest()


def _lines(entries: list[Entry]) -> Iterator[bytes]:
    previous = journal.NOTHING_BEFORE
    for entry in entries:
        line = journal.line_of(entry.as_dict(), previous)
        previous = hashlib.sha256(line).hexdigest()
        yield line + b"\n"


def _objects(entries: list[Entry]) -> list[Stored]:
    """Return every object once, by digest."""
    named = {stored.sha256: stored for entry in entries for stored in entry.files.values()}
    return [named[digest] for digest in sorted(named)]


def _name(stored: Stored) -> str:
    return f"objects/{stored.sha256[:2]}/{stored.sha256}"


def _header(name: str, size: int) -> bytes:
    """Return the 512 bytes before a member: no owner, no time, read only."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o444
    return info.tobuf(tarfile.USTAR_FORMAT)


def _member(out: BinaryIO, name: str, content: bytes | Path) -> None:
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    out.write(_header(name, size))
    if isinstance(content, bytes):
        out.write(content)
    else:
        with content.open("rb") as source:
            while piece := source.read(_PIECE):
                out.write(piece)
    out.write(bytes(-size % _BLOCK))


def _refused(file: Path, found: str) -> BadInput:
    return BadInput(
        where=file,
        expected="an exported archive, byte for byte as it was written",
        found=found,
        remedy="export it again; nothing was taken from this file",
    )

"""A journal that is only ever added to: lines of JSON, each with the sha256 of the line before and of itself."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.files import flush_folder, write_atomic

FILE = "journal.jsonl"
NOTHING_BEFORE = "0" * 64


@dataclass(frozen=True)
class Read:
    """What a journal's bytes say.

    Attributes
    ----------
    contents : list of dict
        Of the lines that hold, oldest first.
    head : str
        sha256 (hex) of the last line that holds.
    torn : bytes
        What a writer that was cut off left at the end; no part of any line.
    unended : bool
        Whether the last line is whole but for its line break.
    problems : tuple of str
        A line for each damage; what comes after the first is not read.
    """

    contents: list[dict]
    head: str
    torn: bytes = b""
    unended: bool = False
    problems: tuple[str, ...] = ()


def canonical(value: object) -> bytes:
    """Return the one way to write a JSON value: ASCII, keys sorted, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest_of(value: object) -> str:
    """Return the sha256 (hex) of a JSON value, written canonically."""
    return hashlib.sha256(canonical(value)).hexdigest()


def line_of(content: dict, previous: str) -> bytes:
    """Return a content as a line without its end; `previous` is the sha256 of the line before."""
    chained = {"content": content, "previous": previous}
    return canonical(chained | {"sha256": digest_of(chained)})


def parse(data: bytes) -> Read:
    """Return what the bytes of a journal say; nothing is raised."""
    contents: list[dict] = []
    head = NOTHING_BEFORE
    *lines, tail = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        content = _content(line, head)
        if content is None:
            problem = f"line {number} is damaged, or does not follow the line before it"
            return Read(contents, head, problems=(problem,))
        contents.append(content)
        head = hashlib.sha256(line).hexdigest()
    unended, damaged = _content(tail, head), _content(tail[:-1], head)
    if unended is not None:
        return Read([*contents, unended], hashlib.sha256(tail).hexdigest(), unended=True)
    if damaged is not None:
        return Read(contents, head, problems=(f"line {len(lines) + 1} has another byte in the place of its end",))
    return Read(contents, head, tail)


def _content(line: bytes, previous: str) -> dict | None:
    """Return the content of a line that is just what `line_of` would write, else None."""
    try:
        content = json.loads(line)["content"]
        return content if line_of(content, previous) == line else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def read(folder: Path) -> Read:
    """Return what the journal in a folder says; one that is not there says nothing."""
    try:
        return parse((folder / FILE).read_bytes())
    except FileNotFoundError:
        return Read([], NOTHING_BEFORE)
    except OSError as error:
        return Read([], NOTHING_BEFORE, problems=(f"cannot be read: {error.strerror}",))


def append(folder: Path, content: dict) -> None:
    """Add a line, which is on disk when this returns. The caller is the only writer.

    What a writer that was cut off left behind goes to a file ``torn-SHA256`` of its own first.

    Raises
    ------
    BadInput
        Where the journal is damaged, the disk full, or the folder read-only; what was there before is intact.
    """
    path, found = folder / FILE, read(folder)
    if found.problems:
        raise BadInput(
            where=path,
            expected="a journal whose lines follow each other",
            found=found.problems[0],
            remedy="put back a copy that `archive verify` finds whole; nothing is added to a damaged archive",
        )
    if found.torn:
        name = f"torn-{hashlib.sha256(found.torn).hexdigest()}"
        write_atomic(folder / name, lambda temporary: temporary.write_bytes(found.torn))
    try:
        end = b"\n" if found.unended else b""
        _write(path, end + line_of(content, found.head) + b"\n", len(found.torn))
    except OSError as error:
        raise BadInput(
            where=path,
            expected="a journal that can be written, on a disk with room",
            found=error.strerror or str(error),
            remedy="free some space or let the file be written; what was stored before is intact",
        ) from error


def _write(path: Path, line: bytes, torn: int) -> None:
    """Write a line in the place of the `torn` bytes at the end, or leave the file as long as it was without them."""
    is_new = not path.exists()
    # without a buffer: one that could not be written would be tried again when the file is closed
    with path.open("ab", buffering=0) as file:
        end = os.fstat(file.fileno()).st_size - torn
        file.truncate(end)
        try:
            while line:
                line = line[file.write(line) :]
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise
    if is_new:
        flush_folder(path.parent)

"""Writing files so that a reader never sees half of one, and knowing files by their bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from xai_core.errors import BadInput


def write_atomic(path: Path, write: Callable[[Path], object]) -> Path:
    """Return `path` after ``write(temporary)`` filled a temporary file that then took its place.

    The temporary file lies in the same folder, is flushed to disk and renamed over `path`; the folder is flushed too.
    A crash at any moment leaves the old file or the new one.

    Raises
    ------
    BadInput
        Where the disk is full or the folder cannot be written; the temporary file is removed.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise BadInput(
            where=path,
            expected="a folder that can be written and a disk with room",
            found=error.strerror or str(error),
            remedy="free some space or name another folder; what was stored before is intact",
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def write_json(path: Path, value: object) -> Path:
    """Return `path` after writing `value` to it as indented JSON, atomically; NaN is refused."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return write_atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> dict:
    """Return the JSON object in a file.

    Raises
    ------
    BadInput
        Where the file is absent, not readable, or not a JSON object.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(
            where=path, expected="a JSON file", found=error.strerror or str(error), remedy="check the path"
        ) from error
    except ValueError as error:
        raise BadInput(where=path, expected="a JSON file", found=str(error), remedy="restore or remove it") from error
    if not isinstance(value, dict):
        raise BadInput(
            where=path, expected="a JSON object", found=type(value).__name__, remedy="restore or remove the file"
        )
    return value


def sealed(content: dict) -> dict:
    """Return plain JSON values with the ``sha256`` (hex) of all the others, in canonical form, beside them."""
    others = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(others, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return others | {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def is_sealed(content: dict) -> bool:
    """Return whether a content's ``sha256`` is that of the rest: nothing was changed since it was sealed."""
    return content.get("sha256") == sealed(content)["sha256"]


def sha256_of(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def exclusive(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a folder's ``.lock`` as its only writer; the system releases it when the process ends, however it ends.

    Parameters
    ----------
    folder : Path
        Made where it is absent.
    wait : bool
        Wait until another writer has ended instead of refusing.

    Raises
    ------
    BadInput
        Where another process holds it, or the folder cannot be made and written.
    """
    import fcntl

    with _lock_file(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(
                where=folder,
                expected="no other writer",
                found="another process that is writing here",
                remedy="wait for it to end, or choose another folder",
            ) from error
        yield


def _lock_file(folder: Path) -> TextIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / ".lock").open("w")
    except OSError as error:
        raise BadInput(
            where=folder,
            expected="a folder that can be made and written",
            found=error.strerror or str(error),
            remedy="name another folder",
        ) from error


def flush_folder(folder: Path) -> None:
    """Flush a folder to disk, so that a file's new name or place in it survives a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

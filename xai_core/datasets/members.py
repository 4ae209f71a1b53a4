"""Pictures that lie in a container: idx files (MNIST), binary batches (CIFAR-10), zips.

A picture's path goes on behind its container, as if that were a folder: ``train-images-idx3-ubyte.gz/00012``,
``data_batch_1.bin/00012``, ``images.zip/cat/0001.jpg``. What a process has unpacked it keeps, by path, size and time of
change, so that 60,000 pictures of one file cost one reading.
"""

from __future__ import annotations

import gzip
import math
import os
import threading
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from xai_core.errors import SampleError

MAX_ARRAY = 1 << 30  # bytes of pixels in one idx file or batch
MAX_MEMBER = 1 << 28  # bytes of one unpacked member of a zip
BATCH_SHAPE = (3, 32, 32)
_ROW = 1 + int(np.prod(BATCH_SHAPE))
_KEPT = 8  # containers at a time: the batches and the test batch of CIFAR-10
_FILLING = threading.Lock()


def container_of(path: Path) -> tuple[Path, str] | None:
    """Return (container, name in it) of a path that goes through a file; None where it does not."""
    # text, not paths: this is asked of every picture of every data set
    text = container = os.fspath(path)
    while container and not os.path.lexists(container):
        container = container.rpartition("/")[0]
    if container == text or not Path(container).is_file():
        return None
    return Path(container), text[len(container) + 1 :]


def holds(path: Path) -> bool:
    """Return whether a path goes through a container that has such a member; reads no picture."""
    found = container_of(path)
    try:
        return found is not None and _opened(found[0]).has(found[1])
    except SampleError:
        return False


def read(container: Path, name: str) -> np.ndarray | bytes:
    """Return a member: pixels, (H, W) or (H, W, 3) uint8, or the bytes of a picture file.

    Raises
    ------
    SampleError
        ``file_missing`` where there is none of that name, ``file_unreadable``, or ``image_too_large``.
    """
    return _opened(container).read(name)


def member_bytes(container: Path, name: str) -> bytes:
    """Return the bytes of a member, which identify it: a file's own, or its pixels in C order."""
    found = read(container, name)
    return found if isinstance(found, bytes) else np.ascontiguousarray(found).tobytes()


def read_idx(file: Path, dimensions: int) -> np.ndarray:
    """Return the uint8 array of an idx file, gz or not; not to be written to.

    Raises
    ------
    SampleError
        Where magic number, dimensions or length are not those of such a file.
    """
    opened = _opened(file)
    found = opened.array.ndim if isinstance(opened, _Array) else "a zip"
    if found != dimensions:
        raise _unreadable(file, f"an idx file of {dimensions} dimensions", str(found))
    return opened.array


def read_batch(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (N,) and pixels (N, 32, 32, 3), both uint8, of a binary batch of CIFAR-10."""
    opened = _opened(file)
    return opened.labels, opened.array


def zip_entries(file: Path) -> list[str]:
    """Return the names of the files in a zip, in its order."""
    opened = _opened(file)
    if not isinstance(opened, _Zip):
        raise _unreadable(file, "a zip file", "another kind of file")
    return [entry.filename for entry in opened.file.infolist() if not entry.is_dir()]


class _Array:
    """Pictures of one shape, by number."""

    def __init__(self, path: Path, array: np.ndarray, labels: np.ndarray | None = None) -> None:
        self.path, self.array, self.labels = path, array, labels
        array.setflags(write=False)

    def has(self, name: str) -> bool:
        return name.isdecimal() and name.isascii() and len(name) < 12 and int(name) < len(self.array)

    def read(self, name: str) -> np.ndarray:
        if not self.has(name):
            raise _missing(self.path, f"a number below {len(self.array)}", name)
        return self.array[int(name)]


class _Zip:
    """Picture files in a zip, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise _unreadable(path, "a whole zip file", str(error)) from None

    def has(self, name: str) -> bool:
        return name in self.file.NameToInfo

    def read(self, name: str) -> bytes:
        if not self.has(name):
            raise _missing(self.path, "the name of a file in it", name)
        entry = self.file.getinfo(name)
        if entry.file_size > MAX_MEMBER:
            raise SampleError(
                "image_too_large",
                where=self.path / name,
                expected=f"at most {MAX_MEMBER >> 20} MB unpacked",
                found=f"{entry.file_size >> 20} MB",
                remedy="scale the image down, or take it out",
            )
        try:
            # never more than the size it declares, whatever is packed there
            return self.file.read(entry)
        except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
            raise _unreadable(self.path / name, "a whole file in the zip, without a password", str(error)) from None


def _opened(path: Path) -> _Array | _Zip:
    try:
        state = path.stat()
    except OSError as error:
        raise _unreadable(path, "a file", error.strerror or str(error)) from None
    with _FILLING:
        # a forked process must not share a zip's place in the file with its parent
        return _open(path, state.st_size, state.st_mtime_ns, os.getpid())


@lru_cache(maxsize=_KEPT)
def _open(path: Path, size: int, changed: int, process: int) -> _Array | _Zip:
    with path.open("rb") as file:
        beginning = file.read(4)
    if path.suffix == ".bin":
        return _open_batch(path, size)
    if beginning[:2] == b"PK" or path.suffix == ".zip":
        return _Zip(path)
    if beginning[:2] == b"\x1f\x8b":
        return _Array(path, _packed(path, lambda: gzip.open(path, "rb")))
    return _Array(path, _packed(path, lambda: path.open("rb")))


def _packed(path: Path, open_: Callable) -> np.ndarray:
    """Return the array of an idx file: 0, 0, type 8 (uint8), dimensions, their sizes (big-endian int32), values."""
    expected = "an idx file of bytes (0, 0, 8, dimensions), or a zip"
    try:
        with open_() as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:3] != b"\x00\x00\x08" or not 1 <= magic[3] <= 3:
                raise _unreadable(path, expected, f"the bytes {magic.hex(' ') or 'none'} at its beginning")
            sizes = file.read(4 * magic[3])
            if len(sizes) < 4 * magic[3]:
                raise _unreadable(path, f"{magic[3]} sizes in the header", "its end")
            shape = np.frombuffer(sizes, ">u4").tolist()
            length = math.prod(shape)
            if length > MAX_ARRAY:
                raise _unreadable(path, f"at most {MAX_ARRAY >> 20} MB of pixels", " x ".join(map(str, shape)))
            values = file.read(length)
            surplus = file.read(1)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, "a whole idx file", str(error)) from None
    if len(values) != length or surplus:
        found = "more" if surplus else f"{len(values):,}"
        raise _unreadable(path, f"{length:,} bytes behind the header, as it says", found)
    return np.frombuffer(values, np.uint8).reshape(shape)


def _open_batch(path: Path, size: int) -> _Array:
    if size == 0 or size % _ROW or size > MAX_ARRAY:
        raise _unreadable(path, f"rows of {_ROW} bytes: a label and 3 x 32 x 32 pixels", f"{size:,} bytes")
    rows = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, _ROW)
    pixels = rows[:, 1:].reshape(-1, *BATCH_SHAPE).transpose(0, 2, 3, 1)
    return _Array(path, np.ascontiguousarray(pixels), rows[:, 0])


def _unreadable(path: Path, expected: str, found: str) -> SampleError:
    found = found.strip().rstrip(".") or "damage"
    return SampleError("file_unreadable", where=path, expected=expected, found=found, remedy="fetch the file anew")


def _missing(container: Path, expected: str, name: str) -> SampleError:
    remedy = "check that the container is the one that the data set was made from"
    return SampleError("file_missing", where=container, expected=expected, found=name[:80], remedy=remedy)

"""Container files as data sets come in: idx files, binary batches, zips of class folders."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def idx(array: np.ndarray) -> bytes:
    """Return the bytes of an idx file of a uint8 array."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def digits(count: int, seed: int, size: tuple[int, int] = (6, 5)) -> tuple[np.ndarray, np.ndarray]:
    """Return (count, H, W) pictures, no two alike, not square, and (count,) labels, all ten among them."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *size), dtype=np.uint8), np.arange(count, dtype=np.uint8) * 7 % 10


def write_mnist(
    folder: Path, train: int = 30, test: int = 10, *, packed: bool = True, size: tuple[int, int] = (6, 5)
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the arrays of the four files after writing them, packed by gzip or not."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"train": digits(train, 1, size), "t10k": digits(test, 2, size)}
    for prefix, (images, labels) in arrays.items():
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            data = idx(array)
            name = f"{prefix}-{kind}-ubyte{'.gz' if packed else ''}"
            (folder / name).write_bytes(gzip.compress(data, mtime=0) if packed else data)
    return arrays


def write_batch(file: Path, labels: Iterable[int], seed: int = 0) -> np.ndarray:
    """Return the (N, 32, 32, 3) pixels of a binary batch of CIFAR-10 after writing it."""
    labels = np.array(list(labels), np.uint8)
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3, 32, 32), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, pixels, strict=True)))
    return pixels.transpose(0, 2, 3, 1)


def png(seed: int, size: tuple[int, int] = (9, 7)) -> tuple[bytes, np.ndarray]:
    """Return the bytes of a picture file, and its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue(), pixels


def write_zip(file: Path, entries: Iterable[tuple[str, bytes]]) -> Path:
    """Return a zip after writing entries to it, in their order, whatever their names."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in entries:
            packed.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return file

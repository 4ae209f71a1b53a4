"""Tables of a track written part by part, so that a kill loses at most one (SPEC.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import sha256_of, write_atomic

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS = 16


class Parts:
    """The parts of one table, whose rows are those of the samples, in their order.

    Parameters
    ----------
    folder : Path
        Of the parts; what a crash left damaged is removed from it.
    sample_ids : sequence of str
        Of every sample, in order.
    """

    def __init__(self, folder: Path, sample_ids: Sequence[str]) -> None:
        self.folder, self.sample_ids = folder, sample_ids
        self.files: list[Path] = []
        self.done = 0
        found = sorted(folder.glob("[0-9]*.parquet"))
        for file in found:
            rows = self._next_rows(file)
            if not rows:
                break
            self.files.append(file)
            self.done += rows
        for file in found[len(self.files) :]:
            file.unlink()

    def _next_rows(self, file: Path) -> int:
        """Return how many rows a part adds; 0 where it is damaged, or does not go on where the last one ended."""
        import pyarrow.parquet as pq

        number, _, digest = file.stem.partition("-")
        if int(number) != len(self.files) or sha256_of(file)[:_DIGITS] != digest:
            return 0
        ids = pq.read_table(file, columns=["sample_id"])["sample_id"].to_pylist()
        return len(ids) if ids == list(self.sample_ids[self.done : self.done + len(ids)]) else 0

    def add(self, columns: dict[str, pa.Array]) -> None:
        """Write the next rows: `columns` without ``sample_id``, all of one length."""
        import pyarrow as pa

        rows = len(next(iter(columns.values())))
        ids = pa.array(self.sample_ids[self.done : self.done + rows], pa.string())
        self.files.append(write_hashed(self.folder, len(self.files), pa.table({"sample_id": ids, **columns})))
        self.done += rows


def write_hashed(folder: Path, number: int, table: pa.Table) -> Path:
    """Return the file of a part, named by its number and its bytes, after writing it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    name = f"{number:04d}-{hashlib.sha256(data).hexdigest()[:_DIGITS]}.parquet"
    return write_atomic(folder / name, lambda temporary: temporary.write_bytes(data))


def lists(values: np.ndarray) -> pa.Array:
    """Return (N, L) numbers as a column of lists of one length."""
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])


def heatmap_columns(heatmaps: np.ndarray) -> dict[str, pa.Array]:
    """Return ``heatmap`` and ``scale`` of (N, h * w) float32 maps: float16 of map / scale, and the scale."""
    import pyarrow as pa

    scale = np.abs(heatmaps).max(1, initial=0).astype(np.float32)
    scaled = (heatmaps / np.where(scale > 0, scale, 1)[:, None]).astype("<f2")
    kind = pa.binary(2 * heatmaps.shape[1])
    return {"heatmap": pa.array([row.tobytes() for row in scaled], kind), "scale": pa.array(scale)}


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """Return what `lists` stored: (N, L)."""
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    width = column.type.list_size
    return np.concatenate(chunks).reshape(-1, width) if chunks else np.zeros((0, width))


def heatmaps(table: pa.Table) -> np.ndarray:
    """Return what `heatmap_columns` stored: (N, h * w) float32."""
    rows = b"".join(table["heatmap"].to_pylist())
    values = np.frombuffer(rows, "<f2").reshape(table.num_rows, -1).astype(np.float32)
    return values * table["scale"].to_numpy()[:, None]


def damaged(file: Path, found: str) -> BadInput:
    """Return the error for a file of a track that is not as it was written."""
    return BadInput(
        where=file,
        expected="a file of this track as it was written",
        found=found,
        remedy="`i2x fit --resume` with the track's settings makes it anew",
    )

"""The tables of a track that are written whole, and the digest over all of them (SPEC.md)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.files import write_atomic
from xai_core.i2x import parts
from xai_core.i2x.prototypes import Prototypes

if TYPE_CHECKING:
    import pyarrow as pa


def read_prototypes(folder: Path) -> Prototypes | None:
    """Return the prototypes that a track's folder holds, finished or not; None where it has none yet."""
    import pyarrow.parquet as pq

    files = [folder / "projection.parquet", folder / "prototypes.parquet"]
    return prototypes_of(*map(pq.read_table, files)) if all(file.is_file() for file in files) else None


def prototype_tables(prototypes: Prototypes) -> tuple[pa.Table, pa.Table]:
    """Return projection.parquet and prototypes.parquet."""
    import pyarrow as pa

    rows = np.vstack([prototypes.mean, prototypes.components]).astype(np.float32)
    names = ["mean", *map(str, range(len(prototypes.components)))]
    variance = np.concatenate([[np.nan], prototypes.variance]).astype(np.float32)
    projection = pa.table({"row": names, "values": parts.lists(rows), "variance": variance})
    numbers = np.arange(len(prototypes.centres), dtype=np.int32)
    centres = parts.lists(prototypes.centres.astype(np.float32))
    places = prototypes.places.astype(np.int64)
    return projection, pa.table({"prototype": numbers, "centre": centres, "places": places})


def prototypes_of(projection: pa.Table, prototypes: pa.Table) -> Prototypes:
    """Return what `prototype_tables` gave tables of."""
    rows = parts.matrix(projection["values"])
    variance = projection["variance"].to_numpy()[1:]
    centres = parts.matrix(prototypes["centre"])
    return Prototypes(rows[0], rows[1:], variance, centres, prototypes["places"].to_numpy())


def write_table(file: Path, table: pa.Table) -> None:
    """Write a table whole, atomically."""
    import pyarrow.parquet as pq

    write_atomic(file, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def content_digest(folder: Path, manifest: dict) -> str:
    """Return the sha256 (hex) over all rows in canonical order, whatever parts they lie in."""
    import pyarrow.parquet as pq

    total = hashlib.sha256()
    columns: dict[tuple[str, str], list[bytes]] = {}
    for entry in manifest["files"]:
        table = pq.read_table(folder / entry["file"])
        group = entry["file"].rpartition("/")[0] or entry["file"]
        for name in table.column_names:
            columns.setdefault((group, name), []).append(_bytes(table[name]))
    for (group, name), values in columns.items():
        total.update(f"{group}/{name}\n".encode())
        for value in values:
            total.update(value)
    return total.hexdigest()


def _bytes(column: pa.ChunkedArray) -> bytes:
    import pyarrow as pa

    if pa.types.is_fixed_size_list(column.type):
        return parts.matrix(column).tobytes()
    if pa.types.is_fixed_size_binary(column.type):
        return b"".join(column.to_pylist())
    if pa.types.is_string(column.type):
        return "".join(json.dumps(text) for text in column.to_pylist()).encode()
    return column.to_numpy().tobytes()

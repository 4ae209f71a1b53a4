"""A run on disk: written part by part, read with pandas (SPEC.md)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import read_json, sha256_of, write_atomic, write_json
from xai_core.runs import rows
from xai_core.runs.refusals import changed, check_empty, check_manifest, check_same_settings, no_run, readable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SPEC_VERSION = 1
_DIGITS = 16


class RunWriter:
    """Writes one run, or goes on with one that was cut off.

    Parameters
    ----------
    folder : Path
    settings : dict
        Plain JSON values (SPEC.md, settings.json).
    resume : bool
        Whether a run may already be here. Its settings must be the same.

    Raises
    ------
    BadInput
        Where the folder holds a run and `resume` is False, holds something else, or other settings began it.
    """

    def __init__(self, folder: Path, settings: dict, *, resume: bool = False) -> None:
        self.folder, self.settings = Path(folder), {"spec_version": SPEC_VERSION} | settings
        self.parts = self.folder / "parts"
        stored = self.folder / "settings.json"
        if stored.exists():
            if not resume:
                raise BadInput(
                    where=self.folder,
                    expected="a folder without a run",
                    found="a run that was begun there",
                    remedy="go on with it by --resume, or choose another folder",
                )
            check_same_settings(self.folder, read_json(stored), json.loads(json.dumps(self.settings)))
        else:
            check_empty(self.folder)
        for leftover in self.folder.rglob(".*.tmp"):
            leftover.unlink()
        self._started = time.time()
        self._files = list(_valid_parts(self.parts))

    @cached_property
    def done(self) -> set[str]:
        """Return the ids of the samples that valid parts hold; `add` keeps it up to date."""
        import pyarrow.parquet as pq

        ids: set[str] = set()
        for file in self._files:
            ids.update(pq.read_table(file, columns=["sample_id"])["sample_id"].to_pylist())
        return ids

    def add(self, records: Sequence[dict]) -> None:
        """Write `records`, which carry the columns of SPEC.md, as one part."""
        import pyarrow as pa

        done = self.done
        self._write_settings()
        table = pa.Table.from_pylist(list(records), schema=rows.schema())
        number = 1 + max((int(file.name[:5]) for file in self._files), default=-1)
        self._files.append(_write_part(self.parts, number, table))
        done.update(table["sample_id"].to_pylist())

    def _write_settings(self) -> None:
        """Write the settings with the first part: a request that fails before it leaves no run behind."""
        if not (self.folder / "settings.json").exists():
            write_json(self.folder / "settings.json", self.settings)

    def finish(self, left_out: dict[str, int] | None = None) -> Run:
        """Return the finished run after writing records.parquet and, last, the manifest.

        `left_out` counts, by problem kind, the rows of the data set's lists that have no record.
        """
        import pyarrow.parquet as pq

        self._write_settings()
        table = _records_in_order(self._files)
        records = self.folder / "records.parquet"
        write_atomic(records, lambda temporary: pq.write_table(table, temporary, compression="zstd"))
        manifest = {
            "state": "complete",
            "settings": self.settings,
            "samples": table.num_rows,
            "errors": sum(status != "ok" for status in table["status"].to_pylist()),
            "left_out": left_out or {},
            "parts": [
                {"file": f"parts/{file.name}", "sha256": sha256_of(file), "rows": pq.read_metadata(file).num_rows}
                for file in self._files
            ],
            "records": {"file": records.name, "sha256": sha256_of(records)},
            "content_digest": content_digest(self._files),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started)),
            "seconds": round(time.time() - self._started, 3),
        }
        write_json(self.folder / "run.json", manifest)
        return Run(self.folder)


class Run:
    """A finished run, read only.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    BadInput
        Where the folder holds no finished run; a folder of sibling runs names them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "run.json").exists():
            raise no_run(self.folder)
        self.manifest = read_json(self.folder / "run.json")
        self.settings: dict = self.manifest.get("settings", {})
        check_manifest(self.folder, self.manifest, SPEC_VERSION)

    def __len__(self) -> int:
        return self.manifest["samples"]

    @property
    def frame_size(self) -> tuple[int, int]:
        """Return (height, width) of the model frame."""
        height, width = self.settings["frame"]["size"]
        return height, width

    def records(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the record columns, a row for each sample in data set order."""
        import pandas as pd

        file = self.intact(self.manifest["records"])
        with readable(file):
            return pd.read_parquet(file, columns=columns)

    def probabilities(self) -> np.ndarray:
        """Return (N, C) float32 probabilities in record order; NaN rows for records with an error."""
        rows_ = self.records(["probabilities"])["probabilities"]
        blank = np.full(len(self.settings["class_names"]), np.nan, np.float32)
        return np.stack([blank if row is None else row for row in rows_]) if len(rows_) else blank[None][:0]

    def maps(self, sample_ids: Iterable[str] | None = None, columns: Sequence[str] | None = None) -> Iterator[dict]:
        """Yield rows with `sample_id` and the map columns as dicts, part by part; all, or those asked for."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        wanted = None if sample_ids is None else list(sample_ids)
        columns = ["sample_id", "status", "annotation", *(columns or rows.MAP_COLUMNS)]
        for part in self.manifest["parts"]:
            file = self.intact(part)
            with readable(file):
                batches = list(pq.ParquetFile(file).iter_batches(batch_size=64, columns=columns))
            for batch in batches:
                if wanted is not None:
                    batch = batch.filter(pc.is_in(batch["sample_id"], value_set=_strings(wanted)))
                yield from batch.to_pylist()

    def map_of(self, sample_id: str) -> dict:
        """Return the map row of one sample.

        Raises
        ------
        BadInput
            Where the run has no such sample.
        """
        for row in self.maps([sample_id]):
            return row
        raise BadInput(
            where=self.folder,
            expected="a sample of this run",
            found=repr(sample_id),
            remedy="records.parquet lists the ids",
        )

    def intact(self, entry: dict) -> Path:
        """Return the file that an entry of the manifest names, after finding its bytes to be those that were written.

        A flipped bit seldom breaks a Parquet file: it gives another figure. A file is read for this once, until it
        changes.

        Raises
        ------
        BadInput
            Where the file is gone or its bytes are others.
        """
        file = self.folder / entry["file"]
        with readable(file):
            now = file.stat()
            if _sha256_at(file.resolve(), now.st_ino, now.st_size, now.st_mtime_ns) != entry["sha256"]:
                raise changed(file)
        return file

    def verify(self) -> list[str]:
        """Return a line for each file whose bytes are not those the manifest names; empty where all is well."""
        named = [*self.manifest["parts"], self.manifest["records"]]
        receipts = sorted(self.folder.glob("scores/*.json"))
        named += [read_json(receipt) | {"file": f"scores/{receipt.stem}.parquet"} for receipt in receipts]
        return [
            f"{self.folder / entry['file']}: bytes differ from the manifest, or the file is gone"
            for entry in named
            if not (self.folder / entry["file"]).exists() or sha256_of(self.folder / entry["file"]) != entry["sha256"]
        ]


def open_run(folder: str | Path) -> Run:
    """Return the finished run in a folder; raises BadInput where there is none."""
    return Run(Path(folder))


@lru_cache(maxsize=65_536)
def _sha256_at(file: Path, inode: int, size: int, changed_at: int) -> str:
    return sha256_of(file)


def content_digest(files: Iterable[Path]) -> str:
    """Return the sha256 (hex) over all rows sorted by sample id, whatever parts they lie in and in whatever order."""
    import pyarrow.parquet as pq

    digests = {}
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=64):
            digests.update((record["sample_id"], _digest(record)) for record in batch.to_pylist())
    total = hashlib.sha256(rows.schema().to_string().encode())
    for sample_id in sorted(digests):
        total.update(digests[sample_id])
    return total.hexdigest()


def _digest(record: dict) -> bytes:
    del record["position"]
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=bytes.hex).encode()).digest()


def _write_part(folder: Path, number: int, table: pa.Table) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=64)
    data = sink.getvalue().to_pybytes()
    name = f"{number:05d}-{hashlib.sha256(data).hexdigest()[:_DIGITS]}.parquet"
    return write_atomic(folder / name, lambda temporary: temporary.write_bytes(data))


def _valid_parts(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.glob("[0-9]*.parquet")):
        if sha256_of(file)[:_DIGITS] == file.stem.partition("-")[2]:
            yield file


def _records_in_order(files: Sequence[Path]) -> pa.Table:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [pq.read_table(file, columns=list(rows.RECORD_COLUMNS)) for file in files]
    table = pa.concat_tables(tables) if tables else rows.schema().empty_table().select(list(rows.RECORD_COLUMNS))
    table = table.sort_by("position")
    metadata = pd.DataFrame([json.loads(text) for text in table["metadata"].to_pylist()])
    table = table.drop_columns("metadata")
    for name in metadata:
        column = pa.Array.from_pandas(metadata[name].convert_dtypes())
        table = table.append_column(f"meta_{name}", column)
    return table


def _strings(values: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, pa.string())

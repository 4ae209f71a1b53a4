"""Judgements written as they come, so that a kill loses only what is on its way (SPEC.md)."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.files import sealed, sha256_of, write_atomic, write_json
from xai_core.language.schema import HIGHEST, Judgement
from xai_core.language.store import (
    BEGUN,
    COLUMNS,
    DIGITS,
    FORMAT,
    MANIFEST,
    Judgements,
    folder_of,
    folders_of,
    is_valid,
    parts_of,
    valid_parts,
)

if TYPE_CHECKING:
    from xai_core.language.asking import Asking, Planned
    from xai_core.runs import Run

_SHORT = 6


class JudgementWriter:
    """Writes judgements as they come, and knows those that were given before, under any name of the run.

    Parameters
    ----------
    asking : Asking
    name : str
    resume : bool
        Whether they may have been begun and not finished.

    Raises
    ------
    BadInput
        Where, and `resume` is False, they were begun, or a part of any of the run's judgements is not as it was
        written: what stood in it would be asked anew.
    """

    def __init__(self, asking: Asking, name: str, *, resume: bool = False) -> None:
        self.asking, self.name = asking, name
        self.folder = folder_of(asking.run, name)
        if (self.folder / BEGUN).exists() and not resume:
            raise BadInput(
                where=self.folder,
                expected="judgements that are finished, or none",
                found="some that were begun",
                remedy="go on with them by --resume, or choose another --name",
            )
        if not resume:
            _check_parts(asking)
        for leftover in self.folder.glob(".*.tmp"):
            leftover.unlink()
        self._started = time.time()
        self._next = 1 + max((int(file.name.split("-")[1]) for file in parts_of(self.folder)), default=-1)
        self._failed: dict[str, str] = {}
        write_json(self.folder / BEGUN, asking.settings)

    @cached_property
    def known(self) -> dict[str, Judgement]:
        """Return every answer that was given before, by key; `add` keeps it up to date."""
        files = [file for folder in folders_of(self.asking.run) for file in valid_parts(folder)]
        return {each.key: each for file in files for each in _read(file) if each.raw}

    def add(self, judgements: Sequence[Judgement]) -> None:
        """Write judgements as one part; those without an answer are told in the end, and asked again another time."""
        answered = [each for each in judgements if each.raw]
        self._failed.update((each.key, each.error) for each in judgements if not each.raw)
        if answered:
            self._write(answered)
            self.known.update((each.key, each) for each in answered)

    def finish(self, planned: Sequence[Planned], faults: Mapping[str, str], price: float | None = None) -> Judgements:
        """Return the judgements after writing a row for each record and, last, the manifest.

        Parameters
        ----------
        planned : sequence of Planned
            The records, in record order.
        faults : mapping
            By key, why a record's image is no use.
        price : float, optional
            Of a million tokens.
        """
        rows = [self._row(each, self._failed | faults) for each in planned]
        before = parts_of(self.folder)
        keys = {each.key for each in rows}
        own = (each for file in valid_parts(self.folder) for each in _read(file))
        others = {each.key: each for each in own if each.raw and each.key not in keys}
        if others:
            self._write(list(others.values()))
        written = self._write(rows)
        manifest = {
            "format": FORMAT,
            "content_digest": self.asking.run.manifest["content_digest"],
            "target": self.asking.run.settings["target"],
            **self.asking.about,
            "settings": self.asking.settings,
            "file": written.name,
            "file_sha256": sha256_of(written),
            **_figures(rows, price),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started)),
        }
        write_json(self.folder / MANIFEST, sealed(manifest))
        for file in before:
            file.unlink()
        (self.folder / BEGUN).unlink()
        return Judgements(self.asking.run, self.name)

    def _row(self, planned: Planned, faults: Mapping[str, str]) -> Judgement:
        if found := self.known.get(planned.key):
            return replace(found, sample_id=planned.sample_id)
        return Judgement(planned.sample_id, error=planned.error or faults[planned.key], key=planned.key)

    def _write(self, judgements: Sequence[Judgement]) -> Path:
        """Return the file of a part, named by its number and its bytes, after writing it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in COLUMNS.items()])
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist([asdict(each) for each in judgements], schema), sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        name = f"part-{self._next:06d}-{hashlib.sha256(data).hexdigest()[:DIGITS]}.parquet"
        self._next += 1
        return write_atomic(self.folder / name, lambda temporary: temporary.write_bytes(data))


def finished(run: Run, name: str) -> dict:
    """Return the manifest of finished judgements under a name, empty where there are none that can be read."""
    try:
        return Judgements(run, name).manifest
    except BadInput:
        return {}


def own_name(asking: Asking) -> str:
    """Return the name for what is asked; with a digest where another question to a model has taken the plain one."""
    there = finished(asking.run, asking.name).get("settings", asking.settings)
    if asking.facts or there == asking.settings:
        return asking.name
    return f"{asking.name}-{sealed(asking.settings)['sha256'][:_SHORT]}"


def check_as_many(asking: Asking, name: str, records: int) -> None:
    """Raise BadInput where fewer records are to be judged than were, which would put less in the place of more."""
    there = finished(asking.run, name)
    if there and there["settings"] == asking.settings and there["counts"]["records"] > records:
        raise BadInput(
            where=folder_of(asking.run, name),
            expected=f"{there['counts']['records']} records or more, for as many were judged",
            found=str(records),
            remedy="ask for more by --limit, leave it out, or choose another --name",
        )


def _check_parts(asking: Asking) -> None:
    for file in (file for folder in folders_of(asking.run) for file in parts_of(folder)):
        if not is_valid(file):
            raise BadInput(
                where=file,
                expected="answers as they were written",
                found="other bytes",
                remedy="ask anew what stood in it by --resume, or put the file back",
            )


def _read(file: Path) -> Iterator[Judgement]:
    import pyarrow.parquet as pq

    for row in pq.read_table(file).to_pylist():
        yield Judgement(**row)


def _figures(rows: Sequence[Judgement], price: float | None) -> dict:
    """Return what the manifest counts."""
    answered = [row for row in rows if row.raw]
    scores = Counter(row.score for row in rows)
    tokens = [row.tokens for row in answered if row.tokens is not None]
    return {
        "counts": {
            "records": len(rows),
            "scored": sum(row.score is not None for row in rows),
            "undecided": sum(row.score is None and not row.error for row in rows),
            "unreadable": sum(bool(row.error) for row in answered),
            "unanswered": len(rows) - len(answered),
        },
        "scores": {str(score): scores[score] for score in range(HIGHEST + 1)},
        "seconds": round(sum(row.seconds for row in answered), 3),
        "tokens": sum(tokens) if tokens else None,
        "price": price,
        "cost": sum(tokens) / 1e6 * price if tokens and price is not None else None,
    }

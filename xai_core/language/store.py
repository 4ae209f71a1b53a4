"""Judgements on disk, read as a table (SPEC.md)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.files import is_sealed, read_json, sha256_of

if TYPE_CHECKING:
    import pandas as pd

    from xai_core.runs import Run

FOLDER, MANIFEST, BEGUN = "judgements", "manifest.json", "begun.json"
FORMAT = "judgements 1"
COLUMNS = {
    "sample_id": "string",
    "score": "int8",
    "description": "string",
    "justification": "string",
    "error": "string",
    "raw": "string",
    "seconds": "float64",
    "tokens": "int32",
    "key": "string",
}
DIGITS = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PART = re.compile(rf"part-\d{{6,}}-[0-9a-f]{{{DIGITS}}}\.parquet")
_LONGEST, _SHORT = 90, 6


class Judgements:
    """What one judge said about a run, read only.

    Attributes
    ----------
    run : Run
    name : str
    manifest : dict
        ``judge``, ``view``, ``prompt``, ``counts``, ``scores``, ``seconds``, ``tokens``, ``cost`` (SPEC.md).
    """

    def __init__(self, run: Run, name: str) -> None:
        self.run, self.name = run, name
        self.folder = folder_of(run, name)
        path = self.folder / MANIFEST
        if not path.is_file():
            known = ", ".join(names(run)) or "none"
            raise BadInput(where=path, expected="finished judgements", found=known, remedy="make them with `judge`")
        self.manifest = read_json(path)
        if self.manifest.get("format") != FORMAT or not is_sealed(self.manifest):
            raise _damaged(path, "a manifest that was changed, or one of another version")
        if self.manifest["content_digest"] != run.manifest["content_digest"]:
            raise _damaged(path, "what was said about other maps, for the run was made anew")

    def __len__(self) -> int:
        return self.manifest["counts"]["records"]

    def table(self) -> pd.DataFrame:
        """Return a row for each record that was to be judged, in record order, with the columns of `COLUMNS`.

        ``score`` is Int8, NA where there is none: then ``error`` says why, or is '' where the judge says that it
        cannot tell. ``raw`` is the judge's own text.

        Raises
        ------
        BadInput
            Where the file is gone or is not as it was written.
        """
        import pandas as pd
        import pyarrow.parquet as pq

        path = self.folder / self.manifest["file"]
        if not path.is_file() or sha256_of(path) != self.manifest["file_sha256"]:
            raise _damaged(path, "other bytes, or nothing")
        whole = {"int8": pd.Int8Dtype(), "int32": pd.Int32Dtype()}
        return pq.read_table(path).to_pandas(types_mapper=lambda kind: whole.get(str(kind)))


def open_judgements(run: Run, name: str) -> Judgements:
    """Return the finished judgements of a run under a name.

    Raises
    ------
    BadInput
        Where there are none, they were changed, or they are about other maps than the run's.
    """
    return Judgements(run, name)


def names(run: Run) -> list[str]:
    """Return the names under which a run has finished judgements, in alphabetical order."""
    return [folder.name for folder in folders_of(run) if (folder / MANIFEST).is_file()]


def folders_of(run: Run) -> list[Path]:
    """Return the folders of judgements that a run has, finished or not."""
    return sorted(folder for folder in (run.folder / FOLDER).glob("*") if folder.is_dir())


def folder_of(run: Run, name: str) -> Path:
    """Return the folder of judgements under a name; raises BadInput for one that is not a plain folder name."""
    if not _NAME.fullmatch(name):
        expected = "a name of letters, digits, dots, dashes and underscores"
        raise BadInput(where="name", expected=expected, found=repr(name), remedy="choose another")
    return run.folder / FOLDER / name


def plain_name(text: str) -> str:
    """Return a text as a name that `folder_of` takes; what it cannot hold stands in it as a digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:_LONGEST] or "judge"
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:_SHORT]}"


def parts_of(folder: Path) -> list[Path]:
    """Return the files of a folder that are named as parts, in the order they were written."""
    return sorted(file for file in folder.glob("part-*") if _PART.fullmatch(file.name))


def valid_parts(folder: Path) -> Iterator[Path]:
    """Yield the parts whose bytes match their names, in the order they were written; others count as absent."""
    return (file for file in parts_of(folder) if is_valid(file))


def is_valid(part: Path) -> bool:
    """Say whether a part's bytes match its name."""
    return sha256_of(part)[:DIGITS] == part.stem.rpartition("-")[2]


def _damaged(path: Path, found: str) -> BadInput:
    remedy = "`judge` makes them anew, and asks only what was not asked before"
    return BadInput(where=path, expected="judgements of this run as they were written", found=found, remedy=remedy)

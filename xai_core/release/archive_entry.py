"""What an archive's journal says of one version: its files by digest, and what a list shows of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from xai_core.errors import BadInput
from xai_core.release.journal import digest_of

FORMAT = "right-reasons archive 1"
RUN = "run"
_OBJECT = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[\w.+-]+(/[\w.+-]+)*")


@dataclass(frozen=True)
class Stored:
    """A file of an entry: the sha256 (hex) of its bytes, and how many they are."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Entry:
    """One version in the archive.

    Attributes
    ----------
    key : str
        sha256 (hex) over kind and files: the same content has the same key.
    kind : str
        ``run``, or what the caller called it.
    at : str
        When it was added, UTC, ISO 8601.
    note : str
    about : dict
        What a list shows of it; plain JSON values.
    files : dict
        From the name within the entry ("run/records.parquet") to `Stored`.
    """

    key: str
    kind: str
    at: str
    note: str
    about: dict
    files: dict[str, Stored]

    def as_dict(self) -> dict:
        """Return the entry as plain JSON values, as the journal has it."""
        files = {name: {"sha256": file.sha256, "bytes": file.bytes} for name, file in self.files.items()}
        own = {"key": self.key, "kind": self.kind, "at": self.at, "note": self.note, "about": self.about}
        return {"format": FORMAT, **own, "files": files}

    @classmethod
    def of(cls, content: dict) -> Entry:
        """Return the entry in a journal's content; BadInput where it is none."""
        try:
            files = {name: Stored(str(file["sha256"]), int(file["bytes"])) for name, file in content["files"].items()}
            entry = cls(*(content[name] for name in ("key", "kind", "at", "note", "about")), files)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _no_entry(f"{type(error).__name__} {error}") from error
        words = (entry.key, entry.kind, entry.at, entry.note)
        if not all(isinstance(word, str) for word in words) or not isinstance(entry.about, dict):
            raise _no_entry("fields of other types")
        names = all(_NAME.fullmatch(name) and ".." not in name.split("/") for name in files)
        if not names or not all(_OBJECT.fullmatch(file.sha256) and file.bytes >= 0 for file in files.values()):
            raise _no_entry("a file's name or digest that this archive would not write")
        if content != entry.as_dict() or key_of(entry.kind, files) != entry.key:
            raise _no_entry("other fields, or a key that is not that of its files")
        return entry


def key_of(kind: str, files: Mapping[str, Stored]) -> str:
    """Return the key of an entry: sha256 (hex) over its kind and the digests of its files by name."""
    return digest_of({"kind": kind, "files": {name: file.sha256 for name, file in files.items()}})


def _no_entry(found: str) -> BadInput:
    return BadInput(
        where="archive", expected=f"an entry of {FORMAT}", found=found, remedy="use the version that wrote the archive"
    )

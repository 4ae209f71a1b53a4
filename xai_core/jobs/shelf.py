"""The jobs of a working directory."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.jobs.job import Job, begin, read_job

FOLDER = "jobs"
_ID = re.compile(r"[0-9A-Za-z-]+")


def start(arguments: Sequence[str], title: str) -> Job:
    """Return the job that runs ``python -m xai_core ARGUMENTS`` in the working directory, apart from this process.

    Raises
    ------
    BadInput
        Where ``jobs/`` cannot be written.
    """
    folder = _shelf() / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}"
    made = folder.with_name(f".{folder.name}")
    try:
        made.mkdir(parents=True)
    except OSError as error:
        raise BadInput(
            where=folder,
            expected="a working directory that can be written",
            found=error.strerror or str(error),
            remedy="start the app where you may write",
        ) from error
    return begin(folder, list(arguments), title, made)


def all() -> list[Job]:
    """Return every job of the working directory, the newest first."""
    folders = [f for f in _shelf().iterdir() if _ID.fullmatch(f.name) and f.is_dir()] if _shelf().is_dir() else []
    return [read_job(folder) for folder in sorted(folders, key=lambda f: f.name, reverse=True)]


def get(id: str) -> Job:
    """Return the job of that id.

    Raises
    ------
    BadInput
        Where there is none.
    """
    folder = _shelf() / id
    if not _ID.fullmatch(id) or not folder.is_dir():
        raise BadInput(where=f"job {id}", expected="the id of a job", found="none", remedy="look at the list of jobs")
    return read_job(folder)


def _shelf() -> Path:
    return Path.cwd() / FOLDER

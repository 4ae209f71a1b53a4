"""Jobs: commands that run in the background, apart from the server that started them, with all state in files."""

from __future__ import annotations

from xai_core.jobs.job import RESUMABLE, Job
from xai_core.jobs.shelf import all, get, start

__all__ = ["RESUMABLE", "Job", "all", "get", "start"]

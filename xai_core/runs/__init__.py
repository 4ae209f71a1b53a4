"""Runs: explain a whole data set, keep the result, score it, sum it up."""

from __future__ import annotations

from xai_core.runs.pipeline import explain_dataset
from xai_core.runs.store import Run, open_run
from xai_core.runs.summary import summarise

__all__ = ["Run", "explain_dataset", "open_run", "summarise"]

"""Scores: array in, array out, numpy or torch, batches; nothing here knows of files, networks or runs."""

from xai_core.scores.overlap import coverage

__all__ = ["coverage"]

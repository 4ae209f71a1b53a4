"""Reports: what a run shows, as pictures."""

from xai_core.report.figure import case_figure

__all__ = ["case_figure"]

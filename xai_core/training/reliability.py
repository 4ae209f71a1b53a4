"""The reliability figure: what a classifier says against what is so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xai_core.files import write_atomic

INK, PAPER, GUIDE = "#1f5f8b", "#ffffff", "#8a8a8a"


def draw_reliability(bins: Sequence[dict], path: Path, *, title: str, spoken_of: str) -> Path:
    """Return `path` after drawing the bins of `metrics.reliability` there as a PNG.

    Parameters
    ----------
    bins : sequence of dict
        From `scores.metrics.reliability`; empty ones are left out.
    path : Path
    title : str
    spoken_of : str
        What the probability is of, for the axes: a class name, or "the called class".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    filled = [b for b in bins if b["n"]]
    x, y = [b["confidence"] for b in filled], [b["observed"] for b in filled]
    below = [max(b["observed"] - b["observed_low"], 0) for b in filled]
    above = [max(b["observed_high"] - b["observed"], 0) for b in filled]
    figure = Figure(figsize=(5, 5.6), dpi=120, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    curve, histogram = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    curve.plot([0, 1], [0, 1], color=GUIDE, linestyle="--", linewidth=1, label="perfect calibration")
    curve.errorbar(
        x, y, yerr=(below, above), color=INK, marker="o", markersize=5, capsize=2, label="with 95 % interval"
    )
    curve.set(xlim=(0, 1), ylim=(0, 1), ylabel=f"observed share of {spoken_of}", title=title)
    curve.legend(loc="upper left", frameon=False)
    histogram.bar(
        [b["low"] for b in bins], [b["n"] for b in bins], [b["high"] - b["low"] for b in bins], align="edge", color=INK
    )
    histogram.set(xlabel=f"predicted probability of {spoken_of}", ylabel="samples")
    # no creation date: the same card draws the same bytes
    return write_atomic(path, lambda temporary: figure.savefig(temporary, format="png", metadata={"Software": None}))

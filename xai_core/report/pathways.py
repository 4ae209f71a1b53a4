"""The plot of a search over pathways: performance on A and B, what was forgotten, and where the models look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAPER, GUIDE = "#ffffff", "#8a8a8a"
# dark blue and orange tell apart under every colour blindness, and their markers without colour
STYLES = {"a": ("#1f5f8b", "o", "A"), "b": ("#c8641b", "s", "B")}
OFFSET = 0.14


def draw_pathways(found: Mapping, path: Path) -> Path:
    """Return `path` after drawing the outcome of `release.pathways.search` there as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, metric = found["pathways"], found["judged_by"]
    figure = Figure(figsize=(12, 1.8 + 0.42 * len(rows)), dpi=120, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3, sharey=True)
    words = metric.replace("_", " ").replace("auc", "AUC")
    _panel(panels[0], rows, lambda row, name: row["test"][metric][name], f"{words} on the test part")
    _panel(panels[1], rows, lambda row, name: row["forgetting"][metric][name], f"change of {words} since its own stage")
    _panel(panels[2], rows, _excess, "excess explanation coverage over random")
    for panel in panels[1:]:
        panel.axvline(0, color=GUIDE, linestyle="--", linewidth=1)
    panels[0].set_yticks(range(len(rows)), [f"{name} *" if name == found["best"] else name for name in rows])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    panels[0].legend(loc="best", frameon=False)
    seeds = max(len(row["seeds"]) for row in rows.values())
    figure.suptitle(f"Padding {found['padding']['chosen']}, {seeds} seeds, {found['interval']}. * best on validation")
    # no creation date: the same outcome draws the same bytes
    return write_atomic(path, lambda temporary: figure.savefig(temporary, format="png", metadata={"Software": None}))


def _excess(row: Mapping, name: str) -> dict:
    return row["scores"][name]["explanation_coverage"]["excess"]


def _panel(axes: Axes, rows: Mapping, find: Callable[[Mapping, str], dict | None], title: str) -> None:
    for sign, (name, (colour, marker, label)) in zip((-1, 1), STYLES.items(), strict=True):
        for k, row in enumerate(rows.values()):
            estimate = find(row, name)
            if estimate is None or estimate["value"] is None:
                continue
            value = estimate["value"]
            reach = 0.0 if estimate["low"] is None else estimate["high"] - value
            axes.errorbar(value, k + sign * OFFSET, xerr=reach, color=colour, marker=marker, markersize=5, capsize=2)
        axes.plot([], [], color=colour, marker=marker, linestyle="", label=label)
    axes.set_title(title, fontsize=10)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)

"""One sample as a figure: the original with both outlines, and each run's heatmap on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xai_core.explainers import METHODS
from xai_core.geometry import Frame, Placement
from xai_core.runs import rows
from xai_core.runs.scoring import heatmaps_of, read_scores, regions_of
from xai_core.runs.store import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's yellow and vermilion: told apart by colour-blind readers, and by solid against dashed besides
TRUTH, EXPLANATION = "#F0E442", "#D55E00"


def case_figure(runs: Run | Sequence[Run], sample_id: str, *, rule: str | None = None) -> Figure:
    """Return a matplotlib figure: the original image with outlines, then a panel with the heatmap of each run.

    Parameters
    ----------
    runs : Run or sequence of Run
        Over the same data set; several targets or explainers stand side by side. Runs of one explainer and one
        classifier share a colour scale; others are in units of their own (DESIGN 5, Colour).
    sample_id : str
    rule : str, optional
        Region rule of the dashed outline; each run's own by default.

    Raises
    ------
    BadInput
        Where a run has no such sample, or the image cannot be read.
    """
    from matplotlib.figure import Figure

    runs = [runs] if isinstance(runs, Run) else list(runs)
    cases = [_Case(run, sample_id, rule) for run in runs]
    image, height, width = cases[0].image, *cases[0].placement.original
    figure = Figure(figsize=(3.2 * (len(cases) + 1), 3.2 * height / width + 1.0), layout="constrained", dpi=150)
    axes = figure.subplots(1, len(cases) + 1, squeeze=False)[0]
    _show(axes[0], image, cases[0])
    axes[0].set_title(f"{sample_id}\n{cases[0].about}", fontsize=8, loc="left")
    for axis, case in zip(axes[1:], cases, strict=True):
        limit = max(other.strength for other in cases if other.unit == case.unit) or 1.0
        _show(axis, image.mean(2), case, heat=case.heat / limit)
        axis.set_title(case.title, fontsize=8, loc="left")
    handles = [_line(TRUTH, "solid", "drawn by a human"), _line(EXPLANATION, "dashed", "explanation region")]
    figure.legend(handles=handles, loc="outside lower left", ncols=2, fontsize=8, frameon=False)
    return figure


class _Case:
    """One record with everything that a panel shows, brought to the original image."""

    def __init__(self, run: Run, sample_id: str, rule: str | None) -> None:
        from xai_core.datasets import read_image

        self.run, self.settings = run, run.settings
        maps = [run.map_of(sample_id)]
        table = run.records()
        place = int(np.flatnonzero(table["sample_id"] == sample_id)[0])
        self.record, self.scores = table.iloc[place], read_scores(run, rule).iloc[place]
        self.image = read_image((run.folder / self.settings["dataset_root"] / self.record["image"]).resolve())
        self.placement = self._placement()
        self.truth = self.region = None
        self.heat = np.full(self.placement.original, np.nan)
        if maps[0]["region"] is not None:
            self.truth = self.placement.mask_on_original(rows.decode_region(maps[0]["region"], run.frame_size))
        if self.record["status"] == "ok":
            region = regions_of(run, maps, rule or self.settings["region_rule"])[0]
            self.region = self.placement.mask_on_original(region)
            self.heat = self.placement.heatmap_on_original(heatmaps_of(run, maps)[0])
        self.unit = (self.settings["method"], self.settings["classifier_digest"])
        self.strength = float(np.nan_to_num(np.abs(self.heat)).max())

    def _placement(self) -> Placement:
        frame = self.settings["frame"]
        return Frame(**frame | {"size": tuple(frame["size"])}).place(self.image.shape[:2])

    @property
    def about(self) -> str:
        record = self.record
        if record["status"] != "ok":
            return f"{record['error']}"
        return f"label {record['label'] or 'unknown'}; predicted {record['predicted']} ({record['confidence']:.2f})"

    @property
    def title(self) -> str:
        scores = ", ".join(
            f"{short} {self.scores[name]:.2f}"
            for short, name in [("EC", "explanation_coverage"), ("GTC", "ground_truth_coverage"), ("IoU", "iou")]
        )
        target, probability = self.record["target"], self.record["target_probability"]
        return f"{self.settings['method']}: evidence for {target}\np {probability:.2f}; {scores}"


def _show(axis: Axes, image: np.ndarray, case: _Case, heat: np.ndarray | None = None) -> None:
    axis.imshow(image.astype(np.uint8), cmap="gray", vmin=0, vmax=255)
    if heat is not None:
        lowest, colours = (-1, "RdBu_r") if METHODS[case.settings["method"]].signed else (0, "inferno")
        axis.imshow(heat, cmap=colours, vmin=lowest, vmax=1, alpha=0.55)
    for mask, colour, style in [(case.truth, TRUTH, "solid"), (case.region, EXPLANATION, "dashed")]:
        if mask is not None and mask.any():
            # a border of outside pixels closes the line of a region that touches the edge
            height, width = mask.shape
            axis.contour(
                np.arange(-1, width + 1),
                np.arange(-1, height + 1),
                np.pad(mask, 1).astype(float),
                levels=[0.5],
                colors=[colour],
                linestyles=[style],
                linewidths=1.6,
            )
    axis.set_xlim(-0.5, image.shape[1] - 0.5)
    axis.set_ylim(image.shape[0] - 0.5, -0.5)
    axis.set_axis_off()


def _line(colour: str, style: str, label: str):
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linestyle=style, linewidth=2, label=label)

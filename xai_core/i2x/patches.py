"""Prototypes as people see them: whole pictures with the places of a prototype outlined, and maps of a few samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import SampleError
from xai_core.geometry import Frame, Placement
from xai_core.review.outlines import frame_on_original, path_of
from xai_core.review.tiles import QUALITY, data_url, encode_jpeg, no_picture

if TYPE_CHECKING:
    import pyarrow as pa

    from xai_core.i2x.store import Track

LONGEST, SHORTEST = 176, 112
"""Pixels of a picture's longer side: a larger image is made smaller, a smaller one's pixels are drawn as squares."""

_BLANK = (132, LONGEST)


@dataclass(frozen=True)
class Picture:
    """An image of a track's samples, small and whole.

    Attributes
    ----------
    src : str
        Data URL; of a grey picture that says why where the image cannot be shown.
    height, width : int
        Of the picture, pixels.
    placement : Placement or None
        Where the original lies in the model frame; None where there is no image.
    """

    src: str
    height: int
    width: int
    placement: Placement | None = None

    def frame(self) -> dict | None:
        """Return the model frame's rectangle (``x``, ``y``, ``width``, ``height``) in pixels of the picture."""
        if self.placement is None:
            return None
        (top, left), (step_y, step_x) = self._frame()
        height, width = self.placement.frame.size
        return {"x": left, "y": top, "width": width * step_x, "height": height * step_y}

    def outline(self, cells: np.ndarray) -> str:
        """Return the outline of some places, an (h, w) bool grid over the model frame, as an SVG path."""
        if self.placement is None:
            return ""
        corner, steps = self._frame()
        cell = tuple(
            step * frame / count
            for step, frame, count in zip(steps, self.placement.frame.size, cells.shape, strict=True)
        )
        return path_of(cells, cell, corner, (self.height, self.width))

    def _frame(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return ((top, left), (height, width) of a frame pixel), in pixels of the picture."""
        corner, steps = frame_on_original(self.placement)
        zoom = [shown / own for shown, own in zip((self.height, self.width), self.placement.original, strict=True)]
        return tuple(c * z for c, z in zip(corner, zoom, strict=True)), tuple(
            s * z for s, z in zip(steps, zoom, strict=True)
        )


def picture(track: Track, row: int) -> Picture:
    """Return the image of one of a track's samples, by its row; a grey one with the reason where it cannot be shown."""
    from xai_core.datasets.format import inside
    from xai_core.datasets.images import read_small

    root = Path(os.path.realpath(track.folder / track.settings["dataset_root"]))
    try:
        own, image = read_small(inside(root, track.samples["image"].iloc[row], "the track"), LONGEST)
    except SampleError as error:
        return Picture(data_url(no_picture(error, _BLANK)), *_BLANK)
    times = max(1, SHORTEST // max(image.shape[:2]))
    image = image.repeat(times, axis=0).repeat(times, axis=1)
    return Picture(data_url(encode_jpeg(image, QUALITY)), *image.shape[:2], Frame(**track.settings["frame"]).place(own))


def maps_of(track: Track, step: int, rows: Sequence[int]) -> np.ndarray:
    """Return (n, h, w) float32 Grad-CAM of some rows at a checkpoint, reading no part but theirs."""
    from xai_core.i2x import parts

    return parts.heatmaps(_rows(track, step, rows, ["heatmap", "scale"])).reshape(len(rows), *track.grid)


def confidence_of(track: Track, step: int, rows: Sequence[int]) -> np.ndarray:
    """Return (n, M) float32 probabilities of some rows at a checkpoint, reading no part but theirs."""
    from xai_core.i2x import parts

    return parts.matrix(_rows(track, step, rows, ["probabilities"])["probabilities"])


def _rows(track: Track, step: int, rows: Sequence[int], columns: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    prefix = f"checkpoints/{step}/"
    files = [track.folder / each["file"] for each in track.manifest["files"] if each["file"].startswith(prefix)]
    ends = np.cumsum([pq.read_metadata(file).num_rows for file in files])
    of_file = np.searchsorted(ends, rows, side="right")
    tables = {k: pq.read_table(files[k], columns=columns) for k in dict.fromkeys(of_file.tolist())}
    starts = np.concatenate([[0], ends])
    found = [tables[k].slice(row - starts[k], 1) for k, row in zip(of_file.tolist(), rows, strict=True)]
    return pa.concat_tables(found).combine_chunks()


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` of some rows, evenly spread over them: shown, not picked."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))]

"""One record, large: its original image, the outlines on it, and the heatmaps of several runs, as plain values."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import SampleError
from xai_core.explainers import METHODS
from xai_core.geometry import Placement
from xai_core.review.facts import facts_of
from xai_core.review.kept import Kept, Place, rows_of
from xai_core.review.outlines import frame_on_original, path_on
from xai_core.review.tiles import (
    check_unchanged,
    data_url,
    encode_jpeg,
    no_picture,
    picture_path,
    placement_of,
    scale_of,
)
from xai_core.runs import rows
from xai_core.runs.scoring import regions_of
from xai_core.runs.store import Run
from xai_core.runs.summary import table_of

if TYPE_CHECKING:
    import pandas as pd

LONGEST_SIDE = 4096
"""Pixels of the longer side above which a picture is shown smaller."""
AS_IT_IS = 3_000_000
"""Bytes up to which a file goes to the browser as it lies on disk."""
QUALITY = 90
_BLANK = (480, 640)


@dataclass(frozen=True)
class Case:
    """One record for people to look at.

    Attributes
    ----------
    viewer : dict
        What the viewer draws (`xai_core.ui.components.viewer`), and ``note``: what to know about the picture, or ''.
    facts : dict
        What is known of the record: `facts_of`.
    """

    viewer: dict
    facts: dict


def case_of(
    run: Run, sample_id: str, beside: Sequence[Run] = (), rule: str | None = None, table: pd.DataFrame | None = None
) -> Case:
    """Return one record of a run as plain JSON values, with the heatmaps of other runs over the same data beside it.

    Parameters
    ----------
    run : Run
    sample_id : str
    beside : sequence of Run
        Other targets, explainers or classifiers; those without this sample are left out.
    rule : str, optional
        Region rule; each run's own by default, and for runs of another explainer than `run`'s in any case.
    table : DataFrame, optional
        ``table_of(run, rule)``, where the caller has it: without it the records and scores of the whole run are read.

    Raises
    ------
    BadInput
        Where `run` has no such sample, or the rule does not fit its maps.
    """
    main = _Record.at(run, Kept(run).places([sample_id])[0])
    found = [main, *(_Record.at(other, place) for other in beside for place in Kept(other).find([sample_id]))]
    # a run of "predicted" and one of a class say the same of a record where that class is predicted
    first = {record.explanation: record for record in reversed(found)}
    records = [record for record in found if first[record.explanation] is record]
    picture = _Picture.take(run, main.row)
    panels = [
        _panel(record, picture, rule if record.method == main.method else None, _limit(record, records))
        for record in records
        if record.row["status"] == "ok" and record.original == main.original
    ]
    table = table_of(run, rule) if table is None else table
    place = int(np.flatnonzero(table["sample_id"].to_numpy() == sample_id)[0])
    return Case(
        viewer={
            "id": sample_id,
            "image": picture.url,
            "alt": _alt(main.row),
            "width": picture.size[1],
            "height": picture.size[0],
            "truth": main.outline(main.truth, picture),
            "note": picture.note,
            "lost": picture.lost,
            "panels": panels,
        },
        facts=facts_of(run, table.iloc[place], rule or run.settings["region_rule"]),
    )


@dataclass(frozen=True)
class _Record:
    """A record's row in one run."""

    run: Run
    row: dict

    @classmethod
    def at(cls, run: Run, place: Place) -> _Record:
        columns = [name for name in (*rows.RECORD_COLUMNS, *rows.MAP_COLUMNS) if name != "versions"]
        return cls(run, next(rows_of(run, [place], columns)))

    @property
    def method(self) -> str:
        return self.run.settings["method"]

    @property
    def explanation(self) -> tuple:
        """Return what makes two explanations of one image the same."""
        decides = ("method", "parameters", "layer", "seed", "classifier_digest", "frame", "precision")
        return (self.row["target_index"], *(json.dumps(self.run.settings[name]) for name in decides))

    @property
    def original(self) -> tuple[int, int]:
        return self.row["height"], self.row["width"]

    @cached_property
    def placement(self) -> Placement:
        return placement_of(self.run, self.original)

    @property
    def truth(self) -> np.ndarray | None:
        packed = self.row["region"]
        return None if packed is None else rows.decode_region(packed, self.run.frame_size)

    def outline(self, mask: np.ndarray | None, picture: _Picture) -> str:
        return "" if mask is None else path_on(self.placement, mask, picture.size)


@dataclass(frozen=True)
class _Picture:
    """The original as the browser gets it: a data URL, its (height, width), and what to say about it."""

    url: str
    size: tuple[int, int]
    note: str = ""
    lost: bool = False

    @classmethod
    def take(cls, run: Run, row: dict) -> _Picture:
        recorded = row["height"], row["width"]
        try:
            return cls._read(picture_path(run, row["image"]), recorded)
        except SampleError as error:
            size = _fitting(recorded if all(recorded) else _BLANK)
            return cls(data_url(no_picture(error, size)), size, f"{error.where}: {error.found}; {error.remedy}.", True)

    @classmethod
    def _read(cls, path: Path, recorded: tuple[int, int]) -> _Picture:
        import cv2

        from xai_core.datasets import read_image

        image = read_image(path)
        own = image.shape[:2]
        check_unchanged(own, recorded, path)
        kind = _shown_alike(path)
        if max(own) <= LONGEST_SIDE:
            return cls(data_url(path.read_bytes(), kind) if kind else data_url(encode_jpeg(image, QUALITY)), own)
        size = _fitting(own)
        small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
        note = f"Shown at {size[1]} x {size[0]}; the original is {own[1]} x {own[0]}."
        return cls(data_url(encode_jpeg(small, QUALITY)), size, note)


def _shown_alike(path: Path) -> str:
    """Return ``jpeg`` or ``png`` where a browser shows the file's own bytes as `read_image` reads them, else ''."""
    from xai_core.datasets.images import orientation

    # a member of a container is no file of its own
    if not path.is_file() or path.stat().st_size > AS_IT_IS or orientation(path) != 1:
        return ""
    data = path.read_bytes()
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    # behind the name of the first chunk: width, height, bits, colour type; 0 and 2 are grey and RGB without alpha
    header = data[: max(data.find(b"IDAT"), 0)]
    plain = header.startswith(b"\x89PNG\r\n\x1a\n") and header[24] == 8 and header[25] in (0, 2)
    return "png" if plain and not any(name in header for name in (b"tRNS", b"acTL")) else ""


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    zoom = min(1.0, LONGEST_SIDE / max(size))
    return max(1, round(size[0] * zoom)), max(1, round(size[1] * zoom))


def _panel(record: _Record, picture: _Picture, rule: str | None, limit: float) -> dict:
    run, row = record.run, record.row
    method = METHODS[record.method]
    region = regions_of(run, [row], rule or run.settings["region_rule"])[0]
    further = "; the same for every class" if method.class_agnostic else ""
    if row["stability"] is not None:
        further += f", stability {row['stability']:.2f}"
    return {
        "key": run.manifest["content_digest"][:16],
        "title": f"Evidence for {row['target']}",
        "note": f"{method.title} for {row['target']}, p {row['target_probability']:.2f}{further}",
        "signed": method.signed,
        "smooth": row["segments"] is None,
        "limit": limit,
        "unit": f"1.0 is {limit:.3g}, the 99th percentile of what {method.title} gives with this classifier",
        "frame": _frame(record.placement, picture.size),
        "heat": _heat(rows.decode_heatmap(row, run.frame_size)),
        "explanation": record.outline(region, picture),
    }


def _limit(record: _Record, records: Sequence[_Record]) -> float:
    """Return the end of the colour scale, one for all targets of an explainer and a classifier; above 0."""

    def unit(other: _Record) -> tuple[str, str]:
        return other.method, other.run.settings["classifier_digest"]

    return max(scale_of(other.run) for other in records if unit(other) == unit(record)) or 1.0


def _frame(placement: Placement, size: tuple[int, int]) -> dict:
    """Return the model frame's rectangle in pixels of a picture of `size` (height, width) of the whole original."""
    (top, left), (step_y, step_x) = frame_on_original(placement)
    zoom_y, zoom_x = (shown / own for shown, own in zip(size, placement.original, strict=True))
    height, width = placement.frame.size
    return {
        "x": left * zoom_x,
        "y": top * zoom_y,
        "width": width * step_x * zoom_x,
        "height": height * step_y * zoom_y,
    }


def _heat(values: np.ndarray) -> dict:
    scale = float(np.abs(values).max(initial=0.0))
    numbers = np.round(values.astype(np.float64) / (scale or 1.0) * 32767).astype("<i2")
    return {
        "width": values.shape[1],
        "height": values.shape[0],
        "scale": scale,
        "data": base64.b64encode(numbers.tobytes()).decode("ascii"),
    }


def _alt(row: dict) -> str:
    said = f"labelled {row['label']}" if row["label"] else "without a label"
    predicted = f", predicted {row['predicted']}" if row["predicted"] else ""
    return f"{row['sample_id']}, {said}{predicted}"

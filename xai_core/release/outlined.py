"""Ground-truth regions told apart across runs: by a hash of the region in a model frame, drawn anew in another."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.geometry import Frame
from xai_core.runs import Run, rows

if TYPE_CHECKING:
    import pandas as pd


def cut_of(run: Run) -> dict:
    """Return what of a run's model frame decides where a mask lies in it."""
    frame = run.settings["frame"]
    fit = "pad" if frame["fit"].startswith("pad_") else frame["fit"]
    return {"size": list(frame["size"]), "fit": fit, "resize": frame["resize"]}


def mask_hash(cut: dict, region: bytes | None) -> str:
    """Return the sha256 (hex) of how a model frame is cut and of a packed region in it, b'' for none."""
    return hashlib.sha256(json.dumps(cut, sort_keys=True).encode() + (region or b"")).hexdigest()


class Redrawn:
    """Outlines of a run's data set, drawn anew in its own model frame and in that of a review set."""

    def __init__(self, run: Run, cut: dict) -> None:
        from xai_core.datasets import open_dataset

        fit = "pad_zero" if cut["fit"] == "pad" else cut["fit"]
        self._cut = cut
        self._frames = [Frame(**run.settings["frame"]), Frame(**cut | {"fit": fit})]
        self._samples = {}
        try:
            self._samples = {sample.id: sample for sample in open_dataset(run.settings["dataset"]).samples}
        except BadInput as error:
            self._gone = str(error)

    def fault(self, record: pd.Series, region: bytes | None, expected: str) -> str:
        """Return what is wrong with a record's outline; '' where nothing is."""
        from xai_core.datasets import read_region

        if record["sample_id"] not in self._samples:
            return "is in another model frame, and the data set is not at hand to draw it anew"
        size = (record["height"], record["width"])
        try:
            drawn = read_region(self._samples[record["sample_id"]], size)
        except BadInput as error:
            return f"is in another model frame, and cannot be drawn anew ({error})"
        own, theirs = (rows.encode_region(frame.place(size).mask(drawn)) for frame in self._frames)
        same = own == region and mask_hash(self._cut, theirs) == expected
        return "" if same else "is not the one of the review set"

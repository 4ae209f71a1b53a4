"""The records of a run that are probed: their images, and their heatmaps with a random order to hold them against."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.geometry import upsample
from xai_core.probes.faithfulness import shuffled
from xai_core.probes.randomise import Subject
from xai_core.review.again import preparation_of, samples_of, unusable
from xai_core.runs import rows
from xai_core.runs.settings import draw

if TYPE_CHECKING:
    import pandas as pd

    from xai_core.runs import Run


@dataclass(frozen=True, eq=False)
class Chosen:
    """Records as they were explained.

    Attributes
    ----------
    ids : list of str
        In the order in which they were drawn.
    subject : Subject
        How they were explained.
    heatmaps : (N, h, w) float32
        As the run keeps them, at the size of the model frame.
    random : (N, h, w) float32
        The same with their values in other places.
    left_out : dict of str to int
        Records that were drawn and cannot be probed, by reason.
    """

    ids: list[str]
    subject: Subject
    heatmaps: np.ndarray
    random: np.ndarray
    left_out: dict[str, int]


def choose(run: Run, limit: int, seed: int) -> Chosen:
    """Return at most `limit` explained records, drawn by hash of (`seed`, id) as a run draws its samples.

    Raises
    ------
    BadInput
        Where no image of them is what the run explained.
    """
    records = run.records(["sample_id", "image", "image_hash", "status", "target_index"])
    explained = records[records["status"] == "ok"]
    drawn = sorted(explained["sample_id"], key=lambda sample_id: draw(seed, sample_id))[: max(limit, 0)]
    wanted = explained.set_index("sample_id").loc[drawn].reset_index()
    prepared = list(map(preparation_of(run), samples_of(run, wanted)))
    faults = [unusable(one, image_hash) for one, image_hash in zip(prepared, wanted["image_hash"], strict=True)]
    usable = [place for place, fault in enumerate(faults) if not fault]
    if not usable:
        raise BadInput(
            where=run.folder,
            expected="at least one image of the run where it was",
            found=f"none of {len(wanted)} ({faults[0] if faults else 'no record was explained, or the limit is 0'})",
            remedy="put the data set back",
        )
    frames = np.stack([prepared[place].frame for place in usable])
    return _as_explained(run, wanted.iloc[usable], frames, Counter(filter(None, faults)), seed)


def _as_explained(run: Run, wanted: pd.DataFrame, frames: np.ndarray, left_out: Counter, seed: int) -> Chosen:
    ids, size = wanted["sample_id"].tolist(), run.frame_size
    by_id = {row["sample_id"]: row for row in run.maps(ids)}
    maps = [by_id[sample_id] for sample_id in ids]
    segments = None
    if maps[0]["segments"] is not None:
        segments = np.stack([rows.decode_segments(row, size) for row in maps])
    subject = Subject(
        frames,
        wanted["target_index"].to_numpy(np.int64, copy=True),
        wanted["image_hash"].tolist(),
        run.settings["method"],
        run.settings["parameters"],
        segments,
        run.settings["batch_size"],
    )
    heatmaps = [upsample(rows.decode_heatmap(row, size)[None], size)[0] for row in maps]
    random = [_elsewhere(row, size, seed_of(sample_id, seed)) for row, sample_id in zip(maps, ids, strict=True)]
    return Chosen(ids, subject, np.stack(heatmaps), np.stack(random), dict(left_out))


def _elsewhere(row: dict, size: tuple[int, int], seed: int) -> np.ndarray:
    """Return a row's heatmap with its values in other places, at the frame's size."""
    if row["segments"] is not None:
        row = row | {"coefficients": shuffled(np.asarray(row["coefficients"]), seed)}
        return rows.decode_heatmap(row, size)
    return upsample(shuffled(rows.decode_heatmap(row, size), seed)[None], size)[0]


def seed_of(sample_id: str, seed: int) -> int:
    """Return the seed of a sample's random order and of its equal values, the same whatever else is probed."""
    return int.from_bytes(hashlib.sha256(f"{seed}:order:{sample_id}".encode()).digest()[:8], "big")

"""Scores of a finished run under one region rule, taken from what the run stores and nothing else (SPEC.md)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import read_json, sha256_of, write_atomic, write_json
from xai_core.geometry import upsample
from xai_core.runs import rows
from xai_core.runs.spread import over_threads
from xai_core.runs.store import Run
from xai_core.scores import chance, overlap
from xai_core.scores import regions as region_rules
from xai_core.scores.arrays import SCORE_NAMES

if TYPE_CHECKING:
    import pandas as pd

CHANCES = ("random", "centre", "other")
COLUMNS = (
    "sample_id",
    *SCORE_NAMES,
    *(f"{name}_undefined" for name in SCORE_NAMES),
    "explanation_area",
    "pointing_game",
    "energy_inside",
    *(f"chance_{level}_{name}" for level in CHANCES for name in SCORE_NAMES),
)
BATCH = 64


def score(run: Run, rule: str | None = None, *, workers: int = 0) -> Path:
    """Return the score file of a run for a region rule (the explainer's own by default), made where it is absent.

    Parameters
    ----------
    rule : str, optional
        Text of a region rule, as `scores.regions.parse` reads it.
    workers : int
        Threads beside this one; the result does not depend on it.

    Raises
    ------
    BadInput
        Where the rule does not exist, or does not fit the run's maps.
    """
    rule = str(region_rules.parse(rule or run.settings["region_rule"]))
    path = run.folder / "scores" / f"{rule.replace(':', '-')}.parquet"
    receipt = path.with_suffix(".json")
    if path.exists() and receipt.exists() and read_json(receipt).get("sha256") == sha256_of(path):
        return path
    started = time.time()
    annotations = _annotations(run)
    batches = _batches(run.maps())
    scored = over_threads(lambda batch: _score(run, rule, annotations, batch), batches, workers=workers)
    write_atomic(path, lambda temporary: _in_record_order(run, scored).to_parquet(temporary, index=False))
    write_json(receipt, {"rule": rule, "sha256": sha256_of(path), "seconds": round(time.time() - started, 3)})
    return path


def read_scores(run: Run, rule: str | None = None) -> pd.DataFrame:
    """Return the score columns of SPEC.md, a row for each record in record order; scores first where needed."""
    import pandas as pd

    return pd.read_parquet(score(run, rule))


def regions_of(run: Run, maps: Sequence[dict], rule: str) -> np.ndarray:
    """Return the explanation regions that a rule takes from map rows: (N, h, w) bool in the model frame.

    Raises
    ------
    BadInput
        Where the rule needs segments and the run has none.
    """
    size = run.frame_size
    parsed = region_rules.parse(rule)
    if maps and maps[0]["segments"] is not None:
        segments = np.stack([rows.decode_segments(row, size) for row in maps])
        width = max(len(row["coefficients"]) for row in maps)
        coefficients = np.full((len(maps), width), np.nan)
        for place, row in enumerate(maps):
            coefficients[place, : len(row["coefficients"])] = row["coefficients"]
        return region_rules.take(parsed, heatmaps_of(run, maps), segments=segments, coefficients=coefficients)
    if "segments" in region_rules.RULES[parsed.name].needs:
        raise BadInput(
            where=run.folder,
            expected="a run with segments (LIME) for this region rule",
            found=f"rule {rule!r} and maps of {run.settings['method']}",
            remedy="choose a rule that reads the heatmap alone",
        )
    return region_rules.take(parsed, heatmaps_of(run, maps))


def heatmaps_of(run: Run, maps: Sequence[dict]) -> np.ndarray:
    """Return heatmaps at the size of the model frame: (N, h, w) float32 from map rows, bilinear."""
    size = run.frame_size
    return np.concatenate([upsample(rows.decode_heatmap(row, size)[None], size) for row in maps])


def _annotations(run: Run) -> chance.Annotations:
    """Return every ground-truth region of the run, packed: the 'other images' of the chance level."""
    packed = []
    for batch in _batches(run.maps(columns=["region"])):
        drawn = [row for row in batch if row["region"] is not None]
        if drawn:
            packed.append(chance.pack([row["sample_id"] for row in drawn], _truths(run, drawn)))
    nothing = np.zeros((0, *run.frame_size), bool)
    return chance.join(packed) if packed else chance.pack([], nothing)


def _score(run: Run, rule: str, annotations: chance.Annotations, batch: Sequence[dict]) -> pd.DataFrame:
    """Return the score columns of a batch of map rows."""
    import pandas as pd

    table = pd.DataFrame({"sample_id": [row["sample_id"] for row in batch]})
    explained = [k for k, row in enumerate(batch) if row["status"] == "ok"]
    maps = [batch[k] for k in explained]
    if maps:
        regions = regions_of(run, maps, rule)
        table.loc[explained, "explanation_area"] = regions.mean((1, 2))
        annotated = [k for k, row in enumerate(maps) if row["region"] is not None]
        if annotated:
            chosen = [maps[k] for k in annotated]
            columns = _against_truth(run, chosen, regions[annotated], annotations)
            for name, values in columns.items():
                table.loc[[explained[k] for k in annotated], name] = values
    return _completed(table, batch)


def _against_truth(
    run: Run, maps: Sequence[dict], regions: np.ndarray, annotations: chance.Annotations
) -> dict[str, np.ndarray]:
    truths, heatmaps = _truths(run, maps), heatmaps_of(run, maps)
    scores = overlap.coverage(truths, regions)
    columns = {name: scores[name] for name in SCORE_NAMES}
    columns |= {f"{name}_undefined": scores["undefined"][name] for name in SCORE_NAMES}
    columns["pointing_game"] = overlap.pointing_game(heatmaps, truths)
    columns["energy_inside"] = overlap.energy_inside(heatmaps, truths)
    levels = {
        "random": chance.random(truths, regions),
        "centre": chance.centre(truths, regions),
        "other": chance.other(regions, [row["sample_id"] for row in maps], annotations),
    }
    for level, values in levels.items():
        columns |= {f"chance_{level}_{name}": values[name] for name in SCORE_NAMES}
    return columns


def _completed(table: pd.DataFrame, batch: Sequence[dict]) -> pd.DataFrame:
    """Return the table with every column of SPEC.md, and the reason of each score that is not there."""
    table = table.reindex(columns=COLUMNS)
    reasons = np.array([row["annotation"] if row["status"] == "ok" else "error" for row in batch], object)
    for name in SCORE_NAMES:
        column = table[f"{name}_undefined"]
        table[f"{name}_undefined"] = np.where(column.isna(), reasons, column).astype(object)
    numbers = [name for name in COLUMNS if name != "sample_id" and not name.endswith("_undefined")]
    return table.astype(dict.fromkeys(numbers, np.float64))


def _in_record_order(run: Run, scored: Iterable[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    order = run.records(["sample_id"])
    tables = list(scored)
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    return order.merge(pd.concat(tables), on="sample_id", how="left", validate="one_to_one")


def _truths(run: Run, maps: Sequence[dict]) -> np.ndarray:
    return np.stack([rows.decode_region(row["region"], run.frame_size) for row in maps])


def _batches(maps: Iterator[dict]) -> Iterator[list[dict]]:
    while batch := list(islice(maps, BATCH)):
        yield batch

"""The cases of a report: small pictures, small maps, outlines, and what is known of each, as plain values."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from xai_core.explainers import METHODS
from xai_core.release import trust
from xai_core.review.kept import Kept, Place, rows_of
from xai_core.review.outlines import frame_on_original
from xai_core.review.records import RIGHT, UNKNOWN, WRONG, Records
from xai_core.review.tiles import Tile, placement_of, scale_of, tiles
from xai_core.review.verdicts import TAGS, VERDICTS, Opinion, Verdicts
from xai_core.review.words import MISSING, OUTCOMES, PATTERN_TITLES, title_of
from xai_core.runs import rows
from xai_core.runs.store import Run
from xai_core.scores.arrays import SCORE_NAMES

CELLS = 5000
"""Of all maps of a case together: what keeps 500 cases within 15 MB."""
LONGEST_SIDE = 56
LONGEST_OUTLINE = 3000
"""Characters of all explanations' outlines of a case together: only maps of noise have more."""
SORTS = [
    ["worst", "Worst first"],
    *([name, title_of(name)] for name in SCORE_NAMES),
    ["excess_explanation_coverage", title_of("excess_explanation_coverage")],
    ["confidence", title_of("confidence")],
    ["id", title_of("sample_id")],
]
HINT = (
    "In brackets: above a random place. Maps are small copies, at most {side} x {side} cells in 255 steps; strength is "
    "in units of the run's 99th percentile. Of an outline in very many pieces the largest are drawn. Scores were taken "
    "from the maps as they are stored."
)
_MAPS = ["sample_id", "status", *(name for name in rows.MAP_COLUMNS if name != "region")]


def cases_of(records: Sequence[Records], most: int, verdicts: Verdicts | None = None) -> list[dict]:
    """Return the cases of the first run, at most so many, the worst first, each with a view by every run.

    Returns
    -------
    list of dict
        ``id``, ``label`` ('' for none), ``metadata`` : text; ``src`` (data URL), ``width``, ``height``, ``truth`` (SVG
        path in pixels of the picture); ``views``, one for each run: None where it has no such sample, ``{"absent"}``
        where it has another image under that name, else ``called``, ``outcome``, ``outcome_text``, ``pattern``,
        ``target``, ``values`` {column: number or None} to sort by, ``figures`` [[name, text]], ``explanation``,
        ``heat`` [width, height, base64, [left, top, width, height in shares of the picture]] or None, ``verdict``,
        ``tags``, ``note``, ``reviewer``.
    """
    first = records[0]
    chosen = worst_first(first)[:most]
    ids = first.table["sample_id"].to_numpy()[chosen].tolist()
    side = side_of(len(records))
    limits = _limits([one.run for one in records])
    views = [_views(one, ids, side, limit, verdicts) for one, limit in zip(records, limits, strict=True)]
    longest = LONGEST_OUTLINE // len(records)
    pictures = {tile.sample_id: tile for tile in tiles(first.run, first.rule, ids)} if ids else {}
    hashes = first.table["image_hash"].to_numpy()
    return [
        _case(first, position, pictures[sample_id])
        | {"views": [_fitting(found.get(sample_id), hashes[position], longest) for found in views]}
        for sample_id, position in zip(ids, chosen, strict=True)
    ]


def worst_first(records: Records) -> np.ndarray:
    """Return the rows of records: wrong calls first, then the lowest explanation coverage, undefined last of each."""
    table = records.table
    coverage = records.rank("explanation_coverage")
    right = (table["outcome"] != WRONG).to_numpy()
    return np.lexsort((table["sample_id"].to_numpy(str), np.nan_to_num(coverage, nan=np.inf), right))


def side_of(runs: int) -> int:
    """Return how many cells a map's longer side has at most, in a report of so many runs."""
    return max(8, min(LONGEST_SIDE, math.isqrt(CELLS // runs)))


def drawing_of(run: Run) -> dict:
    """Return how a run's maps are drawn: signed or not, cells interpolated or not, and what stands beside its name."""
    method = run.settings["method"]
    return {"signed": METHODS[method].signed, "smooth": method != "lime", "mark": trust.mark(run)}


def choices_of(records: Sequence[Records], cases: Sequence[dict]) -> dict[str, list]:
    """Return for each filter the values that occur, [value, text] in the order of the classes, outcomes and patterns.

    A value is written with a "=" before it: the empty one differs from no filter.
    """
    classes = list(dict.fromkeys(name for one in records for name in one.run.settings["class_names"]))
    views = [view for case in cases for view in case["views"] if view and "called" in view]
    orders = {
        "label": (classes, {case["label"] for case in cases}, {"": "no label"}),
        "called": (classes, {view["called"] for view in views}, {"": "nothing"}),
        "outcome": ([RIGHT, WRONG, UNKNOWN], {view["outcome"] for view in views}, OUTCOMES),
        "pattern": (list(PATTERN_TITLES), {view["pattern"] for view in views}, PATTERN_TITLES),
    }
    return {
        name: [[f"={value}", titles.get(value, value)] for value in dict.fromkeys([*order, ""]) if value in there]
        for name, (order, there, titles) in orders.items()
    }


def _case(records: Records, position: int, tile: Tile) -> dict:
    row = records.table.iloc[position]
    metadata = {name: row[name] for name in row.index if name.startswith("meta_")}
    return {
        "id": tile.sample_id,
        "label": _text(row["label"]),
        "metadata": " · ".join(f"{title_of(name)} {_text(value) or 'not stated'}" for name, value in metadata.items()),
        "src": tile.src,
        "width": tile.width,
        "height": tile.height,
        "truth": tile.truth,
    }


def _views(records: Records, ids: Sequence[str], side: int, limit: float, verdicts: Verdicts | None) -> dict[str, dict]:
    """Return what a run says of those samples that it has, by id."""
    run = records.run
    there = [sample_id for sample_id in ids if records.position(sample_id) is not None]
    outlines = {tile.sample_id: tile.explanation for tile in tiles(run, records.rule, there)} if there else {}
    heats = dict(_heats(run, Kept(run).find(there), side, limit))
    said = verdicts.state(run.manifest["content_digest"]) if verdicts else {}
    views = {}
    for sample_id in there:
        row = records.table.iloc[records.position(sample_id)].to_dict()
        drawn = {"explanation": outlines[sample_id], "heat": heats.get(sample_id)}
        views[sample_id] = _facts(row) | drawn | _opinion(said, sample_id) | {"image_hash": row["image_hash"]}
    return views


def _facts(row: Mapping) -> dict:
    numbers = [*SCORE_NAMES, "excess_explanation_coverage", "confidence"]
    return {
        "called": _text(row["called"]),
        "outcome": row["outcome"],
        "outcome_text": OUTCOMES[row["outcome"]].lower(),
        "pattern": _text(row["pattern"]),
        "target": _text(row["target"]),
        "values": {name: _number(row[name]) for name in numbers},
        "figures": [
            [title_of("confidence"), _decimals(row["confidence"])],
            *([title_of(name), _score(row, name)] for name in SCORE_NAMES),
            [title_of("pattern"), PATTERN_TITLES[_text(row["pattern"])]],
        ],
    }


def _score(row: Mapping, name: str) -> str:
    if math.isnan(row[name]):
        reason = _text(row[f"{name}_undefined"])
        return MISSING.get(reason, reason.replace("_", " ")).lower()
    return f"{row[name]:.2f} ({row[f'excess_{name}']:+.2f})"


def _opinion(said: Mapping[str, Opinion], sample_id: str) -> dict:
    opinion = said.get(sample_id) or Opinion("", (), "", "", "")
    return {
        "verdict": VERDICTS[opinion.verdict].title if opinion.verdict else "",
        "tags": ", ".join(TAGS[tag] for tag in opinion.tags),
        "note": opinion.note,
        "reviewer": opinion.reviewer,
    }


def _fitting(view: dict | None, image_hash: str, longest: int) -> dict | None:
    """Return a view that may stand beside the case, its outline no longer than `longest`."""
    if view is None:
        return None
    if view["image_hash"] != image_hash:
        return {"absent": "This run has another image under this name."}
    shown = {name: value for name, value in view.items() if name != "image_hash"}
    return shown | {"explanation": _shortened(view["explanation"], longest)}


def _shortened(path: str, longest: int) -> str:
    """Return as many of a path's pieces, those with most corners first, as `longest` characters hold; at least one."""
    pieces = sorted((f"{piece}Z" for piece in path.split("Z")[:-1]), key=len, reverse=True)
    ends = np.cumsum([len(piece) for piece in pieces])
    return "".join(pieces[: max(1, int((ends <= longest).sum()))])


def _heats(run: Run, places: Sequence[Place], side: int, limit: float) -> Iterator[tuple[str, list]]:
    """Yield sample id and small map of the records that have one."""
    for place, row in zip(places, rows_of(run, places, _MAPS), strict=True):
        if row["status"] == "ok":
            share = _small(rows.decode_heatmap(row, run.frame_size), side, smooth=row["segments"] is None) / limit
            if METHODS[run.settings["method"]].signed:
                steps = 128 + np.round(share.clip(-1, 1) * 127)
            else:
                steps = np.round(share.clip(0, 1) * 255)
            data = base64.b64encode(steps.astype(np.uint8).tobytes()).decode("ascii")
            yield row["sample_id"], [share.shape[1], share.shape[0], data, _box(run, place)]


def _small(values: np.ndarray, side: int, *, smooth: bool) -> np.ndarray:
    """Return a map whose longer side has at most `side` cells: of cells the mean, of segments the middle one."""
    import cv2

    zoom = side / max(values.shape)
    if zoom >= 1:
        return values
    height, width = size = [max(1, round(length * zoom)) for length in values.shape]
    if smooth:
        return cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)
    middles = (((np.arange(n) + 0.5) * length / n).astype(int) for n, length in zip(size, values.shape, strict=True))
    return values[np.ix_(*middles)]


def _box(run: Run, place: Place) -> list[float]:
    """Return where the model frame lies on the original: left, top, width, height in shares of the original."""
    size = place.height, place.width
    (top, left), (step_y, step_x) = frame_on_original(placement_of(run, size))
    height, width = run.frame_size
    shares = left / size[1], top / size[0], step_x * width / size[1], step_y * height / size[0]
    return [round(share, 4) for share in shares]


def _limits(runs: Sequence[Run]) -> list[float]:
    """Return the end of each run's colour scale, one for all targets of an explainer and a classifier; above 0."""
    units = [(run.settings["method"], run.settings["classifier_digest"]) for run in runs]
    scales = [scale_of(run) for run in runs]
    return [max(s for s, other in zip(scales, units, strict=True) if other == unit) or 1.0 for unit in units]


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return "" if value is None or str(value) in ("<NA>", "NaT") else str(value)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


def _decimals(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"

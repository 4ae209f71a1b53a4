"""How far a record's explanation moved from one run to another: correlations, overlap of regions, likeness of maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.explainers import METHODS
from xai_core.geometry import Frame, upsample
from xai_core.release.outlined import cut_of
from xai_core.review.kept import Kept, rows_of
from xai_core.review.tiles import scale_of
from xai_core.runs import Run, rows
from xai_core.scores import intervals

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("spearman", "pearson", "iou", "ssim")
SHARE = 0.2
REASONS = {
    "error": "not explained in one of the runs",
    "constant_map": "a map that singles nothing out",
    "no_positive_evidence": "a map without positive evidence",
    "no_scale": "a run whose maps are zero nearly everywhere",
    "no_common_area": "the two model frames share too little of the image",
}
_BATCH = 64
_WINDOW = 7  # of SSIM, in pixels; scikit-image's default
_COLUMNS = ("sample_id", "status", "height", "width", "target", *rows.MAP_COLUMNS)


def drift(before: Run, now: Run, ids: Sequence[str] | None = None, *, share: float = SHARE) -> pd.DataFrame:
    """Return how alike the maps of two runs are, a row for each sample.

    Parameters
    ----------
    before, now : Run
    ids : sequence of str, optional
        Samples that both have; all that both have, in the order of the first, by default.
    share : float
        Of the compared pixels that a region takes.

    Returns
    -------
    DataFrame
        ``sample_id``, ``same_target`` (bool: whether both maps speak for the same class), the `MEASURES`, 1 for equal
        maps, NaN where undefined, and ``MEASURE_undefined``, a key of `REASONS` or ''.

    Raises
    ------
    BadInput
        Where a run lacks one of the samples, or the share is not in (0, 1].

    Notes
    -----
    * Maps are compared pixel by pixel in the model frame; where the two runs cut their frames otherwise, on the part
      of the original image that both frames hold.
    * ``iou`` is of regions of equal area: exactly k pixels each, the strongest, ties from the top left on, positive
      ones only; k is `share` of the pixels, or what the map with fewer positive ones has.
    * ``ssim`` (Wang et al. 2004, windows of 7 x 7) is of maps divided by their run's 99th percentile of |heatmap|, for
      units differ between classifiers; its data range is 1, or 2 where a map has a sign.
    """
    import pandas as pd

    if not 0 < share <= 1:
        raise BadInput(where="share", expected="a number in (0, 1]", found=str(share), remedy="pass 0.2 for a fifth")
    if ids is None:
        known = set(now.records(["sample_id"])["sample_id"])
        ids = [sample_id for sample_id in before.records(["sample_id"])["sample_id"] if sample_id in known]
    pair = _Pair(before, now, share)
    table = [row for start in range(0, len(ids), _BATCH) for row in pair.rows(ids[start : start + _BATCH])]
    columns = ["sample_id", "same_target", *MEASURES, *(f"{name}_undefined" for name in MEASURES)]
    return pd.DataFrame(table, columns=columns)


def summary(table: pd.DataFrame, *, seed: int = 0) -> dict:
    """Return the mean of each measure of a drift table with its interval, and what is undefined by reason."""
    found = {}
    for name in MEASURES:
        mean = intervals.mean(table[name].to_numpy(float), seed=seed)
        undefined = Counter(reason for reason in table[f"{name}_undefined"] if reason)
        found[name] = {"mean": mean.value, "low": mean.low, "high": mean.high, "n": mean.n}
        found[name]["undefined"] = dict(undefined)
    return found | {"samples": len(table), "same_target": int(table["same_target"].sum())}


class _Pair:
    """Two runs whose maps are compared."""

    def __init__(self, before: Run, now: Run, share: float) -> None:
        self._runs, self._share = (before, now), share
        self._scales = [scale_of(run) for run in self._runs]
        self._same_cut = cut_of(before) == cut_of(now)
        self._range = 2.0 if any(METHODS[run.settings["method"]].signed for run in self._runs) else 1.0

    def rows(self, ids: Sequence[str]) -> list[dict]:
        """Return the rows of a batch of samples, in the order asked for."""
        read = [{row["sample_id"]: row for row in rows_of(run, Kept(run).places(ids), _COLUMNS)} for run in self._runs]
        return [self._row(sample_id, *(found[sample_id] for found in read)) for sample_id in ids]

    def _row(self, sample_id: str, before: dict, now: dict) -> dict:
        values, reasons = dict.fromkeys(MEASURES, np.nan), dict.fromkeys(MEASURES, "error")
        if before["status"] == now["status"] == "ok":
            maps = self._on_one_grid(before, now)
            values, reasons = (
                self._measured(*maps) if min(maps[0].shape) >= _WINDOW else (values, _all("no_common_area"))
            )
        same = before["target"] == now["target"]
        undefined = {f"{name}_undefined": reason for name, reason in reasons.items()}
        return {"sample_id": sample_id, "same_target": same, **values, **undefined}

    def _on_one_grid(self, before: dict, now: dict) -> tuple[np.ndarray, np.ndarray]:
        """Return the two maps (h, w) float32 over the same part of the image, pixel upon pixel."""
        maps = [
            upsample(rows.decode_heatmap(row, run.frame_size)[None], run.frame_size)[0]
            for run, row in zip(self._runs, (before, now), strict=True)
        ]
        if self._same_cut:
            return maps[0], maps[1]
        # a picture of the original as large as a frame: the frames' own mapping, no finer than they are
        longer = max(max(run.frame_size) for run in self._runs)
        zoom = longer / max(before["height"], before["width"])
        size = tuple(max(1, round(side * zoom)) for side in (before["height"], before["width"]))
        maps = [
            Frame(**run.settings["frame"]).place(size).heatmap_on_original(heatmap)
            for run, heatmap in zip(self._runs, maps, strict=True)
        ]
        known = ~np.isnan(maps[0]) & ~np.isnan(maps[1])
        # what a frame holds of an image is a rectangle, and so is what two frames hold
        part = np.ix_(known.any(axis=1), known.any(axis=0))
        return maps[0][part], maps[1][part]

    def _measured(self, before: np.ndarray, now: np.ndarray) -> tuple[dict, dict]:
        from skimage.metrics import structural_similarity

        values, reasons = dict.fromkeys(MEASURES, np.nan), _all("")
        constant = any(heatmap.min() == heatmap.max() for heatmap in (before, now))
        if constant:
            return values, _all("constant_map")
        first, second = (heatmap.astype(np.float64) for heatmap in (before, now))
        values["pearson"] = _correlation(first.ravel(), second.ravel())
        values["spearman"] = _correlation(_ranks(first), _ranks(second))
        values["iou"] = equal_area_iou(first, second, self._share)
        if np.isnan(values["iou"]):
            reasons["iou"] = "no_positive_evidence"
        if 0 in self._scales:
            return values, reasons | {"ssim": "no_scale"}
        one, other = (heatmap / scale for heatmap, scale in zip((first, second), self._scales, strict=True))
        values["ssim"] = float(structural_similarity(one, other, win_size=_WINDOW, data_range=self._range))
        return values, reasons


def equal_area_iou(first: np.ndarray, second: np.ndarray, share: float = SHARE) -> float:
    """Return the IoU of the k strongest pixels of two (h, w) maps; NaN where one of them has no positive pixel.

    k is `share` of the pixels (half rounds up, at least 1), or the number of positive ones in the map with fewer.
    """
    flat = [heatmap.ravel() for heatmap in (first, second)]
    k = max(1, int(share * flat[0].size + 0.5))
    k = min(k, *(int((values > 0).sum()) for values in flat))
    if k == 0:
        return np.nan
    regions = np.zeros((2, flat[0].size), bool)
    for region, values in zip(regions, flat, strict=True):
        region[np.argsort(-values, kind="stable")[:k]] = True
    return float((regions[0] & regions[1]).sum() / (regions[0] | regions[1]).sum())


def _all(reason: str) -> dict[str, str]:
    return dict.fromkeys(MEASURES, reason)


def _ranks(heatmap: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(heatmap.ravel())


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    one, other = first - first.mean(), second - second.mean()
    # equal maps have a correlation of 1, which rounding would miss by its last digit
    if np.array_equal(one, other):
        return 1.0
    return float(np.clip(one @ other / np.sqrt((one @ one) * (other @ other)), -1, 1))

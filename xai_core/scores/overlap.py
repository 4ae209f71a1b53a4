"""How far an explanation and the region that a human outlined agree (METHODS 1, Metrics)."""

from __future__ import annotations

from typing import Any

from xai_core.scores.arrays import SCORE_NAMES, check_heatmaps, check_regions, like, to_numpy, undefined


def coverage(ground_truth: Any, explanation: Any) -> dict[str, Any]:
    """Return explanation coverage, ground-truth coverage and IoU of each image, with reasons where there is none.

    Parameters
    ----------
    ground_truth, explanation : (N, H, W) bool
        Both numpy or both torch on one device, in the model frame. N may be 0.

    Returns
    -------
    dict
        ``explanation_coverage`` = |GT n E| / |E|, ``ground_truth_coverage`` = |GT n E| / |GT| and
        ``iou`` = |GT n E| / |GT u E|: each (N,) float64 of the kind that came in, in [0, 1], NaN where undefined.
        ``undefined``: {score: (N,) numpy str}, '' where defined, else ``empty_explanation``, ``empty_annotation`` or
        ``both_empty``. Empty explanation: explanation coverage is undefined, the others are 0. Empty annotation:
        ground-truth coverage is undefined, the others are 0. Both empty: all three are undefined.

    Raises
    ------
    TypeError
        For kinds that are mixed or a dtype other than bool.
    BadInput (a ValueError)
        For shapes that differ or are not (N, H, W).

    Notes
    -----
    Shared Interest (CHI 2022) without its edge cases: there an empty explanation became NaN unseen, and a missing
    annotation a mask of ones (METHODS 1, Edge cases).
    """
    xp = check_regions(ground_truth=ground_truth, explanation=explanation)
    shared = _area(xp, ground_truth & explanation)
    annotated, explained = _area(xp, ground_truth), _area(xp, explanation)
    denominators = dict(zip(SCORE_NAMES, (explained, annotated, annotated + explained - shared), strict=True))
    empty = {"no_explanation": to_numpy(explained == 0), "no_annotation": to_numpy(annotated == 0)}
    scores = {name: _ratio(xp, shared, below) for name, below in denominators.items()}
    return scores | {"undefined": {name: undefined(name, **empty) for name in SCORE_NAMES}}


def _area(xp: Any, regions: Any) -> Any:
    count, height, width = regions.shape
    return xp.asarray(regions.reshape(count, height * width).sum(axis=1), dtype=xp.float64)


def _ratio(xp: Any, above: Any, below: Any) -> Any:
    return xp.where(below == 0, xp.nan, above / xp.where(below == 0, xp.ones_like(below), below))


def pointing_game(heatmaps: Any, ground_truth: Any) -> Any:
    """Return whether the peak of each heatmap lies in the annotation: (N,) float64, of the kind that came in.

    Parameters
    ----------
    heatmaps : (N, H, W) floating, finite
        Evidence in the model frame, raw.
    ground_truth : (N, H, W) bool

    Returns
    -------
    (N,) float64
        1 where the highest pixel is inside, 0 where it is outside (so too where the annotation is empty: this is the
        explanation coverage of the peak). NaN for one reason alone: the map is constant or has nothing above 0, an
        empty explanation.

    Notes
    -----
    Explanation Alignment takes the first of several highest pixels; LIME's peak is a whole segment, and which of its
    pixels comes first means nothing. Here it is the share of the highest pixels that lie inside: the same where the
    peak is one pixel, else the expectation under a random choice among them. Chance is `chance.random`'s explanation
    coverage, for a torus shift of the map shifts its peak.
    """
    check_heatmaps(heatmaps, ground_truth=ground_truth)
    import numpy as np

    flat, inside = _flat(heatmaps), _flat(ground_truth)
    peak = flat.max(axis=1, keepdims=True)
    at_peak = flat == peak
    blank = (peak[:, 0] <= 0) | at_peak.all(axis=1)
    share = (at_peak & inside).sum(axis=1) / at_peak.sum(axis=1)
    return like(np.where(blank, np.nan, share), heatmaps)


def energy_inside(heatmaps: Any, ground_truth: Any) -> Any:
    """Return the share of |evidence| that lies in the annotation: (N,) float64, of the kind that came in.

    Parameters
    ----------
    heatmaps : (N, H, W) floating, finite
        Evidence in the model frame, raw; signed maps count by absolute value.
    ground_truth : (N, H, W) bool

    Returns
    -------
    (N,) float64
        In [0, 1]: sum(GT * |S|) / sum(|S|), the explanation coverage of a continuous map in the CHI 2022 library; 0
        where the annotation is empty. NaN for one reason alone: the map is 0 everywhere, an empty explanation.
    """
    check_heatmaps(heatmaps, ground_truth=ground_truth)
    import numpy as np

    flat, inside = np.abs(_flat(heatmaps).astype(np.float64)), _flat(ground_truth)
    total = flat.sum(axis=1)
    share = np.where(inside, flat, 0.0).sum(axis=1) / np.where(total == 0, 1.0, total)
    return like(np.where(total == 0, np.nan, share), heatmaps)


def _flat(images: Any) -> Any:
    """Return (N, H*W) on the host: numpy sums a row alike whatever stands beside it, so records do not depend on it."""
    import numpy as np

    count, height, width = images.shape
    return np.ascontiguousarray(to_numpy(images)).reshape(count, height * width)

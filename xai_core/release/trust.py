"""Is the explanation itself to be trusted? What probing it gave, kept beside the run in ``RUN/faithfulness.json``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.geometry import upsample
from xai_core.probes import faithfulness, randomise
from xai_core.release import measured
from xai_core.release.chosen import Chosen, choose, seed_of
from xai_core.review.again import own_classifier
from xai_core.runs.settings import versions
from xai_core.scores import intervals, regions

if TYPE_CHECKING:
    from xai_core.models import Classifier
    from xai_core.runs import Run

FILE = "faithfulness.json"
FORMAT = "right-reasons faithfulness 1"
LIMIT = 60
LEVELS, LEVELS_OF_LIME = randomise.LEVELS, 3  # LIME asks the network a thousand times for each image and level
MAX_SPEARMAN, MIN_DEFINED = 0.5, 0.5
RULE = (
    "Passes where, with all weights drawn anew, the 95 % interval of the mean Spearman correlation of the absolute "
    f"heatmaps with the trained network's ends below {MAX_SPEARMAN:g}, and below what two seeds give with the trained "
    f"network. Undecided where fewer than {MIN_DEFINED:.0%} of the images have a correlation."
)
_CURVES = 4  # of each image: deletion and insertion, each by the heatmap and by a random order


def probe(
    run: Run,
    classifier: Classifier | None = None,
    limit: int = LIMIT,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    *,
    steps: int = faithfulness.STEPS,
) -> dict:
    """Return how far a run's explanations can be trusted, after writing it to ``RUN/faithfulness.json``.

    Parameters
    ----------
    run : Run
        Only records that were explained enter; the class explained is the one the run explained.
    classifier : Classifier, optional
        The run's; loaded by `again.classifier_of` without.
    limit : int
        So many records, drawn by hash of (`seed`, id) as a run draws its samples.
    seed : int
        Also of the random orders and of the new weights.
    progress : callable, optional
        Called with (units done, units in all).
    steps : int
        Portions of the pixels in deletion and insertion.

    Returns
    -------
    dict
        Plain JSON values. ``deletion``, ``insertion``, ``random_deletion``, ``random_insertion``: mean area under the
        curve with interval; ``deletion_difference`` and ``insertion_difference``: heatmap minus random order, image by
        image (below 0 and above 0 where the heatmap is faithful). ``randomisation``: a row for each level, ``passed``
        (None: undecided) with the ``rule`` and the ``finding``. ``repeatability``: the same explanation from another
        seed.

    Raises
    ------
    BadInput
        Where the classifier is not at hand or is another one, or no image of the run is.

    Notes
    -----
    The random order is the image's own heatmap with its values in other places: cells of a class activation map,
    segments of LIME, pixels of a gradient map. Single pixels in random order would speckle the image, which a network
    takes worse than a hole, and so would flatter every heatmap.
    """
    classifier = own_classifier(run, classifier)
    chosen = choose(run, limit, seed)
    levels = LEVELS if chosen.subject.segments is None else LEVELS_OF_LIME
    levels = len(randomise.layer_groups(classifier.network, levels))
    told = _Told(len(chosen.ids) * (_CURVES + 2 + levels), progress)
    curves = _follow(classifier, chosen, steps, seed, told)
    originals = chosen.subject.heatmaps(classifier, seed, told)
    repeated = _repeated(run, chosen, originals, chosen.subject.heatmaps(classifier, seed + 1, told))
    cascade = randomise.cascade(classifier, chosen.subject, originals, seed=seed, levels=levels, told=told)
    found = {
        "format": FORMAT,
        "classifier_digest": classifier.digest,
        "samples": {"n": len(chosen.ids), "limit": limit, "seed": seed, "left_out": chosen.left_out, "ids": chosen.ids},
        **curves,
        "randomisation": _judged(cascade, repeated["spearman"]),
        "repeatability": repeated,
        "settings": _settings(steps, levels),
        "versions": versions(),
    }
    return measured.keep(run, FILE, found)


def read(run: Run) -> dict | None:
    """Return what `probe` wrote beside a run, None where it never did.

    Raises
    ------
    BadInput
        Where it belongs to other content, or was changed.
    """
    return measured.read(run, FILE, FORMAT, "probe the run again: `python -m xai_core probe RUN`")


def mark(run: Run) -> str:
    """Return what has to stand beside a run's name wherever it is shown, '' where nothing has."""
    try:
        found = read(run)
    except BadInput:
        return "figures of trust do not fit: they are damaged or of other content; probe the run again"
    check = found["randomisation"] if found else {"passed": True}
    if check["passed"]:
        return ""
    verdict = "fails the randomisation check" if check["passed"] is False else "could not be checked by randomisation"
    return f"{verdict}: {check['finding']}"


class _Told:
    """Adds up what is newly done."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def __call__(self, more: int) -> None:
        self.done += more
        if self.progress:
            self.progress(self.done, self.total)


def _follow(classifier: Classifier, chosen: Chosen, steps: int, seed: int, told: _Told) -> dict:
    """Return the areas under the four curves, their paired differences, and the mean curves."""
    subject, found = chosen.subject, {}
    seeds = [seed_of(sample_id, seed) for sample_id in chosen.ids]
    for name, follow in (("deletion", faithfulness.deletion), ("insertion", faithfulness.insertion)):
        for prefix, heatmaps in (("", chosen.heatmaps), ("random_", chosen.random)):
            found[prefix + name] = follow(
                classifier,
                subject.frames,
                heatmaps,
                subject.targets,
                steps,
                seeds=seeds,
                batch_size=subject.batch_size,
                told=told,
            )
    figures = {name: _estimate(intervals.mean(curves.auc)) for name, curves in found.items()}
    for name in ("deletion", "insertion"):
        difference = intervals.paired(found[name].auc, found[f"random_{name}"].auc)
        figures[f"{name}_difference"] = _estimate(difference)
    return figures | {"curves": {name: curves.curves.mean(0).tolist() for name, curves in found.items()}}


def _repeated(run: Run, chosen: Chosen, first: np.ndarray, second: np.ndarray) -> dict:
    """Return how alike the explanations from two seeds are, by all values and by the region of the run's own rule."""
    spearman, ssim = randomise.similarity(first, second)
    one, other = (_regions(run, chosen.subject.segments, heatmaps) for heatmaps in (first, second))
    union = (one | other).sum((1, 2))
    jaccard = np.where(union > 0, (one & other).sum((1, 2)) / np.maximum(union, 1), np.nan)
    same = bool(np.array_equal(first, second))
    return {
        "spearman": _estimate(intervals.mean(spearman)),
        "ssim": _estimate(intervals.mean(ssim)),
        "jaccard": _estimate(intervals.mean(jaccard)),
        "identical": same,
        "finding": "The method draws nothing: another seed gives the same heatmaps, by construction."
        if same
        else f"The method draws: two seeds correlate by {_said(intervals.mean(spearman).value)} (Spearman), and "
        f"{_said(intervals.mean(jaccard).value)} of the pixels in either's region are in both (Jaccard).",
    }


def _regions(run: Run, segments: np.ndarray | None, heatmaps: np.ndarray) -> np.ndarray:
    rule, size = run.settings["region_rule"], run.frame_size
    if segments is None:
        return regions.take(rule, upsample(heatmaps, size))
    coefficients = np.full((len(segments), int(segments.max()) + 1), np.nan)
    for row, where, heatmap in zip(coefficients, segments, heatmaps, strict=True):
        row[where] = heatmap
    return regions.take(rule, heatmaps, segments=segments, coefficients=coefficients)


def _judged(cascade: list[randomise.Level], repeatability: dict) -> dict:
    """Return the rows of the levels and what the rule makes of the last one."""
    last = intervals.mean(cascade[-1].spearman)
    limit = min(MAX_SPEARMAN, MAX_SPEARMAN if repeatability["mean"] is None else repeatability["mean"])
    images = last.n + last.left_out
    passed = None if last.n < MIN_DEFINED * images else bool((last.value if last.high is None else last.high) < limit)
    if passed is None:
        finding = f"the heatmaps of {last.left_out} of {images} images are constant for a network with random weights"
    else:
        finding = (
            f"heatmaps for a network with random weights correlate with the trained one's by {_said(last.value)}"
            + ("" if last.high is None else f" ({_said(last.low)} to {_said(last.high)})")
            + f"; the limit is {_said(limit)}"
        )
    return {"layers": [_level(level) for level in cascade], "passed": passed, "rule": RULE, "finding": finding}


def _level(level: randomise.Level) -> dict:
    row = {"layer": level.layer}
    for name, values in (("spearman", level.spearman), ("ssim", level.ssim)):
        found = intervals.mean(values)
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    missing = int(np.isnan(level.spearman).sum())
    return row | {"n": len(level.spearman) - missing, "undefined": {"constant_heatmap": missing} if missing else {}}


def _settings(steps: int, levels: int) -> dict:
    return {
        "steps": steps,
        "deletion_fill": faithfulness.FILLS["mean"],
        "insertion_start": faithfulness.FILLS["blur"],
        "random_order": "the heatmap's own values in other places",
        "levels": levels,
        "weights_drawn": "once for each level, not for each image",
        "batch_norm_statistics": "taken anew from the probed images",
        "max_spearman": MAX_SPEARMAN,
        "min_defined": MIN_DEFINED,
    }


def _estimate(found: intervals.Estimate) -> dict:
    values = found.as_dict()
    return {"mean": values.pop("value")} | values


def _said(value: float | None) -> str:
    return "an undefined figure" if value is None else f"{value:.2f}"

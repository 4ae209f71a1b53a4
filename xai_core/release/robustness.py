"""How much worse a classifier calls when its images get worse, and whether that goes with where it looks.

Kept beside the run in ``RUN/robustness.json``.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.release import measured
from xai_core.release.paired import case_differences
from xai_core.review.again import answers_to, own_classifier, preparation_of, samples_of, unusable
from xai_core.review.tiles import encode_jpeg
from xai_core.runs import Run
from xai_core.runs.settings import draw, versions
from xai_core.runs.tables import positive_of, scored, table_of, threshold_of
from xai_core.scores import cases, intervals, measures

if TYPE_CHECKING:
    from xai_core.models import Classifier

FILE = "robustness.json"
FORMAT = "right-reasons robustness 1"
LIMIT = 200
FEWEST = 3
CORRUPTIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "blur": ("standard deviation of a Gaussian, in pixels of the model frame", (1.0, 2.0, 4.0)),
    "noise": ("standard deviation of Gaussian noise, in grey levels of 255", (8.0, 16.0, 32.0)),
    "jpeg": ("quality of the JPEG that the frame is written to and read from", (50.0, 25.0, 10.0)),
    "brightness": ("factor on every value", (0.8, 0.6, 0.4)),
    "hue": ("turn of the hue, as a share of the colour circle", (0.02, 0.05, 0.1)),
}
METRICS = ("accuracy", "auc")


def corrupt(image: np.ndarray, name: str, strength: float, seed: int = 0) -> np.ndarray:
    """Return an image made worse: (h, w, 3) uint8 from (h, w, 3) uint8.

    Parameters
    ----------
    name : str
        A key of `CORRUPTIONS`, which says what its strength is.
    seed : int
        Of the noise; the others draw nothing.
    """
    if name == "blur":
        from scipy.ndimage import gaussian_filter

        changed = gaussian_filter(image.astype(np.float64), (strength, strength, 0))
    elif name == "noise":
        changed = image + np.random.default_rng(seed).normal(0, strength, image.shape)
    elif name == "jpeg":
        return _through_jpeg(image, int(strength))
    elif name == "brightness":
        changed = image * float(strength)
    else:
        changed = _turned(image, strength)
    return np.clip(np.round(changed), 0, 255).astype(np.uint8)


def measure(
    run: Run,
    classifier: Classifier | None = None,
    limit: int = LIMIT,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Return how far accuracy and AUC drop on worse images, after writing it to ``RUN/robustness.json``.

    Parameters
    ----------
    run : Run
        Its operating point calls; only labelled records that were answered enter.
    classifier : Classifier, optional
        The run's; loaded by `again.classifier_of` without.
    limit : int
        So many records, drawn by hash of (`seed`, id) as a run draws its samples.
    seed : int
        Also of the bootstrap. The noise of an image is seeded by the image's own hash and its strength.
    progress : callable, optional
        Called with (conditions done, conditions in all).

    Returns
    -------
    dict
        Plain JSON values: ``clean`` {metric: value}; ``corruptions`` {name: [{``strength``, ``accuracy``, ``auc``}]},
        each metric ``value`` on the worse images and ``drop`` = clean - worse with its paired 95 % interval;
        ``mean_drop`` {metric: over all conditions, None where one of them has none}.

    Raises
    ------
    BadInput
        Where the classifier is not at hand or is another one, or no image of the run is.
    """
    classifier = own_classifier(run, classifier)
    frames, hashes, labels, left_out = _drawn(run, limit, seed)

    def answers(images: Sequence[np.ndarray]) -> cases.Case:
        at = threshold_of(run, None)
        return cases.as_given(labels, answers_to(run, classifier, images), positive_of(run), 0.5 if at is None else at)

    clean = answers(frames)
    total, found = sum(len(strengths) for _, strengths in CORRUPTIONS.values()), {}
    for name, (_, strengths) in CORRUPTIONS.items():
        found[name] = []
        for strength in strengths:
            worse = [corrupt(f, name, strength, _seed(h, name, strength)) for f, h in zip(frames, hashes, strict=True)]
            found[name].append({"strength": strength} | _drops(clean, answers(worse), seed))
            if progress:
                progress(sum(map(len, found.values())), total)
    result = {
        "format": FORMAT,
        "classifier_digest": classifier.digest,
        "threshold": threshold_of(run, None),
        "samples": {"n": len(frames), "limit": limit, "seed": seed, "left_out": left_out},
        "clean": _values(clean),
        "corruptions": found,
        "strengths": {name: about for name, (about, _) in CORRUPTIONS.items()},
        "mean_drop": {name: _mean_drop(found, name) for name in METRICS},
        "versions": versions(),
    }
    return measured.keep(run, FILE, result)


def read(run: Run) -> dict | None:
    """Return what `measure` wrote beside a run, None where it never did.

    Raises
    ------
    BadInput
        Where it belongs to other content, or was changed.
    """
    return measured.read(run, FILE, FORMAT, "measure the run again: `python -m xai_core robustness RUN`")


def association(runs: Sequence[Run], *, seed: int = 0, resamples: int = 2000) -> dict:
    """Return whether candidates that look at the outlined region lose less on worse images: Spearman over candidates.

    Returns
    -------
    dict
        ``metric`` whose mean drop is meant: AUC where a class is positive and every drop has a value, else accuracy
        (which rises where a classifier begins to call everything the frequent class);
        ``points`` [{run, ``mean_drop``, ``excess_explanation_coverage``}], ``spearman`` with ``low``, ``high``
        (percentile bootstrap over candidates), ``n`` and ``finding``, a sentence. Negative: the better aligned lose
        less. It is an association over a few candidates, and says nothing of a cause.

    Raises
    ------
    BadInput
        Where a run was not measured.
    """
    metric, drops = _judged_by(runs)
    pairs = list(zip(map(_alignment, runs), drops, strict=True))
    names = ("run", "excess_explanation_coverage", "mean_drop")
    points = [dict(zip(names, (str(run.folder), *pair), strict=True)) for run, pair in zip(runs, pairs, strict=True)]
    known = np.array([pair for pair in pairs if None not in pair]).reshape(-1, 2)
    entry = {"metric": metric, "points": points, "n": len(known), "spearman": None, "low": None, "high": None}
    if len(known) < FEWEST:
        few = "1 candidate" if len(known) == 1 else f"{len(known)} candidates"
        finding = f"With {few} no association can be stated; it takes at least {FEWEST}."
        return entry | {"finding": finding}
    entry["spearman"] = _spearman(known)
    generator = np.random.default_rng(seed)
    drawn = [_spearman(known[generator.integers(0, len(known), len(known))]) for _ in range(resamples)]
    defined = [value for value in drawn if value is not None]
    if 2 * len(defined) >= resamples:
        entry["low"], entry["high"] = intervals.percentiles(defined)
    if entry["spearman"] is None:
        return entry | {"finding": "No association can be stated: the candidates do not differ."}
    within = "" if entry["low"] is None else f" (95 % interval {entry['low']:.2f} to {entry['high']:.2f})"
    finding = (
        f"Over {len(known)} candidates the Spearman association between alignment and loss of {metric} is "
        f"{entry['spearman']:+.2f}{within}: an association over few candidates, not a cause."
    )
    return entry | {"finding": finding}


def _judged_by(runs: Sequence[Run]) -> tuple[str, list[float | None]]:
    """Return the metric by which all runs can be compared, and each run's mean drop of it."""
    measured = list(map(read, runs))
    if None in measured:
        raise _bad(runs[measured.index(None)], f"a run with {FILE}", "none", "measure it first")
    drops = {name: [_mean_drop(found["corruptions"], name) for found in measured] for name in METRICS}
    metric = "accuracy" if None in drops["auc"] or any(positive_of(run) is None for run in runs) else "auc"
    return metric, drops[metric]


def _mean_drop(corruptions: dict, metric: str) -> float | None:
    drops = [row[metric]["drop"] for rows in corruptions.values() for row in rows]
    return None if None in drops else float(np.mean(drops))


def _alignment(run: Run) -> float | None:
    table = table_of(run)
    excess = (table["explanation_coverage"] - table["chance_random_explanation_coverage"])[scored(table)]
    return intervals.mean(excess.to_numpy(float)).value


def _drawn(run: Run, limit: int, seed: int) -> tuple[list[np.ndarray], list[str], np.ndarray, dict[str, int]]:
    """Return frames, image hashes and labels of the records drawn, and what could not be used by reason."""
    records = run.records(["sample_id", "image", "image_hash", "status", "label_index"])
    records = records[(records["status"] == "ok") & (records["label_index"] >= 0)]
    ids = sorted(records["sample_id"], key=lambda sample_id: draw(seed, sample_id))[: max(limit, 0)]
    wanted = records.set_index("sample_id").loc[ids].reset_index()
    prepared = list(map(preparation_of(run), samples_of(run, wanted)))
    faults = [unusable(one, image_hash) for one, image_hash in zip(prepared, wanted["image_hash"], strict=True)]
    kept = [place for place, fault in enumerate(faults) if not fault]
    if not kept:
        raise _bad(run, "at least one image of the run where it was", f"none of {len(wanted)}", "put the data back")
    frames, rows = [prepared[place].frame for place in kept], wanted.iloc[kept]
    return frames, rows["image_hash"].tolist(), rows["label_index"].to_numpy(), dict(Counter(filter(None, faults)))


def _drops(clean: cases.Case, worse: cases.Case, seed: int) -> dict:
    differences, values = case_differences(worse, clean, seed=seed), _values(worse)
    found = {}
    for name in METRICS:
        entry = differences[name]
        found[name] = {"value": values[name], "drop": entry["difference"], "low": entry["low"], "high": entry["high"]}
        found[name] |= {"reason": entry["reason"]} if "reason" in entry else {}
    return found


def _values(case: cases.Case) -> dict:
    reasons = measures.reasons(case)
    return {name: None if reasons[name] else measures.VALUES[name](case) for name in METRICS}


def _spearman(points: np.ndarray) -> float | None:
    """Return the rank correlation of two columns, None where one of them does not vary."""
    from scipy.stats import rankdata

    first, second = (rankdata(column) - (len(points) + 1) / 2 for column in points.T)
    spread = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / spread) if spread > 0 else None


def _through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    from xai_core.datasets import read_image

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frame.jpg"
        file.write_bytes(encode_jpeg(image, quality))
        return read_image(file)


def _turned(image: np.ndarray, turn: float) -> np.ndarray:
    from skimage.color import hsv2rgb, rgb2hsv

    hsv = rgb2hsv(image)
    hsv[..., 0] = (hsv[..., 0] + turn) % 1
    return hsv2rgb(hsv) * 255


def _seed(image_hash: str, name: str, strength: float) -> int:
    return int.from_bytes(hashlib.sha256(f"{image_hash}:{name}:{strength:g}".encode()).digest()[:8], "big")


def _bad(run: Run, expected: str, found: str, remedy: str) -> BadInput:
    return BadInput(where=run.folder, expected=expected, found=found, remedy=remedy)

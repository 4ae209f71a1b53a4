"""On what a classifier's calls rest: the outlined region, or what lies around it. Kept in ``RUN/reliance.json``.

It asks how well the classifier still ranks the classes (AUC) where it sees the outlined region alone, and how well
where it sees the surroundings alone; *reliance* is the first minus the second. No cue has to be known beforehand: a
shortcut outside the outline, whatever it is, makes the surroundings speak and reliance fall below 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.probes.causal import FILLS
from xai_core.probes.masking import MARGIN, PARTS, maskable, only
from xai_core.release import measured
from xai_core.review.again import answers_to, own_classifier, preparation_of, samples_of, unusable
from xai_core.runs import rows
from xai_core.runs.settings import draw, versions
from xai_core.runs.tables import positive_of
from xai_core.scores import cases, intervals, measures
from xai_core.scores.intervals import Estimate

if TYPE_CHECKING:
    from xai_core.models import Classifier
    from xai_core.runs import Run

FILE = "reliance.json"
FORMAT = "right-reasons reliance 1"
LIMIT = 1000
RESAMPLES = 1000
CHUNK = 64
OUTLINE = "outline"
UNCHANGED = "images as they are: AUC"
ROWS = {
    "region": "only the outlined region visible: AUC",
    "surroundings": "only its surroundings visible: AUC",
    "reliance": "reliance: region - surroundings",
    OUTLINE: "control, the outline cut into another image: AUC",
}
NO_REGION = "no region is outlined within the frame"
NOTHING_AROUND = "the region leaves no surroundings"


def measure(
    run: Run,
    classifier: Classifier | None = None,
    limit: int = LIMIT,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Return on what a run's classifier relies, after writing it to ``RUN/reliance.json``.

    Parameters
    ----------
    run : Run
        Its labelled records with an outlined region enter; its explanations do not matter.
    classifier : Classifier, optional
        The run's; loaded by `again.classifier_of` without.
    limit : int
        So many records, drawn by hash of (`seed`, id) as a run draws its samples.
    seed : int
        Also of the bootstrap.
    progress : callable, optional
        Called with (images done, images in all).

    Returns
    -------
    dict
        Plain JSON values. ``unchanged``: AUC on the images as they are. ``fills`` {fill: {``region``,
        ``surroundings``, ``reliance``: region - surroundings, ``outline``}}, each ``value``, ``low``, ``high``, ``n``,
        with the paired bootstrap's 95 % interval. ``outline`` is the control: the hole of one image cut into another
        image, drawn by hash; its AUC for the label of the first is what the outline alone says (0.5: nothing).
        ``answers``: what each record was answered, by which two runs are paired. ``samples``: what entered, what could
        not be masked (``left_out``) and which images are not at hand (``unusable``), by reason.

    Raises
    ------
    BadInput
        Where no class is positive, the classifier is not at hand or is another one, or nothing can be masked.

    Notes
    -----
    AUC, for masking makes pictures that no camera took, and moves all probabilities together: a threshold or a mean
    probability would take that for a loss. Each resample takes the same records for both parts, as many of each class
    as there are.
    """
    positive = positive_of(run)
    if positive is None:
        raise _bad(
            run, "a run with a positive class, for which there is an AUC", "none", "name it in the data's options"
        )
    classifier = own_classifier(run, classifier)
    shown = _maskable(run, limit, seed)
    answers = _ask(run, classifier, positive, shown, progress)
    labels = shown.labels == positive
    places = np.array([run.records(["sample_id"])["sample_id"].tolist().index(i) for i in shown.ids])
    result = {
        "format": FORMAT,
        "classifier_digest": classifier.digest,
        "positive": run.settings["positive"],
        "samples": {
            "n": len(shown.ids),
            "limit": limit,
            "seed": seed,
            "left_out": shown.left_out,
            "unusable": shown.unusable,
        },
        "margin": MARGIN,
        "unchanged": auc(labels, run.probabilities()[places, positive], seed=seed).as_dict(),
        "fills": {fill: _figures(labels, found, seed) for fill, found in answers.items()},
        "answers": {
            "ids": shown.ids,
            "image_hashes": shown.hashes,
            "labels": labels.astype(int).tolist(),
            **{fill: {part: found[part].tolist() for part in PARTS} for fill, found in answers.items()},
        },
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
    return measured.read(run, FILE, FORMAT, "measure the run again: `python -m xai_core reliance RUN`")


def against(found: dict, baseline: dict, fill: str, *, seed: int = 0) -> Estimate:
    """Return the reliance of one measured run minus that of another, paired over the records of both.

    Without a value, and with the reason, where they are not about the same images.
    """
    own, theirs = found["answers"], baseline["answers"]
    places = {key: k for k, key in enumerate(zip(theirs["ids"], theirs["image_hashes"], strict=True))}
    keys = list(zip(own["ids"], own["image_hashes"], strict=True))
    if set(keys) != set(places):
        return Estimate(None, None, None, 0, 0, "reliance was measured on other images of the baseline")
    order = np.array([places[key] for key in keys])
    labels = np.array(own["labels"], bool)
    columns = [np.array(own[fill][part]) for part in PARTS] + [np.array(theirs[fill][part])[order] for part in PARTS]
    return _combined(labels, columns, (1, -1, -1, 1), seed)


def auc(labels: np.ndarray, p: np.ndarray, *, seed: int = 0) -> Estimate:
    """Return the AUC of probabilities (N,) for labels (N,) bool, with its interval."""
    return _combined(labels, [p], (1,), seed)


def _figures(labels: np.ndarray, found: dict[str, np.ndarray], seed: int) -> dict:
    figures = {part: auc(labels, found[part], seed=seed) for part in PARTS}
    figures["reliance"] = _combined(labels, [found[part] for part in PARTS], (1, -1), seed)
    figures[OUTLINE] = auc(labels, found[OUTLINE], seed=seed)
    return {name: estimate.as_dict() for name, estimate in figures.items()}


def _combined(labels: np.ndarray, columns: list[np.ndarray], signs: tuple[int, ...], seed: int) -> Estimate:
    """Return the sum of the AUCs of some columns, each with its sign, over the same records in each resample."""
    known = [cases.as_given(labels.astype(int), np.stack([1 - p, p], 1), 1, 0.5) for p in columns]
    if reason := measures.reasons(known[0])["auc"]:
        return Estimate(None, None, None, len(labels), 0, reason)
    value = sum(sign * measures.VALUES["auc"](case) for sign, case in zip(signs, known, strict=True))
    if reason := measures.no_interval("auc", known[0], RESAMPLES):
        return Estimate(value, None, None, len(labels), 0, reason)
    drawn = [measures.resampled(case, ["auc"], seed, RESAMPLES)["auc"] for case in known]
    low, high = intervals.percentiles(sum(sign * each for sign, each in zip(signs, drawn, strict=True)))
    return Estimate(value, low, high, len(labels))


@dataclass(frozen=True, eq=False)
class _Shown:
    """The records that can be masked, in the order in which they were drawn."""

    ids: list[str]
    hashes: list[str]
    labels: np.ndarray
    frames: list[np.ndarray]
    regions: list[np.ndarray]
    left_out: dict[str, int]
    unusable: dict[str, int]


def _maskable(run: Run, limit: int, seed: int) -> _Shown:
    records = run.records(["sample_id", "image", "image_hash", "label_index"])
    records = records[records["label_index"] >= 0].set_index("sample_id", drop=False)
    drawn = sorted(records["sample_id"], key=lambda sample_id: draw(seed, sample_id))[: max(limit, 0)]
    regions = {row["sample_id"]: row["region"] for row in run.maps(drawn, ["sample_id", "region"])}
    regions = {i: rows.decode_region(bits, run.frame_size) for i, bits in regions.items() if bits is not None}
    left_out = Counter(NO_REGION if i not in regions or not regions[i].any() else "" for i in drawn)
    drawn = [i for i in drawn if i in regions and regions[i].any()]
    left_out[NOTHING_AROUND] = sum(not maskable(regions[i]) for i in drawn)
    wanted = records.loc[[i for i in drawn if maskable(regions[i])]]
    prepared = list(map(preparation_of(run), samples_of(run, wanted)))
    faults = [unusable(one, image_hash) for one, image_hash in zip(prepared, wanted["image_hash"], strict=True)]
    kept = [place for place, fault in enumerate(faults) if not fault]
    if not kept:
        expected = "an image with an outlined region where it was"
        if not drawn:
            raise _bad(run, expected, "no outlined record with a label", "explain data that have outlines and labels")
        raise _bad(run, expected, f"none of {len(drawn)}", "put the data back")
    wanted, frames = wanted.iloc[kept], [prepared[place].frame for place in kept]
    ids = wanted["sample_id"].tolist()
    return _Shown(
        ids,
        wanted["image_hash"].tolist(),
        wanted["label_index"].to_numpy(),
        frames,
        [regions[i] for i in ids],
        {reason: count for reason, count in left_out.items() if reason and count},
        dict(Counter(filter(None, faults))),
    )


def _ask(
    run: Run, classifier: Classifier, positive: int, shown: _Shown, progress: Callable[[int, int], None] | None
) -> dict[str, dict[str, np.ndarray]]:
    """Return the probability of the positive class of each part, and of the control: {fill: {part: (N,) float64}}."""
    found = {fill: {part: [] for part in (*PARTS, OUTLINE)} for fill in FILLS}
    for start in range(0, len(shown.ids), CHUNK):
        places = range(start, min(start + CHUNK, len(shown.ids)))
        for fill, of_parts in found.items():
            for part, answers in of_parts.items():
                frames = [_picture(shown, place, part, fill) for place in places]
                answers.append(answers_to(run, classifier, frames)[:, positive].astype(float))
        if progress:
            progress(places.stop, len(shown.ids))
    return {fill: {part: np.concatenate(all_) for part, all_ in of.items()} for fill, of in found.items()}


def _picture(shown: _Shown, place: int, part: str, fill: str) -> np.ndarray:
    """Return one part of an image, or the hole of its region in the image drawn after it."""
    if part == OUTLINE:
        return only("surroundings", shown.frames[(place + 1) % len(shown.frames)], shown.regions[place], fill)
    return only(part, shown.frames[place], shown.regions[place], fill)


def _bad(run: Run, expected: str, found: str, remedy: str) -> BadInput:
    return BadInput(where=run.folder, expected=expected, found=found, remedy=remedy)

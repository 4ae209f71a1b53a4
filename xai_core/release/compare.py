"""Candidates on the same samples: metrics, errors, confidence and alignment, each against the baseline, the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from xai_core.release import drift
from xai_core.release.movers import MOVED, movers
from xai_core.release.paired import Candidate, difference, metric_differences, side_by_side
from xai_core.release.review_set import ReviewSet
from xai_core.release.strata import STRATA
from xai_core.runs import Run
from xai_core.runs.tables import positive_of, scored
from xai_core.scores import intervals, metrics
from xai_core.scores.arrays import SCORE_NAMES


def compare(
    runs: Sequence[Run],
    names: Sequence[str] | None = None,
    review_set: ReviewSet | None = None,
    *,
    rule: str | None = None,
    thresholds: Sequence[float | None] | None = None,
    moved: float = MOVED,
    with_drift: bool = False,
    seed: int = 0,
) -> dict:
    """Return how several runs differ on the samples they share, as plain JSON values.

    Parameters
    ----------
    runs : sequence of Run
        Two or more; the first is the baseline.
    names, rule, thresholds
        As in `paired.side_by_side`.
    review_set : ReviewSet, optional
        What is then said of its items by stratum, beside what is said of all.
    moved : float
        As in `movers.movers`.
    with_drift : bool
        Whether to say how alike the maps are to the baseline's (`drift.summary`): some 20 ms a sample.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``samples`` (shared), ``baseline`` (name), ``moved``, ``remarks`` (what stands between the runs beside the
        classifier), ``runs`` (of each: identity, ``left_out``, ``metrics``, ``alignment``, ``confidence``,
        ``by_class`` errors), ``against`` (of each run but the first: paired differences to the first under the same
        keys, ``movers``, and ``drift`` where asked for), ``review_set`` (None without one). Differences are run -
        baseline, with 95 % intervals, each for itself.
    """
    candidates = side_by_side(runs, names, rule=rule, thresholds=thresholds)
    baseline = candidates[0]
    return {
        "samples": len(baseline.ids),
        "baseline": baseline.name,
        "moved": moved,
        "remarks": list(_remarks(candidates, rule)),
        "runs": [_of_one(candidate, rule, seed) for candidate in candidates],
        "against": [
            _of_two(baseline, candidate, moved, seed) | ({"drift": _drift(baseline, candidate)} if with_drift else {})
            for candidate in candidates[1:]
        ],
        "review_set": None if review_set is None else _on_review_set(candidates, review_set, seed),
    }


def _of_one(candidate: Candidate, rule: str | None, seed: int) -> dict:
    run, table = candidate.run, candidate.table
    labels = np.where(candidate.answered, table["label_index"].to_numpy(), -1)
    answered = (table["status"] == "ok").to_numpy()
    at = 0.5 if candidate.threshold is None else candidate.threshold
    kept = ("dataset", "split", "classifier", "classifier_digest", "method", "layer", "target")
    return {
        "name": candidate.name,
        "run": str(run.folder),
        "content_digest": run.manifest["content_digest"],
        **{key: run.settings.get(key) for key in kept},
        "region_rule": rule or run.settings["region_rule"],
        "threshold": candidate.threshold,
        "left_out": candidate.left_out,
        "errors": int((~answered).sum()),
        "scored": int(scored(table).sum()),
        "metrics": metrics.evaluate(
            labels[answered],
            candidate.probabilities[answered],
            positive=positive_of(run),
            threshold=at,
            seed=seed,
        ),
        "alignment": {name: _alignment(candidate, name, seed) for name in SCORE_NAMES},
        "confidence": {name: _mean(values, seed) for name, values in _confidences(candidate).items()},
        "by_class": {label: _share_wrong(candidate, mask) for label, mask in _classes(candidate)},
    }


def _of_two(before: Candidate, now: Candidate, moved: float, seed: int) -> dict:
    both = before.answered & now.answered
    first, second = _confidences(before), _confidences(now)
    return {
        "name": now.name,
        "metrics": metric_differences(before, now, seed=seed),
        "alignment": {name: difference(before.excess(name), now.excess(name), seed=seed) for name in SCORE_NAMES},
        "confidence": {name: difference(first[name], second[name], seed=seed) for name in first},
        "by_class": {label: _trend(before, now, mask & both, seed) for label, mask in _classes(before)},
        "explained_otherwise": int((before.table["target"] != now.table["target"])[both].sum()),
        "movers": movers(before, now, moved=moved),
    }


def _drift(before: Candidate, now: Candidate) -> dict:
    return drift.summary(drift.drift(before.run, now.run, before.ids.tolist()))


def _remarks(candidates: Sequence[Candidate], rule: str | None) -> Iterator[str]:
    """Yield what differs between the runs beside the classifier, and so stands between their explanations."""
    first = candidates[0].run.settings
    for candidate in candidates:
        if candidate.left_out:
            yield f"{candidate.name}: {candidate.left_out} records are left out, which the other runs do not have"
    for candidate in candidates[1:]:
        settings, name = candidate.run.settings, candidate.name
        for key, what in (("method", "explainer"), ("parameters", "explainer settings"), ("frame", "model frame")):
            if settings[key] != first[key] and not (key == "parameters" and settings["method"] != first["method"]):
                yield f"{name}: another {what} than {candidates[0].name}; alignment may differ for that alone"
        if rule is None and settings["region_rule"] != first["region_rule"]:
            yield f"{name}: regions are taken by the rule {settings['region_rule']}, not {first['region_rule']}"
        if settings["classifier_digest"] == first["classifier_digest"]:
            yield f"{name}: the same classifier as {candidates[0].name}"
        if candidate.threshold != candidates[0].threshold:
            yield f"{name}: called positive from {candidate.threshold:g}, not {candidates[0].threshold:g}"
        otherwise = int((candidate.table["target"] != candidates[0].table["target"]).sum())
        if otherwise:
            yield (
                f"{name}: {otherwise} of {len(candidate.ids)} samples are explained for another class than in "
                f"{candidates[0].name}, for they are called otherwise; runs for one fixed class compare like with like"
            )


def _alignment(candidate: Candidate, name: str, seed: int) -> dict:
    """Return a score's mean, its excess over a random place, and what has none."""
    mean = _mean(candidate.table[name].to_numpy(float), seed)
    excess = intervals.mean(candidate.excess(name), seed=seed)
    undefined = Counter(reason for reason in candidate.table[f"{name}_undefined"] if reason)
    return mean | {
        "excess": excess.value,
        "excess_low": excess.low,
        "excess_high": excess.high,
        "undefined": dict(undefined),
    }


def _confidences(candidate: Candidate) -> dict[str, np.ndarray]:
    """Return confidences (N,) by name: in the likeliest class, in the label, in the label of each class."""
    own = candidate.own_probability()
    by_class = {f"label {label}": np.where(mask, own, np.nan) for label, mask in _classes(candidate)}
    return {"top": candidate.table["confidence"].to_numpy(float), "label": own} | by_class


def _classes(candidate: Candidate) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each class that a sample has, with which samples have it: (N,) bool."""
    labels = candidate.table["label_index"].to_numpy()
    for place in np.unique(labels[labels >= 0]):
        yield candidate.run.settings["class_names"][place], labels == place


def _share_wrong(candidate: Candidate, mask: np.ndarray) -> dict:
    among = mask & candidate.answered
    n, wrong = int(among.sum()), int((among & ~candidate.right).sum())
    low, high = intervals.wilson(wrong, n) or (None, None)
    return {"n": n, "wrong": wrong, "share": wrong / n if n else None, "low": low, "high": high}


def _trend(before: Candidate, now: Candidate, among: np.ndarray, seed: int) -> dict:
    """Return how the errors of one class changed: lost and won calls, and the share of errors, paired."""
    first, second = before.right[among], now.right[among]
    lost, won = int((first & ~second).sum()), int((~first & second).sum())
    return {"lost": lost, "won": won} | difference((~first).astype(float), (~second).astype(float), seed=seed)


def _mean(values: np.ndarray, seed: int) -> dict:
    found = intervals.mean(values, seed=seed)
    return {"mean": found.value, "low": found.low, "high": found.high, "n": found.n}


def _on_review_set(candidates: Sequence[Candidate], review_set: ReviewSet, seed: int) -> dict:
    """Return what is said of the items of a review set by stratum, and where a run does not fit it."""
    ids = candidates[0].ids
    chosen = {s: np.isin(ids, [item.sample_id for item in review_set.items if item.stratum == s]) for s in STRATA}
    return {
        "sha256": review_set.sha256,
        "items": len(review_set.items),
        "problems": {candidate.name: review_set.problems(candidate.run) for candidate in candidates},
        "strata": {
            stratum: {candidate.name: _on_items(candidate, mask, seed) for candidate in candidates}
            for stratum, mask in chosen.items()
        },
        "triplets": [[item.sample_id for item in triplet] for triplet in review_set.triplets()],
    }


def _on_items(candidate: Candidate, mask: np.ndarray, seed: int) -> dict:
    excess = _mean(candidate.excess("explanation_coverage")[mask], seed)
    return {"items": int(mask.sum()), "right": int(candidate.right[mask].sum()), "excess_explanation_coverage": excess}

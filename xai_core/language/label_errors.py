"""Which labels may be wrong: by what the classifier thinks of them, by what a judge thinks of its grounds, by both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.language.matrix import THRESHOLD, scores_of
from xai_core.language.schema import HIGHEST
from xai_core.review.records import UNKNOWN, WRONG
from xai_core.scores.intervals import percentiles

if TYPE_CHECKING:
    import pandas as pd

RANKINGS = {
    "judge": "Called otherwise than labelled, by the judge's score",
    "plain": "1 - probability of the label",
    "both": "1 - probability of the label, times the judge's score",
    "wrong": "Called otherwise than labelled, and no more",
}


def rank(table: pd.DataFrame, judgements: pd.DataFrame, label_probability: np.ndarray) -> pd.DataFrame:
    """Return the labelled records, the most suspicious label first by ``judge``.

    Parameters
    ----------
    table : DataFrame
        ``sample_id``, ``outcome``, ``label`` and ``called``.
    judgements : DataFrame
        ``sample_id`` and ``score``; one without a score counts as in the middle, neither high nor low.
    label_probability : (N,) float
        The probability that the classifier gave to the label; NaN where there is none.

    Returns
    -------
    DataFrame
        ``sample_id``, ``label``, ``called``, ``score`` (NaN without), ``label_probability``, ``high`` (wrong, and
        judged high: the judge's suspects) and a suspicion for each of `RANKINGS`. Of equal suspicion that with the
        less probable label comes first, then by id.
    """
    known = (table["outcome"] != UNKNOWN).to_numpy() & ~np.isnan(label_probability)
    score = scores_of(table, judgements)[known]
    wrong = (table["outcome"] == WRONG).to_numpy()[known]
    found = table.loc[known, ["sample_id", "label", "called"]].assign(
        score=score,
        label_probability=np.asarray(label_probability, float)[known],
        high=wrong & (score >= THRESHOLD),
        **suspicion(wrong, score, np.asarray(label_probability, float)[known]),
    )
    order = ["judge", "label_probability", "sample_id"]
    return found.sort_values(order, ascending=[False, True, True], kind="stable", ignore_index=True)


def suspicion(wrong: np.ndarray, score: np.ndarray, label_probability: np.ndarray) -> dict[str, np.ndarray]:
    """Return how suspicious each label is, by ranking of `RANKINGS`: (N,) float64 each, more is more suspicious.

    Parameters
    ----------
    wrong : (N,) bool
        Whether the call is another class than the label.
    score : (N,) float
        The judge's, 0 to 5; NaN counts as the threshold between low and high.
    label_probability : (N,) float
    """
    given = np.where(np.isnan(score), THRESHOLD, score)
    doubt = 1 - label_probability
    return {
        "judge": np.where(wrong, 1 + given, 0.0),
        "plain": doubt,
        "both": doubt * (1 + given) / (1 + HIGHEST),
        "wrong": wrong.astype(float),
    }


def average_precision(truth: np.ndarray, suspicion: np.ndarray) -> float:
    """Return the average precision of a ranking, ties taken as one step; NaN where nothing is true."""
    truth = np.asarray(truth, float)
    if not truth.any():
        return float("nan")
    order = np.argsort(-suspicion, kind="stable")
    ranked, hits = suspicion[order], np.cumsum(truth[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    precision = hits[last] / (last + 1)
    return float((precision * np.diff(hits[last], prepend=0)).sum() / hits[-1])


def f1(truth: np.ndarray, suspected: np.ndarray) -> float:
    """Return the harmonic mean of precision and recall of a set of suspects; NaN where there is nothing to find."""
    truth, suspected = np.asarray(truth, bool), np.asarray(suspected, bool)
    size = int(truth.sum() + suspected.sum())
    return 2 * int((truth & suspected).sum()) / size if size else float("nan")


def flipped(labels: np.ndarray, classes: int, share: float, seed: int) -> np.ndarray:
    """Return labels of which a share, drawn at random, is another class, drawn at random: (N,) int.

    Parameters
    ----------
    labels : (N,) int
    classes : int
        At least two.
    share : float
        Rounded to whole labels.
    seed : int
    """
    if classes < 2 or not 0 <= share <= 1:
        raise BadInput(
            where="flipped", expected="two classes and a share", found=f"{classes}, {share}", remedy="correct it"
        )
    generator = np.random.default_rng(seed)
    drawn = generator.permutation(len(labels))[: round(share * len(labels))]
    moved = np.array(labels, int)
    moved[drawn] = (moved[drawn] + generator.integers(1, classes, len(drawn))) % classes
    return moved


def experiment(
    labels: np.ndarray,
    called: np.ndarray,
    probabilities: np.ndarray,
    score: np.ndarray,
    *,
    share: float = 0.1,
    seeds: int = 200,
    resamples: int = 10,
) -> dict:
    """Return how well each ranking finds labels that were flipped, over several drawings of them.

    Parameters
    ----------
    labels, called : (N,) int
        Classes; the call is not made anew, for the judge and the classifier saw no label.
    probabilities : (N, C) float
    score : (N,) float
        The judge's, NaN without.
    share : float
    seeds, resamples : int
        Drawings, and bootstrap samples of the records of each.

    Returns
    -------
    dict
        ``rankings``: by name `value`, `low`, `high` of the average precision; ``gains``: the same of the paired
        differences ``judge - plain``, ``both - plain`` and ``judge - wrong``; ``f1`` of the judge's suspects (wrong
        and judged high) and of ``wrong``; ``samples``, ``flipped``, ``share``. Values are means over the drawings; an
        interval holds the central 95 % of all drawings and bootstrap samples.
    """
    draws: dict[str, list[float]] = {name: [] for name in RANKINGS}
    values: dict[str, list[float]] = {name: [] for name in RANKINGS}
    found: dict[str, list[float]] = {"judge": [], "wrong": []}
    for seed in range(seeds):
        given = flipped(labels, probabilities.shape[1], share, seed)
        truth, wrong = given != labels, called != given
        ranked = suspicion(wrong, score, probabilities[np.arange(len(given)), given].astype(float))
        found["judge"].append(f1(truth, wrong & (score >= THRESHOLD)))
        found["wrong"].append(f1(truth, wrong))
        drawn = np.random.default_rng([seed, 1]).integers(0, len(given), (resamples, len(given)))
        for name, values_of in ranked.items():
            values[name].append(average_precision(truth, values_of))
            draws[name] += [average_precision(truth[rows], values_of[rows]) for rows in drawn]
    return {
        "samples": len(labels),
        "flipped": round(share * len(labels)),
        "share": share,
        "rankings": {name: _figure(values[name], draws[name]) for name in RANKINGS},
        "gains": {
            f"{first} - {second}": _figure(
                np.subtract(values[first], values[second]), np.subtract(draws[first], draws[second])
            )
            for first, second in (("judge", "plain"), ("both", "plain"), ("judge", "wrong"))
        },
        "f1": {name: float(np.mean(each)) for name, each in found.items()},
    }


def verdict(result: Mapping) -> str:
    """Return in one sentence whether the judge adds anything to the plain ranking."""
    if not any(result["gains"]["judge - wrong"].values()):
        return "The judge gives all the same score, so that there is nothing to rank by."
    gain = result["gains"]["both - plain"]
    figures = f"both together against the plain one {gain['value']:+.2f}, {gain['low']:+.2f} to {gain['high']:+.2f}"
    if gain["low"] > 0:
        return f"The judge adds to the plain ranking ({figures})."
    if gain["high"] < 0:
        return f"The judge adds nothing: with it the ranking is worse than the plain one ({figures})."
    return f"No difference from the plain ranking can be told from chance ({figures})."


def _figure(values: np.ndarray, draws: np.ndarray) -> dict:
    low, high = percentiles(np.asarray(draws)[~np.isnan(draws)])
    return {"value": float(np.nanmean(values)), "low": low, "high": high}

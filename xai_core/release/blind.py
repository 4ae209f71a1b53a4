"""The blind review: every item under every candidate, names hidden, order shuffled, and how far reviewers agree."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from xai_core.errors import BadInput
from xai_core.release.review_set import ReviewSet
from xai_core.review.verdicts import VERDICTS, Opinion, Verdicts, fold
from xai_core.runs import Run
from xai_core.scores.intervals import Estimate, percentiles


@dataclass(frozen=True)
class Task:
    """One case of a blind queue: an item under the candidate that a letter stands for."""

    letter: str
    run: Run
    sample_id: str


@dataclass(frozen=True)
class Agreement:
    """How far two reviewers agree on the cases that both have judged.

    Attributes
    ----------
    first, second : str
        The reviewers.
    cases : int
        (Run, item) pairs with a verdict of both.
    share : float
        Of the cases on which both said the same.
    kappa : Estimate
        Cohen's kappa with its 95 % bootstrap interval.
    """

    first: str
    second: str
    cases: int
    share: float
    kappa: Estimate


def queue(review_set: ReviewSet, runs: Sequence[Run], reviewer: str) -> list[Task]:
    """Return every item under every candidate that has it, in an order and under letters of this reviewer's own.

    Letters and order follow from the review set, the candidates and the reviewer's name alone: a reviewer who comes
    back goes on where she was, and two reviewers share neither.

    Raises
    ------
    BadInput
        Where there are more candidates than letters.
    """
    if len(runs) > len(string.ascii_uppercase):
        raise BadInput(expected="at most 26 candidates", found=str(len(runs)), remedy="leave some out")
    runs = sorted(runs, key=_key)
    seed = hashlib.sha256("\n".join([review_set.sha256, reviewer, *map(_key, runs)]).encode()).digest()
    generator = np.random.default_rng(list(seed))
    letters = generator.permutation(list(string.ascii_uppercase[: len(runs)])).tolist()
    tasks = [
        Task(letter, run, sample_id)
        for letter, run in zip(letters, runs, strict=True)
        for sample_id in sorted(set(review_set.ids) & set(run.records(["sample_id"])["sample_id"]))
    ]
    return [tasks[k] for k in generator.permutation(len(tasks))]


def opinions(verdicts: Verdicts, run: Run) -> dict[str, dict[str, Opinion]]:
    """Return by sample id and reviewer what each of them says of a run's records: nobody's words hide another's."""
    events = verdicts.history(_key(run))
    found: dict[str, dict[str, Opinion]] = {}
    for reviewer in dict.fromkeys(event.reviewer for event in events):
        own = fold(event for event in events if event.reviewer == reviewer)
        for sample_id, opinion in own.get(_key(run), {}).items():
            if opinion.verdict:
                found.setdefault(sample_id, {})[reviewer] = opinion
    return found


def said(verdicts: Verdicts, run: Run) -> dict[str, dict[str, str]]:
    """Return by sample id and reviewer the verdict that each of them gave."""
    return {
        sample_id: {reviewer: opinion.verdict for reviewer, opinion in by.items()}
        for sample_id, by in opinions(verdicts, run).items()
    }


def undo(verdicts: Verdicts, tasks: Sequence[Task], reviewer: str) -> int | None:
    """Take back the reviewer's newest verdict in a queue; return its place there, None without one."""
    given = {_key(run): opinions(verdicts, run) for run in {id(task.run): task.run for task in tasks}.values()}
    newest = max(
        (
            (given[_key(task.run)][task.sample_id][reviewer].at, place)
            for place, task in enumerate(tasks)
            if reviewer in given[_key(task.run)].get(task.sample_id, {})
        ),
        default=None,
    )
    if newest is None:
        return None
    verdicts.undo(_key(tasks[newest[1]].run), reviewer)
    return newest[1]


def unreviewed(review_set: ReviewSet, runs: Sequence[Run], verdicts: Verdicts) -> int:
    """Return how many (run, item) pairs nobody gave a verdict on."""
    return sum(sample_id not in by for run in runs for by in [said(verdicts, run)] for sample_id in review_set.ids)


def agreements(review_set: ReviewSet, runs: Sequence[Run], verdicts: Verdicts, *, seed: int = 0) -> list[Agreement]:
    """Return the agreement of each pair of reviewers who judged a case both, most cases first."""
    cases: list[Mapping[str, str]] = []
    for run in runs:
        by_item = said(verdicts, run)
        cases += [by_item[sample_id] for sample_id in review_set.ids if sample_id in by_item]
    reviewers = sorted({reviewer for case in cases for reviewer in case})
    found = []
    for first, second in combinations(reviewers, 2):
        both = [(case[first], case[second]) for case in cases if first in case and second in case]
        if both:
            same = float(np.mean([a == b for a, b in both]))
            found.append(Agreement(first, second, len(both), same, cohens_kappa(both, seed=seed)))
    return sorted(found, key=lambda agreement: -agreement.cases)


def cohens_kappa(pairs: Sequence[tuple[str, str]], *, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Return Cohen's kappa of pairs of verdicts with its 95 % percentile bootstrap interval over the pairs.

    Source: Cohen 1960. Without a value where both always said one and the same thing: chance alone gives that too.
    """
    keys = list(VERDICTS)
    table = np.zeros((len(keys), len(keys)))
    for first, second in pairs:
        table[keys.index(first), keys.index(second)] += 1
    value = float(_kappa(table[None])[0])
    if np.isnan(value):
        return Estimate(None, None, None, len(pairs), 0, "both said one thing alone: chance agrees as much")
    drawn = np.random.default_rng(seed).multinomial(len(pairs), table.ravel() / len(pairs), size=resamples)
    values = _kappa(drawn.reshape(-1, *table.shape))
    defined = values[~np.isnan(values)]
    if 2 * len(defined) < resamples:
        return Estimate(value, None, None, len(pairs), 0, "undefined in most resamples: no interval")
    return Estimate(value, *percentiles(defined), len(pairs))


def _kappa(tables: np.ndarray) -> np.ndarray:
    """Return the kappa of (R, K, K) counts, NaN where chance would agree always."""
    shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    observed = np.trace(shares, axis1=1, axis2=2)
    expected = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    room = 1 - expected
    return np.where(room > 1e-12, (observed - expected) / np.where(room > 1e-12, room, 1), np.nan)


def _key(run: Run) -> str:
    return run.manifest["content_digest"]

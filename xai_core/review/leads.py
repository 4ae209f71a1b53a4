"""Where to look first: the few sentences with a number that a run's records give, each with the query behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import NormalDist

import numpy as np

from xai_core.review.linked import MOST_CATEGORIES, bins_of
from xai_core.review.queries import Among, Query, Range
from xai_core.review.records import FOR_CALL, RIGHT, SCORED, WRONG, Records

CONFIDENT = 0.9
SMALLEST_GROUP = 10


@dataclass(frozen=True)
class Lead:
    """A sentence for a reader, how many records it speaks of, and the query that shows them."""

    sentence: str
    count: int
    query: Query


def leads(records: Records, *, most: int = 5) -> list[Lead]:
    """Return the places to look first, most urgent first; what does not occur is left out."""
    makers = (_unanswered, _missed, _errors, _false_alarms, _wrong_reasons, _association, _confident_errors, _empty)
    found = (lead for make in makers for lead in make(records) if lead.count)
    return list(islice(found, most))


def missed(records: Records) -> Query:
    """Return the query for the positive records that were called otherwise, lowest explanation coverage first."""
    return Query({"label": Among((records.positive,)), "outcome": Among((WRONG,))})


def missed_title(records: Records) -> str:
    """Return what a reader calls the missed positives of this run."""
    other = _other_class(records)
    if records.run.settings["bands"] == "lesions" and records.positive == "malignant":
        return f"Melanomas called {other}"
    return f"{records.positive.capitalize()} called {other}"


def _unanswered(records: Records) -> Iterator[Lead]:
    """Yield the records with an error: whatever is said of the others says nothing of these."""
    lost = (records.table["missing"] == "error").to_numpy()
    yield Lead(
        f"{lost.sum()} of {len(records)} images could not be read or explained: the classifier gave no answer there, "
        "and no figure counts them.",
        int(lost.sum()),
        Query({"missing": Among(("error",))}, sort="position"),
    )


def _missed(records: Records) -> Iterator[Lead]:
    if records.positive is None:
        return
    table = records.table
    positives = (table["label"] == records.positive).to_numpy() & _answered(records)
    lost = positives & (table["outcome"] == WRONG).to_numpy()
    yield Lead(
        f"{lost.sum()} of {positives.sum()} {records.positive} records were called {_other_class(records)}"
        + _evidence_outside(records, lost),
        int(lost.sum()),
        missed(records),
    )


def _false_alarms(records: Records) -> Iterator[Lead]:
    if records.positive is None:
        return
    table = records.table
    negatives = (table["label"] == _other_class(records)).to_numpy() & _answered(records)
    alarms = negatives & (table["outcome"] == WRONG).to_numpy()
    yield Lead(
        f"{alarms.sum()} of {negatives.sum()} {_other_class(records)} records were called {records.positive}"
        + _evidence_outside(records, alarms),
        int(alarms.sum()),
        Query({"label": Among((_other_class(records),)), "outcome": Among((WRONG,))}),
    )


def _errors(records: Records) -> Iterator[Lead]:
    if records.positive is not None:
        return
    wrong = (records.table["outcome"] == WRONG).to_numpy()
    judged = records.table["outcome"].isin((RIGHT, WRONG)).sum()
    yield Lead(
        f"{wrong.sum()} of {judged} records are called wrong" + _evidence_outside(records, wrong),
        int(wrong.sum()),
        Query({"outcome": Among((WRONG,))}),
    )


def _wrong_reasons(records: Records) -> Iterator[Lead]:
    """Yield the right calls whose explanation speaks for the call itself and lies elsewhere."""
    table = records.table
    own = (table["speaks_for"] == FOR_CALL).to_numpy()
    right = own & (table["outcome"] == RIGHT).to_numpy()
    context = own & (table["pattern"] == "sufficient_context").to_numpy()
    yield Lead(
        f"In {context.sum()} of the {right.sum()} right calls that the explanations speak for, explanation and "
        "outlined region hardly overlap: right, perhaps for the wrong reasons.",
        int(context.sum()),
        Query({"pattern": Among(("sufficient_context",)), "speaks_for": Among((FOR_CALL,))}, sort="iou"),
    )


def _confident_errors(records: Records) -> Iterator[Lead]:
    wrong = (records.table["outcome"] == WRONG).to_numpy()
    sure = wrong & (records.rank("confidence") >= CONFIDENT)
    yield Lead(
        f"{sure.sum()} of {wrong.sum()} wrong calls were made with a confidence of {CONFIDENT:g} or more.",
        int(sure.sum()),
        Query(
            {"outcome": Among((WRONG,)), "confidence": Range(CONFIDENT, 1.0, closed=True)},
            sort="confidence",
            descending=True,
        ),
    )


def _empty(records: Records) -> Iterator[Lead]:
    empty = (records.table["missing"] == "empty_explanation").to_numpy()
    yield Lead(
        f"In {empty.sum()} of {len(records)} records nothing spoke for the explained class: the explanation is empty.",
        int(empty.sum()),
        Query({"missing": Among(("empty_explanation",))}, sort="confidence", descending=True),
    )


def _association(records: Records) -> Iterator[Lead]:
    """Yield the group of records by metadata whose explanations lie least on the region, where chance does not tell it.

    Every group of at least ten is held against the rest by the difference of mean excess explanation coverage; the
    interval is Bonferroni's over all groups looked at, so that the lowest of many is not shown for being the lowest.
    """
    excess = records.rank("excess_explanation_coverage")
    groups = list(_groups(records, ~np.isnan(excess)))
    lowest = None
    for column, value, inside, outside in groups:
        difference, error = _difference(excess[inside], excess[outside])
        upper = difference + NormalDist().inv_cdf(1 - 0.025 / len(groups)) * error
        if upper < 0 and (lowest is None or difference < lowest[0]):
            lowest = difference, column, value, int(inside.sum())
    if lowest is not None:
        difference, column, value, count = lowest
        yield Lead(
            f"Where {_group_name(records, column, value)} ({count} records), explanations keep to the outlined region "
            f"less than elsewhere: coverage above chance is lower by {-difference:.2f}.",
            count,
            Query({column: Among((value,)), "missing": Among((SCORED,))}),
        )


def _group_name(records: Records, column: str, value: object) -> str:
    name = column.removeprefix("meta_").replace("_", " ")
    if set(records.table[column].dropna().unique()) == {0, 1}:
        return f"{name.removeprefix('has ')} is {'present' if value else 'absent'}"
    return f"{name} is {value}"


def _groups(records: Records, known: np.ndarray) -> Iterator[tuple]:
    for column in (name for name in records.table if name.startswith("meta_")):
        if records.table[column].nunique() > MOST_CATEGORIES:
            continue
        for value in bins_of(records, column).categories:
            inside = known & (records.table[column] == value).to_numpy(bool, na_value=False)
            outside = known & (records.table[column] != value).to_numpy(bool, na_value=False)
            if min(inside.sum(), outside.sum()) >= SMALLEST_GROUP:
                yield column, value, inside, outside


def _difference(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Return the difference of two means and its standard error (Welch)."""
    error = np.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other))
    return float(one.mean() - other.mean()), float(error)


def _answered(records: Records) -> np.ndarray:
    return (records.table["missing"] != "error").to_numpy()


def _evidence_outside(records: Records, chosen: np.ndarray) -> str:
    """Return the end of a sentence on some records: in how many most of the explanation lies outside the outline."""
    coverage = records.rank("explanation_coverage")[chosen]
    outside, known = int((coverage < 0.5).sum()), int((~np.isnan(coverage)).sum())
    if not known:
        return "; none of them has both an explanation and an outline."
    return (
        f"; in {outside} of the {known} with an explanation and an outline, most of {_evidence(records)} lies outside "
        "the outlined region."
    )


def _evidence(records: Records) -> str:
    target = records.run.settings["target"]
    return {"predicted": "the evidence for the call", "label": "the evidence for the label"}.get(
        target, f"the evidence for {target}"
    )


def _other_class(records: Records) -> str:
    return next(name for name in records.run.settings["class_names"] if name != records.positive)

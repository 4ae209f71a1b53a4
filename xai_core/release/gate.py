"""The gate: whether a candidate passes a release policy, by its metrics and by its explanations, on frozen cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.files import sealed
from xai_core.release import blind
from xai_core.release.explanation_rules import (
    ALIKE,
    explanation_rules,
    people_rule,
    randomisation_rule,
    undefined_rule,
    veto_rule,
)
from xai_core.release.metric_rules import differences_of, metric_rules, values_of
from xai_core.release.policy import Policy
from xai_core.release.reliance_rules import reliance_rules
from xai_core.release.review_set import ReviewSet
from xai_core.release.rules import EXPLANATION, METRIC, NO_ITEM, Outcome, Side
from xai_core.review.verdicts import Verdicts
from xai_core.runs import Run, open_run
from xai_core.runs.tables import threshold_of

FORMAT = "right-reasons gate 1"
PASS, FAIL_METRIC, FAIL_EXPLANATION, FAIL_BOTH, INCOMPLETE = VERDICTS = (
    "pass",
    "fail_metric",
    "fail_explanation",
    "fail_both",
    "incomplete",
)
_ABOUT = ("classifier", "classifier_digest", "dataset", "split", *ALIKE)


def gate_folders(
    candidate: str | Path,
    review_set: ReviewSet,
    policy: Policy,
    *,
    baseline: str | Path | None = None,
    verdicts: Verdicts | None = None,
) -> dict:
    """Return what `gate` says of runs in folders; a folder without a run makes it incomplete."""
    candidate, baseline = (folder and _opened(folder) for folder in (candidate, baseline))
    return gate(candidate, review_set, policy, baseline=baseline, verdicts=verdicts)


def gate(
    candidate: Run | BadInput,
    review_set: ReviewSet,
    policy: Policy,
    *,
    baseline: Run | BadInput | None = None,
    verdicts: Verdicts | None = None,
) -> dict:
    """Return whether a candidate passes a policy, as plain JSON values.

    Parameters
    ----------
    candidate : Run or BadInput
        The error of opening it where there is no run: the verdict is then ``incomplete``.
    review_set : ReviewSet
        The items that the explanation rules look at.
    policy : Policy
    baseline : Run or BadInput, optional
        What rules of non-inferiority compare with; not read where the policy has none.
    verdicts : Verdicts, optional
        Where the words of people are kept.

    Returns
    -------
    dict
        ``verdict``: ``pass``, ``fail_metric``, ``fail_explanation``, ``fail_both`` or ``incomplete``; ``rules``, each
        as `rules.Outcome` has it; ``missing``, a line for each piece that could not be had; ``warnings``; and what
        entered, with digests: ``candidate``, ``baseline``, ``review_set``, ``policy``, ``people``; ``sha256`` over
        all of it.

    Notes
    -----
    A missing piece makes the verdict incomplete whatever the other rules say; they are reported all the same.
    """
    own = _side("candidate", candidate, review_set)
    theirs = _side("baseline", baseline, review_set) if baseline is not None and policy.needs_baseline else None
    outcomes = [*_metric_outcomes(policy, own, theirs)]
    outcomes += _explanation_outcomes(policy, own, theirs, review_set, verdicts)
    missing = [] if review_set.items else [NO_ITEM]
    missing += [line for side in (own, theirs) if side for line in side.missing]
    missing += [found.message for found in outcomes if found.passed is None]
    result = {
        "format": FORMAT,
        "verdict": verdict_of(outcomes, missing),
        "rules": [found.as_dict() for found in outcomes],
        "missing": list(dict.fromkeys(missing)),
        "warnings": list(_warnings(policy, review_set, own.run)),
        "candidate": own.run and _about(own.run),
        "baseline": theirs and theirs.run and _about(theirs.run),
        "review_set": {"sha256": review_set.sha256, "items": len(review_set.items)},
        "policy": {"name": policy.name, "sha256": policy.sha256},
        "people": _people(review_set, own.run, verdicts) if own.run and verdicts else None,
    }
    return sealed(result)


def verdict_of(outcomes: Sequence[Outcome], missing: Sequence[str]) -> str:
    """Return the verdict that rules and missing pieces make up."""
    if missing or any(found.passed is None for found in outcomes):
        return INCOMPLETE
    failed = {found.kind for found in outcomes if not found.passed}
    return {
        frozenset(): PASS,
        frozenset({METRIC}): FAIL_METRIC,
        frozenset({EXPLANATION}): FAIL_EXPLANATION,
        frozenset({METRIC, EXPLANATION}): FAIL_BOTH,
    }[frozenset(failed)]


def _opened(folder: str | Path) -> Run | BadInput:
    try:
        return open_run(folder)
    except BadInput as error:
        return error


def _side(role: str, run: Run | BadInput, review_set: ReviewSet) -> Side:
    """Return a run with a line for each thing that is wrong with its files, or with an item in it."""
    if isinstance(run, BadInput):
        return Side(role, None, (f"{role}: {run}",))
    if damaged := run.verify():
        return Side(role, None, tuple(f"{role}: {line}" for line in damaged))
    lines = review_set.problems(run)
    records = run.records(["sample_id", "status", "error"]).set_index("sample_id")
    failed = records[records["status"] != "ok"]
    lines += [f"{i}: not explained ({failed['error'][i]})" for i in review_set.ids if i in failed.index]
    return Side(role, run, tuple(f"{role}: {line}" for line in lines))


def _metric_outcomes(policy: Policy, candidate: Side, baseline: Side | None) -> Iterator[Outcome]:
    values = values_of(candidate)
    differences = differences_of(candidate, baseline) if policy.needs_baseline else {}
    for rule in policy.metric:
        yield from metric_rules(rule, values, differences)


def _explanation_outcomes(
    policy: Policy, candidate: Side, baseline: Side | None, review_set: ReviewSet, verdicts: Verdicts | None
) -> Iterator[Outcome]:
    said = blind.said(verdicts, candidate.run) if verdicts and candidate.run else {}
    for rule in policy.explanation:
        yield from explanation_rules(rule, candidate, baseline, review_set)
    if policy.reliance is not None:
        yield from reliance_rules(policy.reliance, candidate, baseline, review_set.ids)
    yield undefined_rule(policy, candidate, review_set)
    if policy.people is not None:
        yield people_rule(policy.people, candidate, review_set, said)
    if policy.veto != "off":
        yield veto_rule(policy, candidate, review_set, said)
    if policy.randomisation_check == "required":
        yield randomisation_rule(candidate)


def _warnings(policy: Policy, review_set: ReviewSet, candidate: Run | None) -> Iterator[str]:
    if len(review_set.items) < policy.least_items:
        yield f"the review set holds {len(review_set.items)} items, fewer than {policy.least_items}: intervals are wide"
    if any(rule.each_class for rule in policy.explanation):
        for label, count in sorted(Counter(item.label for item in review_set.items).items()):
            if count < policy.least_items_of_class:
                least = policy.least_items_of_class
                yield f"the review set holds {count} items of {label}, fewer than {least}: its interval is wide"
    if candidate is None:
        return
    if not candidate.settings.get("split"):
        yield "the run names no split: whether its records are held out cannot be told"
    if left_out := sum(candidate.manifest.get("left_out", {}).values()):
        yield f"{left_out} rows of the data set have no record in the run (`check` lists them)"


def _people(review_set: ReviewSet, run: Run, verdicts: Verdicts) -> dict:
    """Return what people said of the items: how many were reviewed, and how far reviewers agree."""
    left = blind.unreviewed(review_set, [run], verdicts)
    return {
        "version": verdicts.version(_key(run)),
        "reviewed": len(review_set.items) - left,
        "agreement": [asdict(pair) for pair in blind.agreements(review_set, [run], verdicts)],
    }


def _about(run: Run) -> dict:
    about = {key: run.settings.get(key) for key in _ABOUT}
    return {
        "run": str(run.folder),
        "content_digest": _key(run),
        **about,
        "threshold": threshold_of(run, None),
        "records": len(run),
    }


def _key(run: Run) -> str:
    return run.manifest["content_digest"]

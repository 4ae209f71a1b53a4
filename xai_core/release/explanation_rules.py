"""The explanation rules of a policy: over the items of a review set, and what people and probes say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from xai_core.errors import BadInput
from xai_core.release import trust
from xai_core.release.policy import ExplanationRule, PeopleRule, Policy
from xai_core.release.review_set import ReviewSet
from xai_core.release.rules import (
    EXPLANATION,
    NO_BASELINE,
    ROUNDING,
    Outcome,
    Side,
    chosen,
    classes_of,
    closed,
    missing_of,
    of_items,
    outcome,
    share,
)
from xai_core.scores import intervals
from xai_core.scores.intervals import Estimate

PASSED, VETO = "right_reasons", "wrong_reasons"
# what has to be the same where explanations of two runs are held against each other
ALIKE = ("method", "parameters", "target", "region_rule")


def explanation_rules(
    rule: ExplanationRule, candidate: Side, baseline: Side | None, review_set: ReviewSet
) -> list[Outcome]:
    """Return what became of an explanation rule: one outcome for each threshold that it names, and for each class."""
    labels = classes_of(review_set) if rule.each_class and review_set.items else [None]
    return [found for label in labels for found in _of_class(rule, label, candidate, baseline, review_set)]


def _of_class(
    rule: ExplanationRule, label: str | None, candidate: Side, baseline: Side | None, review_set: ReviewSet
) -> list[Outcome]:
    ids = chosen(review_set, rule.strata, label)
    name = f"{rule.score} above {rule.excess_over} chance{of_items(rule.strata, label)}"
    missing = missing_of(ids, candidate.uncomputed(ids, rule), rule.strata, label)
    values = candidate.excess(ids, rule)
    outcomes = []
    if rule.floor is not None:
        found = outcome(name, EXPLANATION, intervals.mean(values), rule.floor, rule.decides)
        outcomes.append(closed(found, missing, ids, values, rule.floor))
    if rule.not_worse_than_baseline_by is not None:
        outcomes.append(_against_baseline(rule, f"{name}, against the baseline", candidate, baseline, ids, missing))
    if rule.least_share is not None:
        passes = values >= rule.item_passes_from - ROUNDING
        title = f"share of items {rule.item_passes_from:g} or more in {name}"
        found = outcome(title, EXPLANATION, share(passes), rule.least_share, rule.decides)
        outcomes.append(closed(found, missing, ids, values, rule.item_passes_from))
    return outcomes


def _against_baseline(
    rule: ExplanationRule, name: str, candidate: Side, baseline: Side | None, ids: Sequence[str], missing: str
) -> Outcome:
    margin = -rule.not_worse_than_baseline_by
    if baseline is None:
        return Outcome(name, EXPLANATION, None, threshold=margin, decides=rule.decides, message=NO_BASELINE)
    missing = missing or _unlike(candidate, baseline) or baseline.uncomputed(ids, rule)
    own, theirs = candidate.excess(ids, rule), baseline.excess(ids, rule)
    found = outcome(name, EXPLANATION, intervals.paired(own, theirs), margin, rule.decides)
    if not missing and found.n == 0 and not np.isnan(own).all():
        missing = "baseline: every explanation is empty"
    # an item that is empty in the baseline alone is no fault of the candidate's
    faults = np.where(np.isnan(theirs) & ~np.isnan(own), np.inf, own - theirs)
    return closed(found, missing, ids, faults, margin)


def undefined_rule(policy: Policy, candidate: Side, review_set: ReviewSet) -> Outcome:
    """Return whether few enough explanations are empty: the point decides."""
    ids = list(review_set.ids)
    empty = candidate.empty(ids)
    found = outcome(
        "share of items with an empty explanation",
        EXPLANATION,
        share(empty),
        policy.largest_share_undefined,
        "point",
        at_most=True,
    )
    return closed(found, missing_of(ids, candidate.absent(ids)), ids, -empty.astype(float), 0.0)


def people_rule(
    rule: PeopleRule, candidate: Side, review_set: ReviewSet, said: Mapping[str, Mapping[str, str]]
) -> Outcome:
    """Return whether people passed enough of the items; `said` is the verdict of each reviewer, by item."""
    ids = chosen(review_set, rule.strata)
    passes = np.array([PASSED in (v := set(said.get(i, {}).values())) and VETO not in v for i in ids], bool)
    name = f"share of items that people passed{of_items(rule.strata)}"
    found = outcome(name, EXPLANATION, share(passes), rule.least_share, rule.decides)
    missing = missing_of(ids, candidate.gone or unreviewed(ids, said), rule.strata)
    return closed(found, missing, ids, passes.astype(float), 1.0)


def veto_rule(policy: Policy, candidate: Side, review_set: ReviewSet, said: Mapping[str, Mapping[str, str]]) -> Outcome:
    """Return whether no reviewer called an item ``wrong_reasons``."""
    ids = list(review_set.ids)
    vetoed = np.array([VETO in said.get(i, {}).values() for i in ids], bool)
    count = Estimate(int(vetoed.sum()), None, None, len(ids))
    found = outcome("items with a veto", EXPLANATION, count, 0, "point", at_most=True)
    missing = candidate.gone or (unreviewed(ids, said) if policy.veto == "asked" else "")
    reviewed = sum(i in said for i in ids)
    found = replace(found, message=f"{reviewed} of {len(ids)} items were reviewed by a person")
    return closed(found, missing_of(ids, missing), ids, -vetoed.astype(float), 0.0)


def unreviewed(ids: Sequence[str], said: Mapping[str, Mapping[str, str]]) -> str:
    """Return which items no person gave a verdict on, '' where all have one."""
    left = [i for i in ids if not said.get(i)]
    return f"{len(left)} of {len(ids)} items not reviewed by a person, {left[0]} the first" if left else ""


def randomisation_rule(candidate: Side) -> Outcome:
    """Return whether the explainer passed the randomisation check that is stored with the run.

    The figure is how far heatmaps for a network with random weights correlate with the trained one's.
    """
    undecided = Outcome("randomisation check", EXPLANATION, None)
    if candidate.gone:
        return replace(undecided, message=candidate.gone)
    try:
        found = trust.read(candidate.run)
    except BadInput as error:
        return replace(undecided, message=f"candidate: {error}")
    if found is None:
        missing = f"candidate: no randomisation check is stored in {candidate.run.folder}: `probe` makes it"
        return replace(undecided, message=missing)
    check = found["randomisation"]
    last = check["layers"][-1]
    return replace(
        undecided,
        passed=check["passed"],
        figure=last["spearman"],
        low=last["spearman_low"],
        high=last["spearman_high"],
        n=last["n"],
        decides="bound",
        message=check["finding"] if check["passed"] is not None else f"candidate: {check['finding']}",
    )


def _unlike(candidate: Side, baseline: Side) -> str:
    """Return why explanations of two runs cannot be held against each other, '' where they can."""
    if candidate.gone or baseline.gone:
        return ""
    for key in ALIKE:
        own, theirs = candidate.run.settings[key], baseline.run.settings[key]
        if own != theirs:
            return f"baseline: its {key.replace('_', ' ')} is {theirs}, the candidate's {own}"
    return ""

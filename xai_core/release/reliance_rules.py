"""The reliance rule of a policy: whether the calls rest on the outlined region rather than on its surroundings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xai_core.errors import BadInput
from xai_core.probes.causal import FILLS
from xai_core.release import reliance
from xai_core.release.policy import RelianceRule
from xai_core.release.rules import EXPLANATION, NO_BASELINE, Outcome, Side, closed, outcome
from xai_core.scores.intervals import Estimate


def reliance_rules(rule: RelianceRule, candidate: Side, baseline: Side | None, ids: Sequence[str]) -> list[Outcome]:
    """Return what became of a reliance rule: one outcome for each threshold and each fill, all have to pass.

    Parameters
    ----------
    ids : sequence of str
        The items: those of whose label the surroundings say more than the region are named where the rule fails.
    """
    found, missing = _measured(candidate)
    theirs, gone = (None, NO_BASELINE) if baseline is None else _measured(baseline)
    outcomes = []
    for fill, filled in FILLS.items():
        name = f"reliance on the region (hidden: {filled})"
        margins = _margins(found, fill, ids)
        if rule.floor is not None:
            own = _unknown(missing) if missing else Estimate(**found["fills"][fill]["reliance"])
            outcomes.append(_closed(name, own, rule.floor, rule, missing, margins))
        if rule.not_worse_than_baseline_by is not None:
            why = missing or gone
            paired = _unknown(why) if why else reliance.against(found, theirs, fill)
            why = why or ("" if paired.value is not None else f"baseline: {paired.reason}")
            name = f"{name}, against the baseline"
            outcomes.append(_closed(name, paired, -rule.not_worse_than_baseline_by, rule, why, margins))
    return outcomes


def _measured(side: Side) -> tuple[dict | None, str]:
    """Return what was measured of a run, and why it cannot be used: '' where it can."""
    if side.gone:
        return None, side.gone
    try:
        found = reliance.read(side.run)
    except BadInput as error:
        return None, f"{side.role}: {error}"
    if found is None:
        return None, f"{side.role}: no reliance is stored in {side.run.folder}: `reliance` measures it"
    lost = sum(found["samples"]["unusable"].values())
    return found, f"{side.role}: {lost} images were not at hand when reliance was measured" if lost else ""


def _margins(found: dict | None, fill: str, ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the items that were measured, and how much more of their label the region says than the surroundings."""
    if found is None:
        return [], np.empty(0)
    answers, wanted = found["answers"], set(ids)
    places = [k for k, sample_id in enumerate(answers["ids"]) if sample_id in wanted]
    sign = np.where(np.array(answers["labels"])[places], 1, -1)
    difference = np.array(answers[fill]["region"])[places] - np.array(answers[fill]["surroundings"])[places]
    return [answers["ids"][k] for k in places], sign * difference


def _closed(
    name: str,
    estimate: Estimate,
    threshold: float,
    rule: RelianceRule,
    missing: str,
    margins: tuple[list[str], np.ndarray],
) -> Outcome:
    found = outcome(name, EXPLANATION, estimate, threshold, rule.decides)
    return closed(found, missing or (estimate.reason if found.passed is None else ""), *margins, 0.0)


def _unknown(reason: str) -> Estimate:
    return Estimate(None, None, None, 0, 0, reason)

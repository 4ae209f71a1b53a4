"""The metric rules of a policy: over every record of a run, which has to hold the whole held-out split."""

from __future__ import annotations

from collections.abc import Iterator

from xai_core.release.policy import MetricRule
from xai_core.release.rules import METRIC, NO_BASELINE, Outcome, Side, outcome
from xai_core.runs import Run
from xai_core.runs.tables import positive_of, threshold_of
from xai_core.scores.differences import difference
from xai_core.scores.intervals import Estimate

NOT_HELD_OUT = ("train", "training")


def metric_rules(rule: MetricRule, metrics: dict, candidate: Side, baseline: Side | None) -> Iterator[Outcome]:
    """Yield what became of a metric rule: one outcome for each threshold that it names.

    Parameters
    ----------
    metrics : dict
        The candidate's, from `evaluated`; empty where there is something `not_whole` about it.
    """
    missing = not_whole(candidate)
    limit = rule.ceiling if rule.lower_is_better else rule.floor
    if limit is not None:
        estimate = _undecided(missing) if missing else _estimate(metrics[rule.metric])
        yield outcome(rule.metric, METRIC, estimate, limit, rule.decides, at_most=rule.lower_is_better)
    if rule.not_worse_than_baseline_by is not None:
        missing = missing or (NO_BASELINE if baseline is None else _unlike(candidate, baseline))
        estimate = _undecided(missing) if missing else _difference(rule.metric, candidate, baseline)
        margin = rule.not_worse_than_baseline_by * (1 if rule.lower_is_better else -1)
        name = f"{rule.metric}, against the baseline"
        yield outcome(name, METRIC, estimate, margin, rule.decides, at_most=rule.lower_is_better)


def _undecided(reason: str) -> Estimate:
    return Estimate(None, None, None, 0, 0, reason)


def _estimate(entry: dict) -> Estimate:
    reason = entry.get("reason", "")
    return Estimate(entry["value"], entry["low"], entry["high"], entry["n"], entry["left_out"], reason)


def _difference(metric: str, candidate: Side, baseline: Side) -> Estimate:
    return difference(
        candidate.table["label_index"].to_numpy(),
        probabilities_of(candidate),
        probabilities_of(baseline),
        metric,
        positive=positive_of(candidate.run),
        thresholds=(operating_point(candidate.run), operating_point(baseline.run)),
    )


def evaluated(side: Side) -> dict[str, dict]:
    """Return every metric of a run over all its records, with intervals."""
    from xai_core.scores import metrics

    return metrics.evaluate(
        side.table["label_index"].to_numpy(),
        probabilities_of(side),
        positive=positive_of(side.run),
        threshold=operating_point(side.run),
    )


def not_whole(side: Side) -> str:
    """Return why a run does not speak for a whole held-out split, '' where it does as far as it says."""
    if side.run is None:
        return side.missing[0]
    settings, errors = side.run.settings, side.run.manifest["errors"]
    found = ""
    if not len(side.run):
        found = "the run has no record"
    elif settings.get("split") in NOT_HELD_OUT:
        found = f"the run is over the split {settings['split']}, which is not held out"
    elif settings.get("limit") is not None:
        found = f"the run holds at most {settings['limit']} samples of its split: explain all of it"
    elif errors:
        found = f"{errors} of {len(side.run)} records have an error"
    return f"{side.role}: {found}" if found else ""


def probabilities_of(side: Side):
    """Return (N, C) float32 in the order of `Side.table`."""
    import numpy as np

    return np.stack(side.table["probabilities"].to_list())


def operating_point(run: Run) -> float:
    """Return the threshold that a run was explained at; 0.5 where no class is positive and none is read."""
    at = threshold_of(run, None)
    return 0.5 if at is None else at


def _unlike(candidate: Side, baseline: Side) -> str:
    """Return why two runs cannot be compared record by record, '' where they can."""
    if reason := not_whole(baseline):
        return reason
    for key, what in (("class_names", "classes are"), ("positive", "positive class is")):
        if candidate.run.settings[key] != baseline.run.settings[key]:
            return f"baseline: its {what} {baseline.run.settings[key]}, the candidate's {candidate.run.settings[key]}"
    own, theirs = (side.table[["image_hash", "label_index"]].reset_index() for side in (candidate, baseline))
    shared = own.merge(theirs)
    if len(shared) == len(own) == len(theirs):
        return ""
    return f"baseline: {len(theirs)} records, of which {len(shared)} are the candidate's {len(own)}"

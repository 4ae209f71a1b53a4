"""The metric rules of a policy: over every record of a run, which has to hold the whole held-out split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xai_core.errors import BadInput
from xai_core.release.paired import metric_differences, side_by_side
from xai_core.release.policy import MetricRule
from xai_core.release.rules import METRIC, NO_BASELINE, Outcome, Side, outcome
from xai_core.runs.tables import positive_of, threshold_of
from xai_core.scores import metrics
from xai_core.scores.intervals import Estimate

NOT_HELD_OUT = ("train", "training")


def metric_rules(
    rule: MetricRule, values: Mapping[str, Estimate], differences: Mapping[str, Estimate]
) -> Iterator[Outcome]:
    """Yield what became of a metric rule: one outcome for each threshold that it names.

    Parameters
    ----------
    values : mapping
        The candidate's metrics by name, from `values_of`.
    differences : mapping
        What they are above the baseline's, from `differences_of`.
    """
    limit = rule.ceiling if rule.lower_is_better else rule.floor
    if limit is not None:
        found = values[rule.metric]
        yield outcome(rule.metric, METRIC, found, limit, rule.decides, at_most=rule.lower_is_better)
    if rule.not_worse_than_baseline_by is not None:
        found, name = differences[rule.metric], f"{rule.metric}, against the baseline"
        margin = rule.not_worse_than_baseline_by * (1 if rule.lower_is_better else -1)
        yield outcome(name, METRIC, found, margin, rule.decides, at_most=rule.lower_is_better)


def values_of(side: Side) -> dict[str, Estimate]:
    """Return every metric over all records of a run; without a value, and the reason, where it is not whole."""
    if reason := not_whole(side):
        return _unknown(reason)
    at = threshold_of(side.run, None)
    found = metrics.evaluate(
        side.table["label_index"].to_numpy(),
        side.run.probabilities(),
        positive=positive_of(side.run),
        threshold=0.5 if at is None else at,
    )
    return {name: _estimate(entry, "value") for name, entry in found.items()}


def differences_of(candidate: Side, baseline: Side | None) -> dict[str, Estimate]:
    """Return every metric of the candidate minus the baseline's, paired; else without a value, and the reason."""
    reason = not_whole(candidate) or (NO_BASELINE if baseline is None else not_whole(baseline))
    if reason:
        return _unknown(reason)
    try:
        before, now = side_by_side([baseline.run, candidate.run], ["baseline", "candidate"])
    except BadInput as error:
        return _unknown(f"baseline: {error}")
    if before.left_out or now.left_out:
        return _unknown(
            f"baseline: of its {len(baseline.run)} records and the candidate's {len(candidate.run)} only "
            f"{len(now.ids)} are about the same images"
        )
    return {name: _estimate(entry, "difference") for name, entry in metric_differences(before, now).items()}


def not_whole(side: Side) -> str:
    """Return why a run does not speak for a whole held-out split, '' where it does as far as it says."""
    if side.gone:
        return side.gone
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


def _unknown(reason: str) -> dict[str, Estimate]:
    return dict.fromkeys(metrics.NAMES, Estimate(None, None, None, 0, 0, reason))


def _estimate(entry: dict, value: str) -> Estimate:
    reason, left_out = entry.get("reason", ""), entry.get("left_out", 0)
    return Estimate(entry[value], entry["low"], entry["high"], entry["n"], left_out, reason)

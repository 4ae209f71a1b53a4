"""Each metric's value, why it has none, and its values over bootstrap resamples, for `metrics.evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xai_core.scores import resampling
from xai_core.scores.cases import Case

NAMES = (
    "auc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "specificity_at_sensitivity_95",
    "specificity_at_sensitivity_98",
    "specificity_at_sensitivity_99",
    "ece",
    "brier",
)
SENSITIVITIES = {f"specificity_at_sensitivity_{s}": s / 100 for s in (95, 98, 99)}
BINS = 15
# Class x sample x resample: past it the resamples of a one-against-rest AUC would take minutes.
AUC_CELLS = 300_000_000

_BINARY_ONLY = {"average_precision", "sensitivity", "specificity", *SENSITIVITIES}
_TWO_CLASSES = {"auc", "average_precision", "balanced_accuracy", *SENSITIVITIES}


def reasons(case: Case) -> dict[str, str]:
    """Return why each metric has no value, '' where it has one."""
    import numpy as np

    if not len(case.labels):
        return dict.fromkeys(NAMES, "no labelled sample")
    classes = len(np.unique(case.labels))
    found = dict.fromkeys(NAMES, "")
    if case.positive is None:
        found |= dict.fromkeys(_BINARY_ONLY, "needs a positive class")
        absent = case.probabilities.shape[1] - classes
        found["auc"] = f"{absent} classes have no sample" if absent else ""
        found["balanced_accuracy"] = "one class only" if classes < 2 else ""
        return found
    positives = int(case.event.sum())
    if positives in (0, len(case.event)):
        found |= dict.fromkeys(_TWO_CLASSES, "one class only")
        absent = ("sensitivity", "no positive sample") if positives == 0 else ("specificity", "no negative sample")
        found[absent[0]] = absent[1]
    return found


def no_interval(name: str, case: Case, resamples: int) -> str:
    """Return why a metric that has a value has no interval, '' where it has one."""
    events = int(case.event.sum())
    if case.positive is None:
        count = len(case.labels)
        if name == "auc" and case.probabilities.size * resamples > AUC_CELLS:
            return "no interval: too many classes and samples"
    elif name in _TWO_CLASSES:
        count = min(events, len(case.event) - events)
    else:
        count = {"sensitivity": events, "specificity": len(case.event) - events}.get(name, len(case.event))
    return "" if count > 1 else "one sample alone has no interval"


def _value_auc(case: Case) -> float:
    import numpy as np
    from sklearn.metrics import roc_auc_score

    if case.positive is not None:
        return float(roc_auc_score(case.event, case.p))
    # roc_auc_score per class takes 46 s for 1,000 classes and 50,000 samples; this takes 5, with the same answer.
    return float(_one_against_rest(case, np.ones((1, len(case.labels))))[0])


def _value_average_precision(case: Case) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(case.event, case.p))


def _value_balanced_accuracy(case: Case) -> float:
    import numpy as np
    from sklearn.metrics import recall_score

    # balanced_accuracy_score warns where a class was called that no sample has.
    present = np.unique(case.labels)
    return float(recall_score(case.labels, case.called, labels=present, average="macro"))


def _value_recall(case: Case, of_positive: bool) -> float:
    from sklearn.metrics import recall_score

    return float(recall_score(case.event, case.called == case.positive, pos_label=of_positive))


def _value_specificity_at(case: Case, sensitivity: float) -> float:
    false_rate, true_rate = _roc(case)
    return float(1 - false_rate[(true_rate >= sensitivity).argmax()])


def _roc(case: Case) -> tuple[Any, Any]:
    from sklearn.metrics import roc_curve

    # The thinned curve leaves out points between ties, among them the first one that reaches a sensitivity.
    return roc_curve(case.event, case.p, drop_intermediate=False)[:2]


def _value_ece(case: Case) -> float:
    import numpy as np

    return float(resampling.calibration_error(np.ones((1, len(case.p))), case.p, case.event, BINS)[0])


def resampled(case: Case, names: Sequence[str], seed: int, resamples: int) -> dict[str, Any]:
    """Return each metric in each resample, {name: (resamples,)}."""
    import numpy as np

    if not names:
        return {}
    parts = [_of_block(case, block, names) for block in resampling.weights(case.strata, resamples=resamples, seed=seed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _of_block(case: Case, block: Any, names: Sequence[str]) -> dict[str, Any]:
    called_positive = case.called == case.positive
    work: dict[str, Callable[[], Any]] = {
        "accuracy": lambda: resampling.average(block, case.right),
        "balanced_accuracy": lambda: resampling.mean_recall(block, case.labels, case.right),
        "sensitivity": lambda: resampling.share(block, called_positive, case.event),
        "specificity": lambda: resampling.share(block, ~called_positive, ~case.event),
        "ece": lambda: resampling.calibration_error(block, case.p, case.event, BINS),
        "brier": lambda: resampling.average(block, case.brier),
    }
    if case.positive is None:
        work["auc"] = lambda: _one_against_rest(case, block)
    elif "auc" in names:
        points = resampling.curve(block, case.event, *resampling.descending(case.p))
        work["auc"] = lambda: resampling.auc(*points)
        work["average_precision"] = lambda: resampling.average_precision(*points)
        for name, s in SENSITIVITIES.items():
            work[name] = lambda s=s: resampling.specificity_at(*points, s)
    return {name: work[name]() for name in names}


def _one_against_rest(case: Case, block: Any) -> Any:
    total = 0.0
    for column in range(case.probabilities.shape[1]):
        order, ends = resampling.descending(case.probabilities[:, column])
        total = total + resampling.auc(*resampling.curve(block, case.labels == column, order, ends))
    return total / case.probabilities.shape[1]


VALUES: dict[str, Callable[[Case], float]] = {
    "auc": _value_auc,
    "average_precision": _value_average_precision,
    "accuracy": lambda case: float(case.right.mean()),
    "balanced_accuracy": _value_balanced_accuracy,
    "sensitivity": lambda case: _value_recall(case, True),
    "specificity": lambda case: _value_recall(case, False),
    **{name: lambda case, s=s: _value_specificity_at(case, s) for name, s in SENSITIVITIES.items()},
    "ece": _value_ece,
    "brier": lambda case: float(case.brier.mean()),
}

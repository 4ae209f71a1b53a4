"""Labels and probabilities at the door of the metrics: read, checked, called, and put in an order of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from xai_core.errors import BadInput
from xai_core.scores.arrays import to_numpy


@dataclass(frozen=True)
class Case:
    """Labelled samples in an order that depends on the set alone, and how each was called.

    `p` and `event` are the probability of the positive class and whether the sample is positive; where no class is
    positive they are the confidence in the top class, and whether it is right. `brier` is the squared error of `p`, or
    summed over classes where none is positive.
    """

    labels: Any
    probabilities: Any
    called: Any
    p: Any
    event: Any
    brier: Any
    positive: int | None
    left_out: int

    @property
    def right(self) -> Any:
        """(N,) bool: whether the class called is the label."""
        return self.called == self.labels

    @property
    def strata(self) -> list[Any]:
        """Positions of the samples that a resample draws from together."""
        import numpy as np

        if self.positive is None:
            return [np.arange(len(self.labels))]
        return [np.flatnonzero(self.event), np.flatnonzero(~self.event)]

    def at(self, order: Any) -> Case:
        """Return the case of the samples that an index array or a mask picks."""
        fields = ("labels", "probabilities", "called", "p", "event", "brier")
        return replace(self, **{name: getattr(self, name)[order] for name in fields})


def of(labels: Any, probabilities: Any, positive: int | None, threshold: float) -> Case:
    """Return the labelled samples, checked and called; raises BadInput for what does not fit (see `metrics`)."""
    import numpy as np

    case = as_given(labels, probabilities, positive, threshold)
    return case.at(np.lexsort((case.brier, case.called, case.labels, case.p)))


def as_given(labels: Any, probabilities: Any, positive: int | None, threshold: float) -> Case:
    """Return what `of` returns in the order given, so that two classifiers' cases stay side by side."""
    import numpy as np

    known, p = read_labels(labels), read_probabilities(probabilities)
    if len(known) != len(p) or known.max(initial=0) >= p.shape[1]:
        raise BadInput(
            where="labels and probabilities",
            expected="one label per row, each the index of a column",
            found=f"{len(known)} labels up to {known.max(initial=0)}, probabilities {p.shape}",
            remedy="pass labels in the classifier's class order",
        )
    kept = known >= 0
    left_out = int((~kept).sum())
    known, p = known[kept], p[kept]
    calls = called(p, positive, threshold)
    if positive is None:
        confidence, event = p.max(axis=1), calls == known
        own = np.take_along_axis(p, known[:, None], axis=1)[:, 0]
        brier = np.einsum("nc,nc->n", p, p) - own**2 + (1 - own) ** 2
    else:
        confidence, event = p[:, positive], known == positive
        brier = (confidence - event) ** 2
    return Case(known, p, calls, confidence, event, brier, positive, left_out)


def called(probabilities: Any, positive: int | None, threshold: float = 0.5) -> Any:
    """Return (N,) int64: the class called at the operating point.

    The positive class where its probability is >= `threshold`, else the likeliest of the others; the likeliest of all
    where `positive` is None. The ISIC 2016 scorer calls positive at > 0.5: it differs at exactly 0.5.
    """
    import numpy as np

    p = read_probabilities(probabilities)
    if positive is None:
        return p.argmax(axis=1)
    _check_positive(positive, p.shape[1], threshold)
    others = p.copy()
    others[:, positive] = -1
    return np.where(p[:, positive] >= threshold, positive, others.argmax(axis=1))


def read_labels(labels: Any) -> Any:
    """Return (N,) int64, -1 where a label is None, NaN or negative."""
    import numpy as np

    given = to_numpy(labels)
    if given.dtype.kind == "O":
        given = np.array([np.nan if label is None else label for label in given], dtype=np.float64)
    if given.ndim != 1 or given.dtype.kind not in "biuf":
        raise BadInput(
            where="labels", expected="(N,) whole numbers", found=f"{given.dtype} {given.shape}", remedy="use indices"
        )
    whole = np.where(np.isnan(given), -1, given) if given.dtype.kind == "f" else given
    if (whole != np.floor(whole)).any():
        raise BadInput(where="labels", expected="whole numbers", found="fractions", remedy="pass class indices")
    return np.maximum(whole.astype(np.int64), -1)


def read_probabilities(probabilities: Any) -> Any:
    """Return (N, C) float64, checked. float32 against a float64 threshold would else be compared in float32."""
    import numpy as np

    p = to_numpy(probabilities).astype(np.float64)
    if p.ndim != 2 or p.shape[1] < 2:
        found, fine = str(p.shape), False
    else:
        fine = bool((np.isfinite(p) & (p >= 0) & (p <= 1)).all() and (np.abs(p.sum(axis=1) - 1) < 0.01).all())
        found = "values outside [0, 1], or rows with another sum"
    if not fine:
        raise BadInput(
            where="probabilities",
            expected="(N, C) with C >= 2, each in [0, 1], rows summing to 1",
            found=found,
            remedy="pass softmax outputs of the samples that were classified",
        )
    return p


def _check_positive(positive: int, classes: int, threshold: float) -> None:
    if not 0 <= positive < classes:
        raise BadInput(where="positive", expected=f"a class below {classes}", found=str(positive), remedy="or None")
    if not 0 <= threshold <= 1:
        raise BadInput(where="threshold", expected="from 0 to 1", found=str(threshold), remedy="pass a probability")

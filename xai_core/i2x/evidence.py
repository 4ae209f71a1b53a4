"""What the analysis reads of a track, as plain arrays in one canonical order of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.i2x import changes

if TYPE_CHECKING:
    from xai_core.i2x.store import Track

UNITS = ("raw", "normalised")


@dataclass(frozen=True, eq=False)
class Evidence:
    """A track's arrays: S checkpoints, N samples, K prototypes, M classes.

    Attributes
    ----------
    steps : (S,) tuple of int
        Training steps of the checkpoints, ascending.
    class_names : (M,) tuple of str
    ids : (N,) str
        All different.
    labels : (N,) int
        Below 0: no label.
    splits : (N,) str
    share : (N, K) float
        Share of a sample's places that carry each prototype.
    intensity : (S, N, K) float
        Mean heatmap over those places; 0 where there are none.
    probabilities : (S, N, M) float
        Softmax; rows sum to 1.

    Raises
    ------
    BadInput
        Where shapes do not fit, ids repeat, a value is not finite, or there are fewer than two checkpoints or classes.
    """

    steps: tuple[int, ...]
    class_names: tuple[str, ...]
    ids: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    share: np.ndarray
    intensity: np.ndarray
    probabilities: np.ndarray

    def __post_init__(self) -> None:
        s, n, k, m = len(self.steps), len(self.ids), self.share.shape[-1], len(self.class_names)
        shapes = {"labels": (n,), "splits": (n,), "share": (n, k), "intensity": (s, n, k), "probabilities": (s, n, m)}
        wrong = {name: getattr(self, name).shape for name in shapes if getattr(self, name).shape != shapes[name]}
        if wrong:
            raise _bad("arrays of one track", f"{wrong} beside {n} samples, {s} checkpoints and {m} classes")
        if s < 2 or m < 2 or not n:
            raise _bad("two checkpoints, two classes and a sample", f"{s}, {m} and {n}")
        if len(set(self.ids.tolist())) < n:
            raise _bad("ids that are all different", "some that repeat")
        if not (np.isfinite(self.intensity).all() and np.isfinite(self.probabilities).all()):
            raise _bad("finite intensities and probabilities", "some that are not")

    def ordered(self) -> Evidence:
        """Return the samples sorted by id, so that what is drawn does not depend on the order they came in."""
        rows = np.argsort(self.ids, kind="stable")
        return self if (rows == np.arange(len(rows))).all() else self.of_rows(rows)

    def of_rows(self, rows: np.ndarray) -> Evidence:
        """Return the evidence of some samples, in the order of their rows."""
        flat = {name: getattr(self, name)[rows] for name in ("ids", "labels", "splits", "share")}
        stacked = {name: getattr(self, name)[:, rows] for name in ("intensity", "probabilities")}
        return replace(self, **flat, **stacked)

    @cached_property
    def confidence(self) -> np.ndarray:
        """Return the probabilities as (S, N, M) float64 whose rows sum to 1 to the last digits."""
        exact = self.probabilities.astype(np.float64)
        return exact / exact.sum(-1, keepdims=True)

    @cached_property
    def intensities(self) -> Mapping[str, np.ndarray]:
        """Return {unit: (S, N, K)}: ``raw``, and ``normalised`` by the mean of each checkpoint."""
        return {"raw": self.intensity, "normalised": changes.normalised(self.intensity, self.share)}

    def intensity_change(self, step: int, unit: str) -> np.ndarray:
        """Return (N, K) float64: by how much intensities rise from checkpoint `step` to the next, both by position."""
        values = self.intensities[unit]
        return values[step + 1].astype(np.float64) - values[step]

    def confidence_change(self, step: int) -> np.ndarray:
        """Return (N, M) float64: by how much confidences rise from checkpoint `step` to the next."""
        return self.confidence[step + 1] - self.confidence[step]


def evidence_of(track: Track) -> Evidence:
    """Return a track's arrays, samples sorted by id."""
    samples = track.samples
    return Evidence(
        tuple(track.steps),
        tuple(track.class_names),
        samples["sample_id"].to_numpy(str),
        samples["label"].to_numpy(int),
        samples["split"].to_numpy(str),
        track.share(),
        np.stack([track.intensity(step) for step in track.steps]),
        np.stack([track.probabilities(step) for step in track.steps]),
    ).ordered()


def _bad(expected: str, found: str) -> BadInput:
    return BadInput(where="evidence", expected=expected, found=found, remedy="follow the training again: `i2x fit`")

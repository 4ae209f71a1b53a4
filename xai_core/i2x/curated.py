"""Which training samples an epoch is on: all, those left without the carriers of a prototype, or as many at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xai_core.errors import BadInput
from xai_core.i2x.changes import carries

SETS = ("full", "curated", "random")
_DRAW = 2  # the orders of the two epochs are drawn from (seed, 0) and (seed, 1)


def largest_share(share: np.ndarray, prototypes: Sequence[int]) -> np.ndarray:
    """Return (N,) float32: of an image's places, the largest share that one of these prototypes has.

    Parameters
    ----------
    share : (N, K) float32
    prototypes : sequence of int
    """
    return share[:, list(prototypes)].max(axis=1)


def dropped(
    largest: np.ndarray, labels: np.ndarray, presence: float, among: Sequence[int], class_names: Sequence[str]
) -> np.ndarray:
    """Return (N,) bool: which samples carry the prototypes, on the share `presence` of their places or more.

    Parameters
    ----------
    largest : (N,) float32
        See `largest_share`.
    labels : (N,) int64
    presence : float
    among : sequence of int
        Classes outside of which no sample is dropped.
    class_names : sequence of str

    Raises
    ------
    BadInput
        Where no sample is dropped, or every one of a class.
    """
    members = np.isin(labels, list(among))
    drop = carries(largest, presence) & members
    if not drop.any():
        raise BadInput(
            where="the training part",
            expected=f"samples with the prototypes on {presence:.0%} of their places or more",
            found=f"none; the largest share is {largest[members].max(initial=0):.0%}",
            remedy="name other prototypes, a smaller presence, or the samples of all classes",
        )
    emptied = sorted(set(labels.tolist()) - set(labels[~drop].tolist()))
    if emptied:
        raise BadInput(
            where="the training part",
            expected="samples of every class that do not carry the prototypes",
            found=f"none of {', '.join(class_names[k] for k in emptied)}: {int(drop.sum())} samples would be dropped",
            remedy="name other prototypes, or a larger presence",
        )
    return drop


def at_random(drop: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return (N,) bool: as many samples of each class as `drop` has, drawn from all samples of the class."""
    generator = np.random.default_rng((seed, _DRAW))
    drawn = np.zeros(len(labels), bool)
    for label in np.unique(labels[drop]):
        members = np.flatnonzero(labels == label)
        drawn[generator.choice(members, int(drop[members].sum()), replace=False)] = True
    return drawn


def weights_of(name: str, drop: np.ndarray, labels: np.ndarray, seed: int, weight: float) -> np.ndarray:
    """Return (N,) float64: how much each sample counts in an epoch on one of `SETS`; `weight` for those dropped."""
    less = {"full": lambda: np.zeros(len(labels), bool), "curated": lambda: drop}
    chosen = less.get(name, lambda: at_random(drop, labels, seed))()
    return np.where(chosen, weight, 1.0)

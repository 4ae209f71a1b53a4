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
    largest: np.ndarray,
    labels: np.ndarray,
    presence: float,
    among: Sequence[int],
    class_names: Sequence[str],
    most: float,
) -> np.ndarray:
    """Return (N,) bool: which samples carry the prototypes, on the share `presence` of their places or more.

    A prototype that the network wavers over is often a part of nearly all samples of one class and of a few of the
    other. The paper leaves out whatever contains it; here a class of which more than the share `most` would go is left
    whole, or nothing of it would remain to learn from.

    Parameters
    ----------
    largest : (N,) float32
        See `largest_share`.
    labels : (N,) int64
    presence : float
    among : sequence of int
        Classes outside of which no sample is dropped.
    class_names : sequence of str
    most : float

    Raises
    ------
    BadInput
        Where no sample is dropped.
    """
    members = np.isin(labels, list(among))
    drop = carries(largest, presence) & members
    whole = [label for label in np.unique(labels[drop]) if drop[labels == label].mean() > most]
    drop &= ~np.isin(labels, whole)
    if not drop.any():
        left = ", ".join(class_names[label] for label in whole)
        found = f"none; the largest share is {largest[members].max(initial=0):.0%}"
        raise BadInput(
            where="the training part",
            expected=f"samples with the prototypes on {presence:.0%} of their places or more",
            found=f"them in more than {most:.0%} of {left}, which is left whole" if whole else found,
            remedy="name other prototypes, another presence, or the samples of all classes",
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

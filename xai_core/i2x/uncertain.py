"""Uncertain prototypes: those whose pull alternates between two classes while the network learns.

Of a pair (a, b), d_t = pull[t, k, a] - pull[t, k, b] says for which of the two prototype k spoke in step t. Steps
with |d_t| <= tau speak for neither. Its *swing* is the number of times the side changes from one speaking step to the
next, times the smaller of the two masses (the sum of d_t for a, and of -d_t for b): 0 where it ever spoke for one
side only, large where it spoke clearly for both, often. METHODS 2 suggests it; the paper has no number. A single
change may be no more than a part learned late, after it first spoke for the wrong class: read the count beside.

The null permutes which sample's change of intensity is paired with which sample's change of confidence, in each step.
Under it too a prototype swings, one that all carry the most: confidences sway from class to class as a whole. So each
swing is taken less the mean of its own null and over its spread, and p is the share of permutations in which the
*largest* of these over all prototypes reaches it: with K prototypes looked at, the chance that any is called uncertain
under the null is the level, not K times the level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def sides(pull: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """Return (..., T, K): d_t of (..., T, K, M) pulls for a pair of classes; above 0 it speaks for the first."""
    return pull[..., pair[0]] - pull[..., pair[1]]


def swings(d: np.ndarray, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the changes of side (..., K) int and the swing (..., K) float64 of (..., T, K) differences d_t."""
    speaks = np.where(np.abs(d) > tau, d, 0.0).astype(np.float64)
    changes = np.zeros((*d.shape[:-2], d.shape[-1]), int)
    last = np.zeros_like(changes)
    for step in range(d.shape[-2]):
        side = np.sign(speaks[..., step, :]).astype(int)
        changes += side * last < 0
        last = np.where(side != 0, side, last)
    masses = np.maximum(speaks, 0).sum(-2), np.maximum(-speaks, 0).sum(-2)
    return changes, changes * np.minimum(*masses)


def standing(swing: np.ndarray, null: np.ndarray, tau: float) -> np.ndarray:
    """Return (1 + R, K) float64: the swings found (K,), then those of the null (R, K), each on its prototype's own
    scale.

    Less the mean, over the standard deviation plus `tau`, both of the found and the null together: under the null the
    found is then one of 1 + R that nothing tells apart.
    """
    both = np.concatenate([swing[None], null])
    return (both - both.mean(0)) / (both.std(0) + max(tau, 1e-12))


def p_values(swing: np.ndarray, found: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Return (K,) float64: (1 + permutations whose largest standing reaches its own) / (1 + permutations).

    Parameters
    ----------
    swing : (K,) float
        One of 0 has the p 1.
    found : (K,) float
        Its standing.
    largest : (R,) float
        The largest standing of all that was looked at, in each permutation.
    """
    reached = (largest[:, None] >= found[None, :]).sum(0)
    return np.where(swing > 0, (1 + reached) / (1 + len(largest)), 1.0)


def confusions(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (M, M) counts of samples of class a called b, a != b, and (M, M) float64 the confidence that went there.

    Both are symmetric sums: a called b and b called a. The second decides between pairs of equal counts, and where
    nothing is confused any more. Samples without a label (below 0) do not count.
    """
    known = labels >= 0
    y, classes = probabilities[known], probabilities.shape[1]
    given = np.zeros((classes, classes))
    np.add.at(given, labels[known], y)
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels[known], y.argmax(1)), 1)
    counts, given = counts + counts.T, given + given.T
    np.fill_diagonal(counts, 0)
    np.fill_diagonal(given, 0.0)
    return counts, given


def most_confused(labels: np.ndarray, probabilities: np.ndarray, limit: int) -> list[tuple[int, int]]:
    """Return at most `limit` pairs (a, b), a < b, of classes that are both present, the most confused first."""
    counts, given = confusions(labels, probabilities)
    present = np.unique(labels[labels >= 0])
    pairs = [(int(a), int(b)) for place, a in enumerate(present) for b in present[place + 1 :]]
    return sorted(pairs, key=lambda pair: (-counts[pair], -given[pair], pair))[:limit]


def tested(
    pull: dict[str, np.ndarray], null: dict[str, np.ndarray], pairs: Sequence[tuple[int, int]], tau: float
) -> list[dict[str, dict[str, np.ndarray]]]:
    """Return for each pair, by unit of intensity, what the test says of every prototype.

    Parameters
    ----------
    pull : {unit: (T, K, M)}
        Of the steps that are analysed.
    null : {unit: (R, T, K, M)}
        Of `effects.permuted`.

    Returns
    -------
    list of {unit: dict}
        ``changes``, ``swing``, ``p`` (corrected for the prototypes), ``p_of_pairs`` (and for the pairs): (K,).
    """
    found, stands = [], {unit: [] for unit in pull}
    for pair in pairs:
        entry = {}
        for unit, of_unit in pull.items():
            changes, swing = swings(sides(of_unit, pair), tau)
            stand = standing(swing, swings(sides(null[unit], pair), tau)[1], tau)
            stands[unit].append(stand)
            p = p_values(swing, stand[0], stand[1:].max(1, initial=-np.inf))
            entry[unit] = {"changes": changes, "swing": swing, "p": p}
        found.append(entry)
    for unit, of_pairs in stands.items():
        largest = np.max([stand[1:].max(1, initial=-np.inf) for stand in of_pairs], axis=0) if of_pairs else None
        for entry, stand in zip(found, of_pairs, strict=True):
            entry[unit]["p_of_pairs"] = p_values(entry[unit]["swing"], stand[0], largest)
    return found

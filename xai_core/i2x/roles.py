"""What a prototype is to a class: shared, specialised, or neither; and what other classes lose by it.

All of it in numbers (defaults of `options.Options` in brackets):

* A sample *carries* a prototype where at least `presence` (5 %) of its places do.
* The *support* of a prototype for a class is the sum of its pulls on that class over the analysed steps. It
  *supports* the class where the support is at least `tau` (0.01), its bootstrap interval lies above 0, and at least
  `consistency` (80 %) of all it pulled, up and down, was up.
* *Shared*: at least `in_all` (95 %) of the samples of the class carry it, and it supports the class.
* *Specialised*: fewer do, it supports the class, and it tells subsets of the class apart. The samples of the class are
  clustered a second time, by which of the supporting but not shared prototypes they carry (K-means, 2 to `subsets`
  clusters, the best mean silhouette); in each subset at least `in_subset` (80 %) carry it, or at most the complement
  (20 %), and the subsets of either kind hold at least `subset_least` (10 %) of the class.
* *Supporting*: neither, but it supports the class, and at least `subset_least` of the class carry it.

Nothing here says that a prototype belongs to one class alone: a part that two classes have in common may be shared by
both. All is claimed only where it holds under raw and under normalised intensity. The intervals are over samples, with
their groups as they are; how much hangs on the groups, the stability of the effects tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xai_core.i2x.options import Options
from xai_core.one_thread import one_thread

INTERVAL = (2.5, 97.5)
SILHOUETTES = 2000  # samples that decide between numbers of subsets


@dataclass(frozen=True, eq=False)
class Support:
    """What each prototype did for each class over all analysed steps, in one unit: (K, M) float64 each.

    Attributes
    ----------
    total, low, high
        Sum of pulls with its 95 % bootstrap interval.
    consistency
        Upward share of all that was pulled; 0 where nothing was.
    """

    total: np.ndarray
    low: np.ndarray
    high: np.ndarray
    consistency: np.ndarray

    def supports(self, options: Options) -> np.ndarray:
        """Return (K, M) bool: where a prototype supports a class."""
        return (self.total >= options.tau) & (self.low > 0) & (self.consistency >= options.consistency)


def coverage(carried: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return (K, M) float64: the share of each class's samples that carry each prototype; NaN for an absent class."""
    found = np.full((carried.shape[1], classes), np.nan)
    for label in range(classes):
        inside = labels == label
        if inside.any():
            found[:, label] = carried[inside].mean(0)
    return found


def support(pull: np.ndarray, drawn: np.ndarray) -> Support:
    """Return the support by (T, K, M) pulls and (T, R, K, M) pulls in resamples, resample r being one in all steps."""
    total, mass = pull.sum(0), np.abs(pull).sum(0)
    low, high = np.percentile(drawn.sum(0, dtype=np.float64), INTERVAL, axis=0)
    return Support(total, low, high, np.maximum(pull, 0).sum(0) / np.where(mass > 0, mass, 1.0))


@one_thread()
def subsets(carried: np.ndarray, options: Options) -> np.ndarray:
    """Return (n,) int: the subset of each of a class's samples, by which of (n, k) prototypes they carry.

    All 0 where they do not differ.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    values = carried.astype(np.float64)
    kinds = len(np.unique(values, axis=0))
    best, labels = -1.0, np.zeros(len(values), int)
    for count in range(2, min(options.subsets, kinds) + 1):
        found = KMeans(count, n_init=5, random_state=options.seed % 2**32).fit(values).labels_
        size = min(len(values), SILHOUETTES)
        rows = np.random.default_rng([options.seed, 5]).choice(len(values), size, replace=False)
        seen = len(np.unique(found[rows]))
        score = silhouette_score(values[rows], found[rows]) if 1 < seen < size else -1.0
        if score > best:
            best, labels = score, found
    return labels


def specialised(
    carried: np.ndarray, candidates: np.ndarray, options: Options
) -> tuple[dict[int, tuple[list[int], list[int]]], np.ndarray]:
    """Return which candidates tell subsets of a class apart, and the subsets (n,).

    Parameters
    ----------
    carried : (n, K) bool
        Of the samples of the class.
    candidates : (c,) int
        Prototypes that support the class and that not all of it carries.

    Returns
    -------
    dict
        {prototype: (subsets that carry it, subsets that do not)}.
    """
    places = subsets(carried[:, candidates], options) if len(candidates) else np.zeros(len(carried), int)
    found, sizes = {}, np.bincount(places) / max(len(places), 1)
    for prototype in candidates.tolist():
        shares = [carried[places == place, prototype].mean() for place in range(places.max(initial=0) + 1)]
        with_it = [place for place, share in enumerate(shares) if share >= options.in_subset]
        without = [place for place, share in enumerate(shares) if share <= 1 - options.in_subset]
        large = min(sizes[with_it].sum(), sizes[without].sum()) >= options.subset_least
        if with_it and without and large and len(with_it) + len(without) == len(shares):
            found[prototype] = with_it, without
    return found, places


def losers(pull: np.ndarray, high: np.ndarray, tau: float) -> np.ndarray:
    """Return (..., M) bool: the classes that lose when a prototype gains: by at least `tau`, the interval below 0."""
    return (pull <= -tau) & (high < 0)


def separated(pulls: Sequence[np.ndarray], own: int) -> list[tuple[int, int | None, float]]:
    """Return (class, step, loss) of the classes that lose to some prototypes of another, in order of separation.

    The step is the one, by position, in which the prototypes together took the most confidence from the class; None,
    and last, where the units do not agree on it. Classes of one step are ordered by loss, the mean over units. Early
    is easy.

    Parameters
    ----------
    pulls : sequence of (T, M)
        In each unit, the sum of the prototypes' pulls.
    own : int
        The class they speak for.
    """
    found = []
    for other in range(pulls[0].shape[1]):
        at = [int(of_unit[:, other].argmin()) for of_unit in pulls]
        losses = [-float(of_unit[step, other]) for of_unit, step in zip(pulls, at, strict=True)]
        if other != own and min(losses) > 0:
            found.append((other, at[0] if len(set(at)) == 1 else None, sum(losses) / len(losses)))
    return sorted(found, key=lambda row: (row[1] is None, row[1] or 0, -row[2]))

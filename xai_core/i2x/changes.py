"""What a step changed: the intensity of every prototype and the confidence in every class, in groups of samples.

N samples, K prototypes, M classes. A *step* leads from one checkpoint to the next. Array in, array out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.i2x.options import Options

NOISE = -1


@dataclass(frozen=True, eq=False)
class Groups:
    """Samples in groups of alike confidence changes.

    Attributes
    ----------
    labels : (N,) int
        The group of each sample, 0 to count - 1; -1 for noise, which no group holds.
    count : int
    drawn : int
        Samples that HDBSCAN saw.
    """

    labels: np.ndarray
    count: int
    drawn: int

    @property
    def sizes(self) -> np.ndarray:
        """Return (count,) int: samples in each group."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.count)

    @property
    def noise(self) -> float:
        """Return the share of samples in no group."""
        return float((self.labels == NOISE).mean())


def carries(share: np.ndarray, presence: float) -> np.ndarray:
    """Return (N, K) bool: which sample carries which prototype, on at least the share `presence` of its places.

    A prototype that lies on no place of a sample is never carried, whatever `presence` is.
    """
    return (share >= presence) & (share > 0)


def mean_intensity(intensity: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return (S,) float64: the mean heatmap over all samples and places at each checkpoint.

    Parameters
    ----------
    intensity : (S, N, K) float
        Mean of the heatmap over the places of each prototype; 0 where a sample has none of it (0/0 counts as 0).
    share : (N, K) float
        Share of the places that each prototype has; rows sum to 1, so that share x intensity sums to the map's mean.
    """
    return np.einsum("snk,nk->s", intensity, share, dtype=np.float64, optimize=True) / max(len(share), 1)


def normalised(intensity: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the intensities with each checkpoint divided by its `mean_intensity`; a checkpoint of zeros stays so.

    Raw Grad-CAM grows with the logits: a rise of the raw intensity is growth of all and movement between prototypes
    in one. In this unit 1 is the mean place of that checkpoint, and growth alone changes nothing.
    """
    means = mean_intensity(intensity, share)
    return intensity / np.where(means > 0, means, 1.0)[:, None, None]


def movement(change: np.ndarray) -> float:
    """Return the share of a sample's confidence that went from class to class, in the mean over (N, M) changes: 0 to 1.

    Half the sum of the absolute changes: what some classes won, others lost.
    """
    return float(np.abs(change).sum(1).mean() / 2) if len(change) else 0.0


def notable(movements: np.ndarray, options: Options) -> np.ndarray:
    """Return (T,) bool: the steps that are analysed.

    A step is, where it moves at least `notable_least` and at least the quantile `notable_quantile` of all steps. A
    track of one step has it analysed, if it moved anything.
    """
    floor = np.quantile(movements, options.notable_quantile) if len(movements) else 0.0
    return (movements >= floor) & (movements >= options.notable_least) & (movements > 0)


def group(change: np.ndarray, options: Options, seed: int, limit: int | None = None) -> Groups:
    """Return the samples grouped by their (N, M) confidence changes with HDBSCAN.

    At most `limit` samples (`cluster_limit` by default) are clustered, drawn by `seed` without replacement; every other
    sample joins the group, or the noise, of the nearest of them. Equal changes are in one group. Where HDBSCAN finds
    fewer than two groups there is none: everything is noise, and no mean can be compared with another.
    """
    from scipy.spatial import KDTree
    from sklearn.cluster import HDBSCAN

    size = min(len(change), limit or options.cluster_limit)
    least = max(options.cluster_least, round(options.cluster_share * size))
    if size < max(2 * least, options.neighbours):
        return Groups(np.full(len(change), NOISE), 0, size)
    drawn = np.sort(np.random.default_rng([seed, 1]).choice(len(change), size, replace=False))
    found = HDBSCAN(min_cluster_size=least, min_samples=options.neighbours, copy=True).fit(change[drawn]).labels_
    labels = np.full(len(change), NOISE)
    labels[drawn] = found
    others = np.setdiff1d(np.arange(len(change)), drawn, assume_unique=True)
    if len(others):
        labels[others] = found[KDTree(change[drawn]).query(change[others])[1]]
    return Groups(labels, int(found.max(initial=NOISE)) + 1, size)


def halves(change: np.ndarray, options: Options) -> list[tuple[np.ndarray, Groups]]:
    """Return `repeats` random halves of the samples, as rows in order and the groups found anew among them."""
    found = []
    for repeat in range(options.repeats):
        generator = np.random.default_rng([options.seed, 3, repeat])
        rows = np.sort(generator.choice(len(change), len(change) // 2, replace=False))
        found.append((rows, group(change[rows], options, options.seed + repeat, options.cluster_limit // 2)))
    return found

"""Prototypes: centres of the final network's spatial features (METHODS 2, step 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.one_thread import one_thread

if TYPE_CHECKING:
    from sklearn.cluster import KMeans

METHODS = ("kmeans", "mini_batch")
STARTS = 4  # of K-means, of which the best is kept


@dataclass(frozen=True)
class Prototypes:
    """A projection and K centres in it, most frequent first.

    Attributes
    ----------
    mean : (d,) float32
        Of the features.
    components : (D, d) float32
        Orthonormal, by the variance they explain.
    variance : (D,) float32
        Share of the variance that each component explains.
    centres : (K, D) float32
    places : (K,) int64
        How many of the places fitted on are nearest to each centre.
    """

    mean: np.ndarray
    components: np.ndarray
    variance: np.ndarray
    centres: np.ndarray
    places: np.ndarray

    def project(self, features: np.ndarray) -> np.ndarray:
        """Return (n, D) float64 from (n, d) features."""
        return (features.astype(np.float64) - self.mean) @ self.components.T.astype(np.float64)

    def nearest(self, features: np.ndarray) -> np.ndarray:
        """Return (n,) uint16: the nearest centre of each of (n, d) features, the lower number of equals."""
        return _nearest(self.project(features), self.centres.astype(np.float64))


@one_thread()
def fit(
    features: np.ndarray, prototypes: int, dimensions: float, *, method: str = "kmeans", seed: int = 0
) -> Prototypes:
    """Return prototypes of (n, d) float32 features; the same for the same features and seed on any number of threads.

    Parameters
    ----------
    features : (n, d) float32
        Centred in place.
    prototypes : int
        K, at most the number of distinct features.
    dimensions : int or float
        PCA dimensions at most, or below 1 the share of variance to keep.
    method : {'kmeans', 'mini_batch'}
    seed : int

    Raises
    ------
    BadInput
        Where there are fewer distinct features than prototypes.
    """
    mean, components, variance = project(features, dimensions)
    projected = features @ components.T
    check_distinct(projected, prototypes)
    centres = clustered(projected, prototypes, method, seed).cluster_centers_
    places = np.bincount(_nearest(projected.astype(np.float64), centres.astype(np.float64)), minlength=prototypes)
    order = np.lexsort((np.arange(prototypes), -places))
    return Prototypes(mean, components, variance, centres[order].astype(np.float32), places[order].astype(np.int64))


def project(features: np.ndarray, dimensions: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean (d,), components (D, d) and shares of variance (D,); the mean is taken from `features`, in place."""
    from sklearn.decomposition import PCA

    mean = features.mean(0, dtype=np.float64).astype(np.float32)
    features -= mean
    kept = dimensions if dimensions < 1 else int(min(dimensions, *features.shape))
    # exact, and far cheaper than a decomposition of all rows where these are many
    pca = PCA(n_components=kept, svd_solver="covariance_eigh").fit(features)
    return mean, pca.components_.astype(np.float32), pca.explained_variance_ratio_.astype(np.float32)


def clustered(projected: np.ndarray, prototypes: int, method: str, seed: int) -> KMeans:
    """Return scikit-learn's clusters of (n, D) float32 points."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if method == "mini_batch":
        return MiniBatchKMeans(prototypes, batch_size=4096, n_init=STARTS, random_state=seed).fit(projected)
    return KMeans(prototypes, n_init=STARTS, random_state=seed).fit(projected)


def _nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    # |p - c|^2 without |p|^2, which is the same for every centre
    distances = (centres**2).sum(1) - 2 * points @ centres.T
    return distances.argmin(1).astype(np.uint16)


def check_distinct(projected: np.ndarray, prototypes: int) -> None:
    """Raise BadInput where there are fewer different points than prototypes."""
    distinct = len(np.unique(projected[: 20 * prototypes], axis=0))
    if distinct < prototypes and (distinct := len(np.unique(projected, axis=0))) < prototypes:
        raise BadInput(
            where="prototypes",
            expected=f"at least {prototypes} different features",
            found=distinct,
            remedy="ask for fewer prototypes, or follow more images",
        )

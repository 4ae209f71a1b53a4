"""Groups of descriptions that say similar things, by the words they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.language.terms import share_words, vocabulary
from xai_core.one_thread import one_thread

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_GROUPS = 12
LEAST_MEMBERS = 5
EXAMPLES = 3
NAME_TERMS = 3
ALIKE = "all alike"
_DIMENSIONS = 30
_COMPARED = 2000


@dataclass(frozen=True)
class Group:
    """Records that are described in similar words.

    Attributes
    ----------
    name : str
        The terms that tell it from the rest, ' · ' between them.
    terms : tuple of str
    ids : tuple of str
        Sorted.
    examples : tuple of str
        Ids of the most typical ones, the most typical first.
    """

    name: str
    terms: tuple[str, ...]
    ids: tuple[str, ...]
    examples: tuple[str, ...]

    @property
    def size(self) -> int:
        """Return how many records there are."""
        return len(self.ids)


@one_thread()
def group(sample_ids: Sequence[str], descriptions: Sequence[str]) -> list[Group]:
    """Return the groups of a set of descriptions, the largest first; those that are '' are in none.

    Terms are weighed by TF-IDF, reduced to 30 dimensions and clustered by k-means. The number of groups is that of 2
    to 12 with the largest mean silhouette, the least where several have it, among those whose groups all have five
    members; one group where there is none. The same descriptions give the same groups, in whatever order they come.

    Parameters
    ----------
    sample_ids, descriptions : sequences of str, one for each record
    """
    described = sorted((text, each) for each, text in zip(sample_ids, descriptions, strict=True) if text)
    if not described:
        return []
    ids = np.array([each for _, each in described], object)
    terms, has = vocabulary([text for text, _ in described])
    points = _points(has)
    labels = _labels(points)
    found = []
    for label in np.unique(labels):
        inside = labels == label
        nearness = points[inside] @ points[inside].mean(axis=0)
        typical = ids[inside][np.argsort(-nearness.round(9), kind="stable")]
        found.append(_group(_distinguishing(terms, has, inside), typical))
    return sorted(found, key=lambda each: (-each.size, each.ids))


def _points(has: csr_matrix) -> np.ndarray:
    """Return a point of unit length for each text: (N, D) float64; all zeros for a text without a known term."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.preprocessing import normalize

    has = has[:, np.asarray(has.sum(axis=0)).ravel() < has.shape[0]]
    if not has.shape[1]:
        return np.zeros((has.shape[0], 1))
    dimensions = min(_DIMENSIONS, has.shape[0] - 1, has.shape[1] - 1)
    if dimensions < 2:
        return has.toarray()
    weighed = TfidfTransformer().fit_transform(has)
    return normalize(TruncatedSVD(dimensions, random_state=0).fit_transform(weighed))


def _labels(points: np.ndarray) -> np.ndarray:
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    best, labels = 0.0, np.zeros(len(points), int)
    most = min(MOST_GROUPS, len(points) // LEAST_MEMBERS, len(np.unique(points.round(9), axis=0)))
    compared = np.random.default_rng(0).permutation(len(points))[:_COMPARED]
    for number in range(2, most + 1):
        found = KMeans(number, n_init=4, random_state=0).fit_predict(points)
        if np.bincount(found, minlength=number).min() < LEAST_MEMBERS or np.ptp(found[compared]) == 0:
            continue
        fit = silhouette_score(points[compared], found[compared])
        if fit > best + 1e-9:
            best, labels = fit, found
    return labels


def _distinguishing(terms: Sequence[str], has: csr_matrix, inside: np.ndarray) -> list[str]:
    """Return up to three terms that texts inside have and the others lack, by the difference of their shares.

    Of terms that share a word the first is taken, and of equal ones the longest.
    """
    if inside.all():
        return []
    shares = [np.asarray(has[rows].mean(axis=0)).ravel() for rows in (inside, ~inside)]
    difference = (shares[0] - shares[1]).round(9)
    chosen: list[str] = []
    for place in sorted(range(len(terms)), key=lambda k: (-difference[k], -len(terms[k]), terms[k])):
        if difference[place] <= 0 or len(chosen) == NAME_TERMS:
            break
        if not any(share_words(terms[place], before) for before in chosen):
            chosen.append(terms[place])
    return chosen


def _group(terms: Sequence[str], typical: np.ndarray) -> Group:
    return Group(" · ".join(terms) or ALIKE, tuple(terms), tuple(sorted(typical)), tuple(typical[:EXAMPLES]))

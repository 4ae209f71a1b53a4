"""Pairs of images that show the same picture, or the same lesion photographed again.

Two ways lead to a pair. A *copy* (another format, size, compression, brightness) agrees in its perceptual hash and, as
thumbnails, in its picture and its detail. A *second photograph* of the same thing (another angle, zoom, light) shares
keypoints whose positions a rotation with scaling carries over, and agrees roughly once it is laid on the first.
Dermoscopic pictures all look alike (a dark blob in the middle, often a dark rim), so each threshold was measured.

On the 554,931 pairs of the 1,054 images of ISIC 2016 (256 x 256 pixels):

- Copies: the 282 unrelated pairs within 10 bits agree (the lower of picture and detail) to 0.80 at most; 0.9 is asked.
- Second photographs: unrelated pairs have at most 8 keypoints in place; 10 are asked for. 24 pairs are found, 14 of
  them across train and test; each shows one lesion when looked at. 7 more that do (found with more keypoints at full
  size, or by way of a third picture) are missed.
- Of 132 images saved again (JPEG quality 30, half size, 15 % brighter, 20 % more contrast, cropped by 3 or 10 % a side,
  turned by 10 or 90 degrees: 1,056 copies) all but one are found, and nothing else.

Mirrored copies are not found.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from xai_core.datasets.fingerprints import SIZE, THUMBNAIL, Fingerprint, in_threads

HASH_BITS = 10
COPY_AGREEMENT = 0.9
KEYPOINTS_IN_PLACE = 10
ALIGNED_AGREEMENT = 0.5
KEYPOINT_LIMIT = 10_000
"""Above this many images only copies are looked for: memory for keypoint votes grows by 50 kB an image."""

_TABLES = 32
_DIMENSIONS = 32
_COMMON = 60
_CANDIDATES_PER_IMAGE = 4
_SIMILAR_DESCRIPTORS = 0.88
_TOLERANCE = 4.0


def find(fingerprints: Sequence[Fingerprint], parts: Sequence[str] | None = None) -> list[tuple[int, int]]:
    """Return the pairs (i, j), i < j, sorted, that show the same thing; with `parts`, those whose parts differ.

    Callers sort the images by id: which of two is laid on the other, and ties at the edge of the shortlist, follow the
    order, and one data set has one result.
    """
    from threadpoolctl import threadpool_limits

    if len(fingerprints) < 2:
        return []
    apart = np.arange(len(fingerprints)) if parts is None else np.unique(np.asarray(parts), return_inverse=True)[1]
    pairs = set(_copies(fingerprints, apart))
    # the products are too small to be worth BLAS's own threads
    with threadpool_limits(1, user_api="blas"):
        candidates = [] if len(fingerprints) > KEYPOINT_LIMIT else list(_shortlist(fingerprints, apart))
        confirmed = in_threads(lambda pair: _same_place(*(fingerprints[k] for k in pair)), candidates)
    return sorted(pairs.union(itertools.compress(candidates, confirmed)))


def clusters(count: int, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the cluster of each of `count` images, (count,) int: linked images share the lowest index among them."""
    root = np.arange(count)
    for i, j in sorted(pairs):
        low, high = sorted((root[i], root[j]))
        root[root == high] = low
    return root


def _copies(fingerprints: Sequence[Fingerprint], apart: np.ndarray) -> Iterator[tuple[int, int]]:
    hashes = np.array([f.hash for f in fingerprints], np.uint64)
    pictures = np.stack([f.thumbnail for f in fingerprints])
    for start in range(0, len(hashes), 256):
        rows = np.arange(start, min(start + 256, len(hashes)))
        close = np.bitwise_count(hashes[rows, None] ^ hashes[None, :]) <= HASH_BITS
        close &= (apart[rows, None] != apart[None, :]) & (rows[:, None] < np.arange(len(hashes))[None, :])
        i, j = np.nonzero(close)
        for k in range(0, len(i), 1024):
            first, second = rows[i[k : k + 1024]], j[k : k + 1024]
            same = _agreement(pictures[first], pictures[second]) >= COPY_AGREEMENT
            yield from zip(first[same].tolist(), second[same].tolist(), strict=True)


def _agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the lower of two correlations, of the pictures and of their detail: (N,) from (N, 32, 32) uint8 twice."""
    import cv2

    def detail(pictures: np.ndarray) -> np.ndarray:
        return np.stack([p - cv2.GaussianBlur(p, (0, 0), 2.0) for p in pictures])

    first, second = first.astype(np.float32), second.astype(np.float32)
    return np.minimum(_correlate(first, second), _correlate(detail(first), detail(second)))


def _correlate(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = (x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(1, keepdims=True) for x in (first, second))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(1) / np.maximum(norms, 1e-6)


def _shortlist(fingerprints: Sequence[Fingerprint], apart: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the pairs of images with most keypoints in common, by locality-sensitive hashing of their descriptors.

    A bucket shared by f descriptors gives each pair of its images 1/f votes, so that what is common counts little.
    """
    from scipy import sparse

    owner = np.repeat(np.arange(len(fingerprints)), [len(f.points) for f in fingerprints])
    if len(owner) <= _DIMENSIONS:
        return
    vectors = _whitened(np.concatenate([_unit(f.descriptors) for f in fingerprints]))
    bits = int(np.ceil(np.log2(len(owner)))) + 3
    planes = np.random.default_rng(0).standard_normal((_TABLES, _DIMENSIONS, bits)).astype(np.float32)
    votes = sparse.csr_array((len(fingerprints), len(fingerprints)), dtype=np.float32)
    for plane in planes:
        _, bucket, count = np.unique(
            (vectors @ plane > 0) @ (1 << np.arange(bits)), return_inverse=True, return_counts=True
        )
        shared = ((count > 1) & (count <= _COMMON))[bucket]
        weight = (1 / np.sqrt(count[bucket[shared]])).astype(np.float32)
        table = sparse.csr_array((weight, (owner[shared], bucket[shared])), shape=(len(fingerprints), len(count)))
        votes = votes + table @ table.T
    votes = sparse.triu(votes, 1).tocoo()
    allowed = apart[votes.row] != apart[votes.col]
    i, j, count = votes.row[allowed], votes.col[allowed], votes.data[allowed]
    best = np.lexsort((j, i, -count))[: _CANDIDATES_PER_IMAGE * len(fingerprints)]
    yield from zip(i[best].tolist(), j[best].tolist(), strict=True)


def _unit(descriptors: np.ndarray) -> np.ndarray:
    """Return the square roots of the descriptors' shares: unit vectors (Arandjelovic and Zisserman 2012)."""
    values = descriptors.astype(np.float32)
    return np.sqrt(values / np.maximum(values.sum(1, keepdims=True), 1e-6))


def _whitened(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors - vectors.mean(0)
    spread, axes = np.linalg.eigh(vectors.T @ vectors / len(vectors))
    return vectors @ (axes[:, -_DIMENSIONS:] / np.sqrt(np.maximum(spread[-_DIMENSIONS:], 1e-9)))


def _same_place(first: Fingerprint, second: Fingerprint) -> bool:
    """Return whether enough keypoints agree in look and place, and the pictures agree once laid on each other."""
    import cv2

    likeness = _unit(first.descriptors) @ _unit(second.descriptors).T
    best, index = likeness.argmax(1), np.arange(len(likeness))
    mutual = (likeness.argmax(0)[best] == index) & (likeness[index, best] > _SIMILAR_DESCRIPTORS)
    if mutual.sum() < KEYPOINTS_IN_PLACE:
        return False
    start, end = first.points[mutual], second.points[best[mutual]]
    moved, kept = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=_TOLERANCE, maxIters=200)
    if moved is None or not 0.5 < np.hypot(moved[0, 0], moved[1, 0]) < 2:
        return False
    # one spot may carry several keypoints of different direction
    places = {tuple(p) for p in np.round(start[kept.ravel() > 0]).tolist()}
    if len(places) < KEYPOINTS_IN_PLACE:
        return False
    return _agreement_when_aligned(first.thumbnail, second.thumbnail, moved) >= ALIGNED_AGREEMENT


def _agreement_when_aligned(first: np.ndarray, second: np.ndarray, moved: np.ndarray) -> float:
    """Return the correlation of two thumbnails where they overlap; `moved` (2, 3) leads from keypoint to keypoint."""
    import cv2

    scale, half = THUMBNAIL / SIZE, np.array([0.5, 0.5])
    turned = moved[:, :2]
    # pixel centres lie at whole numbers in both squares
    shift = scale * moved[:, 2] + (1 - scale) * (turned @ half - half)
    laid = np.column_stack([turned, shift])
    shape = (THUMBNAIL, THUMBNAIL)
    over = cv2.warpAffine(np.ones(shape, np.uint8), laid, shape, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP) > 0
    warped = cv2.warpAffine(second, laid, shape, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    if not over.any():
        return 0.0
    return float(_correlate(first[over][None].astype(np.float32), warped[over][None].astype(np.float32))[0])

"""What is kept of an image to recognise it in another file: a hash, a thumbnail, keypoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xai_core.datasets.images import read_grey

SIZE = 160
"""Side of the square that keypoints are found in, in pixels: large enough for 100 of them on bare skin."""

THUMBNAIL = 32
_KEYPOINTS = 100
_CONTRAST = 0.01


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of one image.

    Attributes
    ----------
    hash : int
        64 bits: the signs of the lowest 8 x 8 cosine coefficients against their median (pHash).
    thumbnail : (32, 32) uint8
    points : (K, 2) float32
        x and y of up to 100 keypoints, in pixels of a `SIZE` square.
    descriptors : (K, 128) uint8
        Of the keypoints (SIFT, Lowe 2004).
    """

    hash: int
    thumbnail: np.ndarray
    points: np.ndarray
    descriptors: np.ndarray


def take(path: Path) -> tuple[tuple[int, int], Fingerprint]:
    """Return the image's (height, width) and its fingerprint; `SampleError` where it cannot be read."""
    import cv2

    size, grey = read_grey(path, SIZE)
    grey = cv2.resize(grey, (SIZE, SIZE), interpolation=cv2.INTER_AREA if min(grey.shape) >= SIZE else cv2.INTER_LINEAR)
    thumbnail = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(thumbnail.astype(np.float32))[:8, :8].ravel()
    # the first coefficient is the mean brightness, which says nothing about the picture
    signs = waves > np.median(waves[1:])
    found, descriptors = cv2.SIFT_create(nfeatures=_KEYPOINTS, contrastThreshold=_CONTRAST).detectAndCompute(grey, None)
    points = np.array([k.pt for k in found], np.float32).reshape(-1, 2)
    descriptors = np.zeros((0, 128), np.uint8) if descriptors is None else descriptors.astype(np.uint8)
    return size, Fingerprint(int(np.packbits(signs).view(">u8")[0]), thumbnail, points, descriptors)


def in_threads(work: Callable, items: Iterable, progress: Callable[[int, int], None] | None = None) -> list:
    """Return ``[work(item) for item in items]``, done in threads, for the decoders let go of the interpreter.

    `progress` is called with (done, total) after each. Measured on 1,054 images: threads are as fast as processes,
    and need neither start-up nor a guarded main module.
    """
    items = list(items)
    results = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for result in threads.map(work, items):
            results.append(result)
            if progress:
                progress(len(results), len(items))
    return results

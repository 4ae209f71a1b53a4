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
_DARK = 0.5
_RIM_MARGIN = 17


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
    shown = _without_rim(grey)
    sift = cv2.SIFT_create(nfeatures=_KEYPOINTS, contrastThreshold=_CONTRAST)
    found, descriptors = sift.detectAndCompute(grey, shown.astype(np.uint8))
    points = np.array([k.pt for k in found], np.float32).reshape(-1, 2)
    descriptors = np.zeros((0, 128), np.uint8) if descriptors is None else descriptors.astype(np.uint8)
    painted = np.where(shown, grey, np.median(grey[shown]).astype(np.uint8))
    thumbnail = cv2.resize(painted, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(thumbnail.astype(np.float32))[:8, :8].ravel()
    # the first coefficient is the mean brightness, which says nothing about the picture
    signs = waves > np.median(waves[1:])
    return size, Fingerprint(int(np.packbits(signs).view(">u8")[0]), thumbnail, points, descriptors)


def _without_rim(grey: np.ndarray) -> np.ndarray:
    """Return where a picture shows something, and not a dark rim: (h, w) bool from (h, w) uint8.

    Two pictures through one dermatoscope, or two that were turned, have their dark rims in common, and nothing else
    need be.
    """
    import cv2

    _, areas = cv2.connectedComponents((grey < np.median(grey) * _DARK).astype(np.uint8))
    edge = np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]])
    rim = np.isin(areas, np.setdiff1d(edge, [0])).astype(np.uint8)
    shown = cv2.dilate(rim, np.ones((_RIM_MARGIN, _RIM_MARGIN), np.uint8)) == 0
    return shown if shown.mean() > 0.25 else np.ones_like(shown)


def in_threads(work: Callable, items: Iterable, progress: Callable[[int, int], None] | None = None) -> list:
    """Return ``[work(item) for item in items]``, done in threads, for the decoders let go of the interpreter.

    `progress` is called with (done, total) after each. Measured with 1, 2 and 4 workers, threads are no slower than
    processes here, and they need neither start-up nor a guarded main module.
    """
    items = list(items)
    results = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for result in threads.map(work, items):
            results.append(result)
            if progress:
                progress(len(results), len(items))
    return results

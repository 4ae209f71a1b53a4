"""Images decoded once, as uint8 frames a training can draw from again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core import datasets
from xai_core.errors import SampleError
from xai_core.geometry import Frame

if TYPE_CHECKING:
    from xai_core.types import Sample

IN_MEMORY = 4 * 1024**3  # bytes of frames above which they lie in a file that the system pages in
MARGIN = 1 / 7  # of the frame's side: 224 px in a canvas of 256 px, what Resize(256) leaves around the crop


def canvas_of(frame: Frame) -> Frame:
    """Return the frame of the canvas that augmentation cuts from: what lies around a crop, at most `MARGIN` more.

    A fit that shows the whole image leaves nothing around: its canvas is the frame itself. The margin is even on both
    sides and its half is even, so that the middle of the canvas is the frame to the pixel (see `Frame.place`).
    """
    if frame.fit != "crop":
        return frame
    room = min(frame.resize - max(frame.size), round(max(frame.size) * MARGIN))
    room -= room % 4
    return Frame((frame.size[0] + room, frame.size[1] + room), "crop", frame.resize, frame.interpolation)


def read_frames(
    samples: Sequence[Sample],
    frame: Frame,
    *,
    threads: int,
    overflow: Path,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, list[SampleError | None]]:
    """Return ((N, h, w, 3) uint8 frames, one error or None per sample); the frame of a broken image is black.

    Parameters
    ----------
    samples : sequence of Sample
    frame : Frame
        How images are brought to size.
    threads : int
        How many images are decoded at a time.
    overflow : Path
        The file that holds the frames where they take more than `IN_MEMORY` bytes.
    progress : callable, optional
        Told (done, total).
    """
    shape = (len(samples), *frame.size, 3)
    if int(np.prod(shape, dtype=np.int64)) > IN_MEMORY:
        overflow.parent.mkdir(parents=True, exist_ok=True)
        frames = np.memmap(overflow, np.uint8, "w+", shape=shape)
    else:
        frames = np.zeros(shape, np.uint8)

    def read(k: int) -> SampleError | None:
        try:
            image = datasets.read_image(samples[k].image)
        except SampleError as error:
            return error
        frames[k] = frame.place(image.shape[:2]).image(image)
        return None

    errors: list[SampleError | None] = []
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for error in pool.map(read, range(len(samples))):
            errors.append(error)
            if progress:
                progress(len(errors), len(samples))
    return frames, errors

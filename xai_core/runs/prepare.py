"""From a sample's files to what the network and the scores need: frame, region, segments. Runs in worker processes.

Nothing here imports torch: a worker starts in half a second and stays small.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xai_core.errors import BadInput, SampleError
from xai_core.files import write_atomic
from xai_core.geometry import Frame, Placement
from xai_core.runs.settings import versions
from xai_core.types import Sample


@dataclass(frozen=True)
class Prepared:
    """One sample, ready for the network.

    Attributes
    ----------
    sample : Sample
    image_hash : str
        sha256 of the file's bytes; '' where the file could not be read.
    size : (height, width)
        Of the original image; (0, 0) where it could not be read.
    frame : (h, w, 3) uint8 or None
        The image in the model frame; None where it could not be read.
    segments : (h, w) int or None
        Where the explainer asked for them.
    region : (h, w) bool or None
        The ground truth in the model frame; None where there is none, and then `annotation` says why.
    annotation, annotation_area, annotation_kept
        As in SPEC.md.
    error : str
        Why the image cannot be used; '' where it can.
    """

    sample: Sample
    image_hash: str = ""
    size: tuple[int, int] = (0, 0)
    frame: np.ndarray | None = None
    segments: np.ndarray | None = None
    region: np.ndarray | None = None
    annotation: str = ""
    annotation_area: float | None = None
    annotation_kept: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Preparation:
    """How samples are prepared: the model frame, whether with segments, and the folder of the cache.

    ``segmentation`` names the segmentation (a key of the cache) or is '' for none. ``cache`` None keeps nothing.
    """

    frame: Frame
    segmentation: str = ""
    cache: Path | None = None

    def __call__(self, sample: Sample) -> Prepared:
        """Return the sample prepared; an unusable image or annotation is told in the result, never raised."""
        from xai_core.datasets import image_hash

        try:
            digest = image_hash(sample.image)
            size, frame, segments = self._picture(sample, digest)
        except SampleError as error:
            return Prepared(sample, error=str(error))
        truth = _ground_truth(sample, self.frame.place(size))
        return Prepared(sample, digest, size, frame, segments, **truth)

    def _picture(self, sample: Sample, digest: str) -> tuple[tuple[int, int], np.ndarray, np.ndarray | None]:
        stored = self.cache and self.cache / digest[:2] / f"{digest}-{self._key}.npz"
        if stored and (found := _read_cache(stored)):
            return found
        made = self._make(sample)
        if stored:
            _write_cache(stored, *made)
        return made

    def _make(self, sample: Sample) -> tuple[tuple[int, int], np.ndarray, np.ndarray | None]:
        from xai_core.datasets import read_image

        image = read_image(sample.image)
        frame = self.frame.place(image.shape[:2]).image(image)
        if not self.segmentation:
            return image.shape[:2], frame, None
        from xai_core.explainers import lime

        return image.shape[:2], frame, lime.segment(frame)

    @property
    def _key(self) -> str:
        settings = [self.frame.as_dict(), self.segmentation, versions()]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def cache_folder() -> Path | None:
    """Return where prepared images are kept: ``$RIGHT_REASONS_CACHE`` ('' for nowhere), else under ``~/.cache``."""
    named = os.environ.get("RIGHT_REASONS_CACHE")
    if named is None:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "right-reasons"
    return Path(named) if named else None


def _ground_truth(sample: Sample, placement: Placement) -> dict:
    from xai_core.datasets import read_region

    try:
        drawn = read_region(sample, placement.original)
    except SampleError as error:
        return {"annotation": error.kind}
    if drawn is None:
        return {"annotation": sample.annotation_problem or "no_annotation"}
    region, area = placement.mask(drawn), float(drawn.mean())
    if not region.any():
        return {"annotation": "annotation_outside_crop", "annotation_area": area, "annotation_kept": 0.0}
    return {"region": region, "annotation_area": area, "annotation_kept": placement.share_inside(drawn)}


def _read_cache(path: Path) -> tuple | None:
    try:
        # opened here: numpy leaves the file of a damaged archive open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            height, width = stored["size"].tolist()
            return (height, width), stored["frame"], stored.get("segments")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # absent or damaged: made anew


def _write_cache(path: Path, size: tuple[int, int], frame: np.ndarray, segments: np.ndarray | None) -> None:
    arrays = {"size": np.array(size, np.int64), "frame": frame}
    if segments is not None:
        arrays["segments"] = segments.astype(np.uint8 if segments.max() < 256 else np.uint16)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    try:
        write_atomic(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))
    except BadInput:
        return  # a cache that cannot be written only costs time

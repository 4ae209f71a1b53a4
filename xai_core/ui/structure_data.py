"""What the page Structure is about: tracks, their kept analyses and pictures, each read once and shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import streamlit as st

from xai_core.errors import BadInput
from xai_core.files import is_sealed, read_json
from xai_core.i2x import changes, patches, roles
from xai_core.i2x.evidence import Evidence, evidence_of
from xai_core.i2x.patches import Picture
from xai_core.i2x.store import MANIFEST, Track, intensity, open_track
from xai_core.i2x.structure import FILE, FORMAT
from xai_core.i2x.why import why_of

HOME = Path("tracks")
SOME = 4000
ROLES = {"shared": "shared", "specialised": "specialised", "supporting": "supporting"}


@dataclass(frozen=True, eq=False)
class Shown:
    """A track with its analysis.

    Attributes
    ----------
    track : Track
    structure : dict
        As kept in structure.json.
    """

    track: Track
    structure: Mapping

    @property
    def key(self) -> tuple[str, str]:
        """Return what decides all that is shown: digests of the track and of its analysis."""
        return self.track.digest, self.structure["sha256"]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the classes."""
        return self.track.class_names

    @property
    def model(self) -> str:
        """Return the name of the classifier that was followed."""
        return Path(self.track.settings["model"]).name

    @cached_property
    def labels(self) -> np.ndarray:
        """Return (N,) int: the class index of each sample."""
        return self.track.samples["label"].to_numpy(int)

    @cached_property
    def ids(self) -> np.ndarray:
        """Return (N,) str: the name of each sample."""
        return self.track.samples["sample_id"].to_numpy(str)

    @cached_property
    def places(self) -> np.ndarray:
        """Return (N, h * w): the prototype of each place."""
        return self.track.places()

    @cached_property
    def share(self) -> np.ndarray:
        """Return (N, K) float32: the share of each sample's places that a prototype has."""
        return self.track.share()

    @cached_property
    def carried(self) -> np.ndarray:
        """Return (N, K) bool: which sample carries which prototype."""
        return changes.carries(self.share, self.structure["options"]["presence"])

    @cached_property
    def coverage(self) -> np.ndarray:
        """Return (K, M) float64: the share of each class that carries a prototype; NaN for a class without samples."""
        return roles.coverage(self.carried, self.labels, len(self.names))

    @cached_property
    def final(self) -> np.ndarray:
        """Return (N, M) float32: what the final network says."""
        return self.track.probabilities(self.track.steps[-1])

    @cached_property
    def some_intensity(self) -> tuple[np.ndarray, np.ndarray]:
        """Return rows of at most `SOME` samples, (n,), and the final intensity of each prototype in them, (n, K)."""
        rows = patches.spread(np.arange(len(self.track)), SOME)
        heatmaps = self.track.heatmaps(self.track.steps[-1])[rows]
        return rows, intensity(heatmaps, self.places[rows], self.track.prototypes)

    def row_of(self, sample_id: str) -> int | None:
        """Return the row of a sample; None where the track has none of that name."""
        found = np.flatnonzero(self.ids == sample_id)
        return int(found[0]) if len(found) else None

    def cells(self, row: int, prototype: int) -> np.ndarray:
        """Return (h, w) bool: where a sample carries a prototype."""
        return (self.places[row] == prototype).reshape(self.track.grid)

    def class_of(self, name: str) -> Mapping:
        """Return what the analysis says of a class."""
        return next(entry for entry in self.structure["classes"] if entry["class"] == name)

    def scale_of(self, place: int, unit: str) -> float:
        """Return what intensities of a checkpoint, by its position, are divided by in a unit."""
        mean = self.structure["checkpoints"][place]["mean_intensity"]
        return mean if unit == "normalised" and mean > 0 else 1.0


def tracks() -> list[str]:
    """Return the folders of finished tracks in tracks/ of the working directory."""
    return [str(manifest.parent) for manifest in sorted(HOME.glob(f"*/{MANIFEST}"))]


def unfinished() -> list[str]:
    """Return the folders in tracks/ that hold a track that was begun and not finished."""
    begun = sorted(path.parent for path in HOME.glob("*/settings.json"))
    return [str(folder) for folder in begun if not (folder / MANIFEST).exists()]


def track_of(folder: str) -> Track:
    """Return the track in a folder; BadInput where it is not as it was written."""
    return _open(str(Path(folder).absolute()), (Path(folder) / MANIFEST).stat().st_mtime_ns)


def shown_of(track: Track) -> Shown | None:
    """Return a track with the analysis that is kept beside it; None where there is none of this track."""
    path = track.folder / FILE
    return _shown(str(track.folder), track.digest, path.stat().st_mtime_ns) if path.is_file() else None


def picture_of(shown: Shown, row: int) -> Picture:
    """Return the picture of a sample."""
    return _picture(str(shown.track.folder), shown.track.digest, row)


def maps_over_time(shown: Shown, rows: Sequence[int], unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (S, n, h, w) Grad-CAM and (S, n, M) probabilities of some samples at every checkpoint."""
    maps, confidence = _over_time(str(shown.track.folder), shown.track.digest, tuple(rows))
    scales = np.array([shown.scale_of(place, unit) for place in range(len(maps))])
    return maps / scales[:, None, None, None], confidence


def why(shown: Shown, sample_id: str) -> dict:
    """Return why the network looks where it does in a sample (`xai_core.i2x.why`)."""
    return _why(str(shown.track.folder), shown.key, sample_id)


@st.cache_resource(max_entries=6, show_spinner="Opening the track ...")
def _open(folder: str, changed: int) -> Track:
    return open_track(folder)


@st.cache_resource(max_entries=6, show_spinner="Reading the analysis ...")
def _shown(folder: str, digest: str, changed: int) -> Shown | None:
    try:
        content = read_json(Path(folder) / FILE)
    except BadInput:
        return None
    sound = content.get("format") == FORMAT and is_sealed(content) and content["track"] == digest
    return Shown(_track(folder), content) if sound else None


def _track(folder: str) -> Track:
    return track_of(folder)


@st.cache_data(max_entries=2000, show_spinner=False)
def _picture(folder: str, digest: str, row: int) -> Picture:
    return patches.picture(_track(folder), row)


@st.cache_data(max_entries=60, show_spinner=False)
def _over_time(folder: str, digest: str, rows: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    track = _track(folder)
    maps = np.stack([patches.maps_of(track, step, rows) for step in track.steps])
    return maps, np.stack([patches.confidence_of(track, step, rows) for step in track.steps])


# of 60,000 samples 200 MB: of one track at a time
@st.cache_resource(max_entries=1, show_spinner="Reading where the evidence lay in every sample ...")
def _evidence(folder: str, digest: str) -> Evidence:
    return evidence_of(_track(folder))


@st.cache_data(max_entries=200, show_spinner=False)
def _why(folder: str, key: tuple[str, str], sample_id: str) -> dict:
    shown = shown_of(_track(folder))
    return why_of(_evidence(folder, key[0]), shown.structure, sample_id)

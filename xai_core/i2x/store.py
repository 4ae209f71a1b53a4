"""A track on disk: written part by part, read as arrays (SPEC.md)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import is_sealed, read_json, sha256_of
from xai_core.i2x import parts, tables
from xai_core.i2x.prototypes import Prototypes

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SPEC_VERSION = 1
MANIFEST, SETTINGS = "manifest.json", "settings.json"
SAMPLE_COLUMNS = ("sample_id", "label", "image_hash", "image", "split")


class Track:
    """A finished track, read only. Rows are samples, in the order of `samples`.

    Attributes
    ----------
    folder : Path
    settings : dict
    class_names : tuple of str
    steps : tuple of int
        Updates after which each checkpoint was kept, ascending; the last is the final network.
    grid : (h, w)
        Places of the layer that is explained.
    prototypes : int
        K.
    digest : str
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / MANIFEST).is_file():
            raise _no_track(self.folder)
        self.manifest = read_json(self.folder / MANIFEST)
        if not is_sealed(self.manifest) or self.manifest["settings"].get("spec_version") != SPEC_VERSION:
            raise parts.damaged(self.folder / MANIFEST, "a manifest that was changed, or one of another version")
        self.settings: dict = self.manifest["settings"]
        self.digest: str = self.manifest["digest"]
        self.class_names = tuple(self.settings["class_names"])
        self.steps: tuple[int, ...] = tuple(self.settings["steps"])
        self.grid: tuple[int, int] = tuple(self.settings["grid"])
        self.prototypes: int = self.settings["prototypes"]
        self._read = lru_cache(maxsize=2 * len(self.steps) + 2)(self._read_table)

    def __len__(self) -> int:
        return self.manifest["samples"]

    @cached_property
    def samples(self) -> pd.DataFrame:
        """Return N rows: ``sample_id``, ``label``, ``image_hash``, ``image``, ``split``."""
        return self._read("samples.parquet", SAMPLE_COLUMNS).to_pandas()

    @cached_property
    def centres(self) -> Prototypes:
        """Return the projection and the centres of the prototypes."""
        return tables.prototypes_of(self._read("projection.parquet", None), self._read("prototypes.parquet", None))

    def places(self) -> np.ndarray:
        """Return (N, h * w) uint16: the prototype that each place carries."""
        return parts.matrix(self._read("places/", ("prototype",))["prototype"])

    def heatmaps(self, step: int) -> np.ndarray:
        """Return (N, h * w) float32: Grad-CAM at a checkpoint, after its ReLU, not rescaled."""
        return parts.heatmaps(self._read(self._of(step), ("heatmap", "scale")))

    def probabilities(self, step: int) -> np.ndarray:
        """Return (N, M) float32 softmax probabilities at a checkpoint."""
        return parts.matrix(self._read(self._of(step), ("probabilities",))["probabilities"])

    def intensity(self, step: int) -> np.ndarray:
        """Return (N, K) float32: the mean of the heatmap over the places of each prototype; 0 where it has none."""
        return intensity(self.heatmaps(step), self.places(), self.prototypes)

    def share(self) -> np.ndarray:
        """Return (N, K) float32: the share of an image's places that carry each prototype."""
        return share(self.places(), self.prototypes)

    def changed(self) -> list[Path]:
        """Return the files whose bytes are not those the manifest names, and those that are gone."""
        named = {self.folder / entry["file"]: entry["sha256"] for entry in self.manifest["files"]}
        return [file for file, digest in named.items() if not file.is_file() or sha256_of(file) != digest]

    def _of(self, step: int) -> str:
        if step not in self.steps:
            known = ", ".join(map(str, self.steps))
            raise BadInput(where=self.folder, expected=f"a step of {known}", found=step, remedy="name one of them")
        return f"checkpoints/{step}/"

    def _read_table(self, prefix: str, columns: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = [self.folder / e["file"] for e in self.manifest["files"] if e["file"].startswith(prefix)]
        found = []
        for file in files:
            try:
                found.append(pq.read_table(file, columns=columns and list(columns)))
            except (OSError, pa.ArrowException) as error:
                why = "no such file" if isinstance(error, FileNotFoundError) else str(error)[:120]
                raise parts.damaged(file, why) from error
        return pa.concat_tables(found)


def open_track(folder: str | Path) -> Track:
    """Return the finished track in a folder.

    Raises
    ------
    BadInput
        Where there is none, it is unfinished, or a file is not as it was written.
    """
    track = Track(Path(folder))
    if changed := track.changed():
        raise parts.damaged(changed[0], "other bytes, or nothing")
    return track


def intensity(heatmaps: np.ndarray, places: np.ndarray, prototypes: int) -> np.ndarray:
    """Return (N, K) float32 means of (N, P) maps over the places of each prototype; 0 where an image has none."""
    cells = _cells(places, prototypes)
    size = len(places) * prototypes
    total = np.bincount(cells, heatmaps.ravel(), minlength=size)
    count = np.bincount(cells, minlength=size)
    return (total / np.maximum(count, 1)).reshape(-1, prototypes).astype(np.float32)


def share(places: np.ndarray, prototypes: int) -> np.ndarray:
    """Return (N, K) float32: of the (N, P) places of each image, the share that each prototype has."""
    count = np.bincount(_cells(places, prototypes), minlength=len(places) * prototypes)
    return (count.reshape(-1, prototypes) / places.shape[1]).astype(np.float32)


def _cells(places: np.ndarray, prototypes: int) -> np.ndarray:
    return (np.arange(len(places))[:, None] * prototypes + places).ravel()


def _no_track(folder: Path) -> BadInput:
    begun = (folder / SETTINGS).exists()
    found = "one that was cut off" if begun else "none" if folder.exists() else "no such folder"
    remedy = "go on with it by `i2x fit --resume`" if begun else "make one with `i2x fit`"
    return BadInput(where=folder, expected="a finished track", found=found, remedy=remedy)

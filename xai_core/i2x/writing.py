"""Writing a track part by part, so that a kill loses at most one (SPEC.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import read_json, sealed, sha256_of, write_json
from xai_core.i2x import parts, tables
from xai_core.i2x.prototypes import Prototypes
from xai_core.i2x.store import MANIFEST, SAMPLE_COLUMNS, SETTINGS, SPEC_VERSION, Track

if TYPE_CHECKING:
    import pandas as pd

# how the data's and the model's folders are spelled decides nothing: fingerprint and digests do
_SPELLED = {"dataset_root", "model"}
_OWN = (".lock", "curve.json")


class TrackWriter:
    """Writes one track, or goes on with one that was cut off.

    Parameters
    ----------
    folder : Path
    settings : dict
        Plain JSON values (SPEC.md, settings.json).
    resume : bool
        Whether a track may already have been begun here. Its settings must be the same.

    Raises
    ------
    BadInput
        Where the folder holds a track and `resume` is False, holds something else, or other settings began it.
    """

    def __init__(self, folder: Path, settings: dict, *, resume: bool = False) -> None:
        self.folder = Path(folder)
        self.settings = json.loads(json.dumps({"spec_version": SPEC_VERSION} | settings))
        if (self.folder / SETTINGS).exists():
            _check_same(self.folder, read_json(self.folder / SETTINGS), self.settings, resume=resume)
        else:
            _check_empty(self.folder)
        for leftover in self.folder.rglob(".*.tmp"):
            leftover.unlink()
        self._started = time.time()
        self._parts: dict[str, parts.Parts] = {}

    def finished(self) -> Track | None:
        """Return the track that is finished here, or None; what of it is damaged is removed, to be made anew."""
        if not (self.folder / MANIFEST).is_file():
            return None
        try:
            track = Track(self.folder)
            changed = track.changed()
        except BadInput:
            changed = [self.folder / name for name in ("projection.parquet", "prototypes.parquet")]
        if not changed:
            return track
        for file in [*changed, self.folder / MANIFEST]:
            file.unlink(missing_ok=True)
        return None

    def begin(self, samples: pd.DataFrame) -> None:
        """Write settings and samples; rows with the columns of `SAMPLE_COLUMNS`, in data set order."""
        import pyarrow as pa

        kinds = [(name, pa.int32() if name == "label" else pa.string()) for name in SAMPLE_COLUMNS]
        table = pa.Table.from_pandas(samples[list(SAMPLE_COLUMNS)], pa.schema(kinds), preserve_index=False)
        write_json(self.folder / SETTINGS, self.settings)
        tables.write_table(self.folder / "samples.parquet", table.replace_schema_metadata(None))
        self._ids = table["sample_id"].to_pylist()

    @property
    def prototypes(self) -> Prototypes | None:
        """Return the prototypes that are stored, or None."""
        return tables.read_prototypes(self.folder)

    def set_prototypes(self, prototypes: Prototypes) -> None:
        """Write projection and prototypes."""
        projection, centres = tables.prototype_tables(prototypes)
        tables.write_table(self.folder / "projection.parquet", projection)
        tables.write_table(self.folder / "prototypes.parquet", centres)

    def places_done(self) -> int:
        """Return how many samples have places."""
        return self._of("places").done

    def done(self, step: int) -> int:
        """Return how many samples have a heatmap at a step."""
        return self._of(f"checkpoints/{step}").done

    def add_places(self, places: np.ndarray) -> None:
        """Write the prototypes of the places of the next samples, (n, h * w) uint16, as a part."""
        self._of("places").add({"prototype": parts.lists(places.astype(np.uint16))})

    def add(self, step: int, heatmaps: np.ndarray, probabilities: np.ndarray) -> None:
        """Write what the next samples have at a step as a part: (n, h * w) and (n, M) float32."""
        columns = parts.heatmap_columns(heatmaps) | {"probabilities": parts.lists(probabilities.astype(np.float32))}
        self._of(f"checkpoints/{step}").add(columns)

    def probabilities(self, step: int) -> np.ndarray:
        """Return (n, M) float32 of the samples that are done at a step."""
        import pyarrow.parquet as pq

        files = self._of(f"checkpoints/{step}").files
        return np.concatenate(
            [parts.matrix(pq.read_table(f, columns=["probabilities"])["probabilities"]) for f in files]
        )

    def finish(self, left_out: Mapping[str, int] | None = None) -> Track:
        """Return the finished track after writing, last, its manifest; `left_out` counts samples without a row."""
        folders = ["places", *(f"checkpoints/{step}" for step in self.settings["steps"])]
        files = [self.folder / name for name in ("samples.parquet", "projection.parquet", "prototypes.parquet")]
        files += [file for name in folders for file in self._of(name).files]
        manifest = {
            "settings": self.settings,
            "samples": len(self._ids),
            "left_out": dict(left_out or {}),
            "files": [{"file": file.relative_to(self.folder).as_posix(), "sha256": sha256_of(file)} for file in files],
            "digest": "",
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started)),
            "seconds": round(time.time() - self._started, 3),
        }
        manifest["digest"] = tables.content_digest(self.folder, manifest)
        write_json(self.folder / MANIFEST, sealed(manifest))
        return Track(self.folder)

    def _of(self, name: str) -> parts.Parts:
        if name not in self._parts:
            self._parts[name] = parts.Parts(self.folder / name, self._ids)
        return self._parts[name]


def write(
    folder: str | Path,
    settings: Mapping[str, object],
    samples: pd.DataFrame,
    prototypes: Prototypes,
    places: np.ndarray,
    heatmaps: Mapping[int, np.ndarray],
    probabilities: Mapping[int, np.ndarray],
) -> Track:
    """Return a track made of arrays that are there already: `places` (N, h * w), and for each step what `add` takes."""
    writer = TrackWriter(Path(folder), dict(settings))
    writer.begin(samples)
    writer.set_prototypes(prototypes)
    writer.add_places(places)
    for step in settings["steps"]:
        writer.add(step, heatmaps[step], probabilities[step])
    return writer.finish()


def _check_same(folder: Path, stored: dict, asked: dict, *, resume: bool) -> None:
    differing = sorted(k for k in (stored.keys() | asked.keys()) - _SPELLED if stored.get(k) != asked.get(k))
    if resume and not differing:
        return
    found = "; ".join(f"{k}: {stored.get(k)!r} there, {asked.get(k)!r} asked" for k in differing)
    raise BadInput(
        where=folder,
        expected="the settings the track was begun with" if resume else "a folder without a track",
        found=found if resume else "a track that was begun there",
        remedy="resume with the same settings, or choose another folder"
        if resume
        else "go on with it by --resume, or choose another folder",
    )


def _check_empty(folder: Path) -> None:
    others = sorted(p.name for p in folder.iterdir() if p.name not in _OWN) if folder.is_dir() else []
    if others or (folder.exists() and not folder.is_dir()):
        raise BadInput(
            where=folder,
            expected="a new folder",
            found=", ".join(others[:4]) or "a file",
            remedy="choose another folder",
        )

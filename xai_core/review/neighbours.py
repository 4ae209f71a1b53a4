"""The nearest cases of a record by what the classifier makes of their images, kept beside the run.

``RUN/features.parquet`` has a row for each distinct image of the run: ``image_hash`` (string, sha256 of the file as in
records.parquet) and ``feature`` (fixed-size list of float32, `probes.features`); its schema carries the
``classifier_digest``. It is derived: it may be deleted, and one of another classifier counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import write_atomic
from xai_core.review.again import classifier_of, preparation_of, samples_of, unusable
from xai_core.runs.spread import over_processes
from xai_core.runs.store import Run

if TYPE_CHECKING:
    import pandas as pd

    from xai_core.models import Classifier

FILE = "features.parquet"
KINDS = ("correct", "borderline", "failed")
BORDER, BORDER_OF_TWO = 0.1, 0.2
_DIGEST = b"classifier_digest"
_BATCH = 64


class Neighbour(NamedTuple):
    """A record near another; `similarity` is the cosine of their centred features, [-1, 1]."""

    sample_id: str
    similarity: float


class Nearest(NamedTuple):
    """The nearest records of one kind, the nearest first; where there are none, `reason` says why, else ''."""

    cases: list[Neighbour]
    reason: str


def prepare_features(
    run: Run,
    classifier: Classifier | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    workers: int = 2,
) -> Path:
    """Return the feature file of a run, with the features that it lacked.

    Parameters
    ----------
    classifier : Classifier, optional
        The run's; loaded by `again.classifier_of` where features must be computed.
    progress : callable, optional
        Called with (distinct images done, images in all).
    workers : int
        Processes that prepare images.

    Raises
    ------
    BadInput
        Where the classifier is not at hand, or no image of the run is.

    Notes
    -----
    Features that a sibling run of the same classifier has are taken from there. An image that is gone, or is not the
    one that was explained, has no feature; it is tried again the next time.
    """
    records = run.records(["sample_id", "image", "image_hash", "status"])
    wanted = records[records["status"] == "ok"].drop_duplicates("image_hash")
    known = _known(run, set(wanted["image_hash"]))
    missing = wanted[~wanted["image_hash"].isin(known)]
    stored = run.folder / FILE
    if not len(missing) and _read(stored, run)[0] == list(known):
        return stored
    if len(missing):
        known |= _computed(run, missing, classifier or classifier_of(run), progress, workers)
    if not known:
        raise BadInput(
            where=run.folder,
            expected="at least one image of the run where it was",
            found=f"none in {(run.folder / run.settings['dataset_root']).resolve()}",
            remedy="put the data set back",
        )
    return _write(stored, run, {h: known[h] for h in wanted["image_hash"] if h in known})


def nearest(
    run: Run, table: pd.DataFrame, sample_id: str, count: int = 1, threshold: float | None = None
) -> dict[str, Nearest]:
    """Return the records nearest to one, of each kind of `KINDS`.

    ``borderline`` are records whose call was close, whichever it was: |p(positive) - threshold| <= 0.1 where the run
    has a positive class, else the two largest probabilities at most 0.2 apart. Of the others, ``correct`` and
    ``failed`` are those that were called right and wrong; a record without a label is neither.

    Parameters
    ----------
    run : Run
        Its features are read once and stay in memory.
    table : DataFrame
        Every record of the run, as `runs.summary.table_of` gives it.
    sample_id : str
    count : int
        At most so many of each kind.
    threshold : float, optional
        The one that `table` was made for; the run's own by default.

    Notes
    -----
    Nearness is the cosine of features with the mean of the run's images taken off. Ties go to the record that stands
    earlier in the data set.
    """
    path = run.folder / FILE
    if not path.exists():
        return dict.fromkeys(KINDS, Nearest([], "the features of this run are not prepared"))
    space = _space(run.folder.resolve(), path.stat().st_mtime_ns)
    place = np.flatnonzero(table["sample_id"] == sample_id)
    if len(table) != len(space.rows) or not len(place):
        raise BadInput(
            where=run.folder,
            expected=f"a record of this run and the table of all its {len(space.rows)} records",
            found=f"{sample_id!r} and a table of {len(table)}",
            remedy="give the whole table, as `table_of` does",
        )
    similarity = space.similarity(place[0])
    if similarity is None:
        return dict.fromkeys(KINDS, Nearest([], "the image of this record has no features"))
    kinds = _kinds(run, table, space.margin, threshold)
    similarity[place[0]] = np.nan
    ids = table["sample_id"]
    return {kind: _best(similarity, chosen, count, ids, kind) for kind, chosen in kinds.items()}


class _Space:
    """Features of a run: unit vectors of its distinct images, and which of them each record has.

    ``rows`` (N,) int: row of `units`, -1 for a record without features. ``margin`` (N,): the two largest probabilities'
    difference; None where the run has a positive class.
    """

    def __init__(self, run: Run) -> None:
        hashes, features = _read(run.folder / FILE, run)
        features -= features.mean(0, dtype=np.float64).astype(np.float32)
        # a vector of zeros, an image just like the mean, stays one: similar to nothing
        features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        self.units = features
        places = {image_hash: row for row, image_hash in enumerate(hashes)}
        self.rows = np.array([places.get(h, -1) for h in run.records(["image_hash"])["image_hash"]])
        self.margin = None
        if run.settings["positive"] is None:
            two = np.sort(np.partition(run.probabilities(), -2, axis=1)[:, -2:], axis=1)
            self.margin = two[:, 1] - two[:, 0]

    def similarity(self, place: int) -> np.ndarray | None:
        """Return the similarity of each record to the one at `place`, NaN without features; None where it has none."""
        row = self.rows[place]
        if row < 0:
            return None
        return np.where(self.rows >= 0, (self.units @ self.units[row])[self.rows], np.nan)


@lru_cache(maxsize=2)
def _space(folder: Path, _written: int) -> _Space:
    return _Space(Run(folder))


def _kinds(run: Run, table: pd.DataFrame, margin: np.ndarray | None, threshold: float | None) -> dict[str, np.ndarray]:
    """Return for each kind which records are of it: (N,) bool."""
    if margin is not None:
        close = margin <= BORDER_OF_TWO
    else:
        at = run.settings["threshold"] if threshold is None else threshold
        positive = run.settings["class_names"].index(run.settings["positive"])
        confidence = table["confidence"].to_numpy(float)
        chance = np.where(table["predicted_index"] == positive, confidence, 1 - confidence)
        close = np.abs(chance - at) <= BORDER
    right, known = table["correct"].fillna(False).to_numpy(bool), table["correct"].notna().to_numpy()
    return {"correct": right & ~close, "borderline": close, "failed": known & ~right & ~close}


def _best(similarity: np.ndarray, chosen: np.ndarray, count: int, ids: pd.Series, kind: str) -> Nearest:
    places = np.flatnonzero(chosen & ~np.isnan(similarity))
    if not len(places):
        return Nearest([], f"no other {kind} record of this run has features")
    values = similarity[places]
    if len(places) > count:
        places = places[values >= np.partition(values, -count)[-count]]
    order = np.argsort(-similarity[places], kind="stable")[:count]
    return Nearest([Neighbour(ids.iloc[p], float(similarity[p])) for p in places[order]], "")


def _known(run: Run, wanted: set[str]) -> dict[str, np.ndarray]:
    """Return the features that this run or a sibling keeps already, for image hashes that are wanted."""
    known: dict[str, np.ndarray] = {}
    for file in (run.folder / FILE, *sorted(run.folder.resolve().parent.glob(f"*/{FILE}"))):
        if wanted - known.keys():
            for image_hash, feature in zip(*_read(file, run), strict=True):
                if image_hash in wanted:
                    known.setdefault(image_hash, feature)
    return known


def _computed(
    run: Run,
    missing: pd.DataFrame,
    classifier: Classifier,
    progress: Callable[[int, int], None] | None,
    workers: int,
) -> dict[str, np.ndarray]:
    from xai_core.probes.features import features_of

    made: dict[str, np.ndarray] = {}
    samples = samples_of(run, missing)
    stream = over_processes(preparation_of(run), samples, workers=workers, ahead=2 * _BATCH)
    pairs = zip(stream, missing["image_hash"], strict=True)
    done = 0
    for batch in _batches(pairs):
        usable = [(prepared.frame, wanted) for prepared, wanted in batch if not unusable(prepared, wanted)]
        if usable:
            frames, hashes = zip(*usable, strict=True)
            made.update(zip(hashes, features_of(classifier, np.stack(frames)), strict=True))
        done += len(batch)
        if progress:
            progress(done, len(samples))
    return made


def _batches(items: Iterator) -> Iterator[list]:
    while batch := list(islice(items, _BATCH)):
        yield batch


def _read(path: Path, run: Run) -> tuple[list[str], np.ndarray]:
    """Return the image hashes and (M, D) float32 features of a file; none where it is not of the run's classifier."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        if table.schema.metadata[_DIGEST].decode() != run.settings["classifier_digest"]:
            return [], np.zeros((0, 1), np.float32)
        column = table["feature"].combine_chunks()
        features = column.flatten().to_numpy().reshape(len(table), column.type.list_size)
    except (OSError, KeyError, TypeError, pa.ArrowInvalid):
        return [], np.zeros((0, 1), np.float32)  # absent or damaged: made anew
    return table["image_hash"].to_pylist(), features.copy()


def _write(path: Path, run: Run, known: dict[str, np.ndarray]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = np.stack(list(known.values()))
    column = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
    table = pa.table({"image_hash": list(known), "feature": column})
    table = table.replace_schema_metadata({_DIGEST: run.settings["classifier_digest"]})
    return write_atomic(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))

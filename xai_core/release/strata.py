"""Easy, borderline, failure: which records of the reference runs are which, and which of them a review set takes.

METHODS 4. Nothing here depends on the order of runs or records: ties are broken by a hash of seed and sample id.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xai_core.review import neighbours
from xai_core.runs import Run
from xai_core.runs.tables import judge, positive_of, threshold_of

if TYPE_CHECKING:
    import pandas as pd

EASY, BORDERLINE, FAILURE = STRATA = ("easy", "borderline", "failure")
LOWEST, HIGHEST = 0.2, 0.7
ENOUGH, MOST = 60, 20
BY_FEATURES, BY_AREA = "features of the images", "lesion area and probability"


def margins(run: Run, probabilities: np.ndarray) -> np.ndarray:
    """Return how far each call is from the other one: (N,) float64 in [0, 1], NaN for records with an error.

    With a positive class, the distance of its probability from the run's threshold as a share of the room on that
    side; with two classes and a threshold of 0.5 this is the difference of the two probabilities. Without one, the
    difference of the two largest probabilities.
    """
    positive, p = positive_of(run), probabilities.astype(np.float64)
    if positive is None:
        second, first = np.sort(p, axis=1)[:, -2:].T
        return first - second
    distance, at = p[:, positive] - threshold_of(run, None), threshold_of(run, None)
    room = np.where(distance >= 0, 1 - at, at)
    return np.divide(np.abs(distance), room, out=np.zeros_like(distance), where=room > 0)


def stratum_of(runs: Sequence[Run], tables: Sequence[pd.DataFrame], usable: np.ndarray) -> np.ndarray:
    """Return the stratum of each record by the union of the runs: (N,) str, '' for none.

    ``failure``: wrong in any run. ``borderline``: of the others, those whose margin is among the lowest 20 % of any
    run. ``easy``: right in all, with a margin of at least the 70th percentile in all. Percentiles are over the usable.

    Parameters
    ----------
    tables : sequence of DataFrame
        Of each run, in one order of samples: ``label_index``, ``probabilities`` and ``correct``.
    usable : (N,) bool
        Records with label, answer and outline in every run.
    """
    failure, borderline, easy = ~usable, np.zeros(len(usable), bool), usable.copy()
    for run, table in zip(runs, tables, strict=True):
        margin = margins(run, stacked(run, table))
        low, high = np.quantile(margin[usable], [LOWEST, HIGHEST])
        failure |= ~table["correct"].fillna(False).to_numpy(bool)
        borderline |= margin <= low
        easy &= margin >= high
    return np.select([~usable, failure, borderline, easy], ["", FAILURE, BORDERLINE, EASY], "")


def stacked(run: Run, table: pd.DataFrame) -> np.ndarray:
    """Return the (N, C) float32 probabilities of a table's rows, NaN where there is no answer."""
    blank = np.full(len(run.settings["class_names"]), np.nan, np.float32)
    return np.stack([blank if row is None else row for row in table["probabilities"]])


def correct_in(run: Run, table: pd.DataFrame) -> pd.Series:
    """Return for records without scores whether each is called right at the run's operating point."""
    import pandas as pd

    blank = dict.fromkeys(("explanation_area", "explanation_coverage", "ground_truth_coverage", "iou"), np.nan)
    return pd.Series(judge(run, table.assign(**blank), stacked(run, table))["correct"])


def quota_of(cells: Counter) -> int:
    """Return how many items each cell is to give, of cells that have so many records.

    As many as the rarest, but at most `MOST`, and no fewer than it takes to come to `ENOUGH` items in all, where the
    records allow that.
    """
    fewest = -(-ENOUGH // len(cells))
    enough = (n for n in range(fewest, MOST + 1) if sum(min(n, have) for have in cells.values()) >= ENOUGH)
    return max(next(enough, fewest), min(*cells.values(), MOST))


class Draw:
    """Takes items from cells, spread over the tertiles of lesion area, failures with their matched cases.

    Parameters
    ----------
    table : DataFrame
        One row for each record that may be taken: ``sample_id``, ``label``, ``stratum``, ``area_tertile``.
    distance : (N, N) float64
        Between the rows.
    seed : int
    """

    def __init__(self, table: pd.DataFrame, distance: np.ndarray, seed: int) -> None:
        self.table, self.distance = table, distance
        text = (f"{seed}:{sample_id}" for sample_id in table["sample_id"])
        self._luck = np.array([hashlib.sha256(each.encode()).hexdigest() for each in text])
        self._tertile = table["area_tertile"].to_numpy(str)

    def take(self, label: str, quota: int) -> list[tuple[int, str]]:
        """Return (row, id of the failure it belongs to or '') of the items of one class, `quota` of each stratum."""
        ids = self.table["sample_id"].to_numpy(str)
        of_label = (self.table["label"] == label).to_numpy()
        rows = {s: np.flatnonzero(of_label & (self.table["stratum"] == s).to_numpy()) for s in STRATA}
        failures = self._spread(rows[FAILURE])[:quota]
        matched: dict[int, str] = {}
        partners = {EASY: self._matched(failures, rows[EASY]), BORDERLINE: self._matched(failures, rows[BORDERLINE])}
        for failure in failures:
            mates = [partners[s].get(failure) for s in (EASY, BORDERLINE)]
            if None not in mates:
                matched |= dict.fromkeys((failure, *mates), ids[failure])
        taken = list(failures)
        for stratum in (EASY, BORDERLINE):
            own = [row for row in partners[stratum].values() if row in matched]
            rest = [row for row in self._spread(rows[stratum]) if row not in own]
            taken += [*own, *rest][:quota]
        return [(row, matched.get(row, "")) for row in taken]

    def _spread(self, rows: np.ndarray) -> list[int]:
        """Return rows in the order they are taken in: by luck, the tertiles of area in turn."""
        by_luck = rows[np.argsort(self._luck[rows])]
        seen: Counter = Counter()
        turn = []
        for row in by_luck:
            turn.append(seen[self._tertile[row]])
            seen[self._tertile[row]] += 1
        return by_luck[np.argsort(turn, kind="stable")].tolist()

    def _matched(self, failures: Sequence[int], others: np.ndarray) -> dict[int, int]:
        """Return the nearest of the others for each failure, each once: of its own tertile of area while there are."""
        left, found = set(others.tolist()), {}
        for failure in failures:
            alike = [row for row in left if self._tertile[row] == self._tertile[failure]]
            pool = alike or list(left)
            if pool:
                found[failure] = min(pool, key=lambda row: (self.distance[failure, row], self._luck[row]))
                left.remove(found[failure])
        return found


def distances(runs: Sequence[Run], tables: Sequence[pd.DataFrame], rows: np.ndarray) -> tuple[np.ndarray, str]:
    """Return (n, n) float64 distances between the records at `rows`, and what they are made of.

    1 - the cosine of centred features, mean over the runs that keep features of all these images (`neighbours`);
    where none does, the difference in annotated area and in probability of each run, each over its own spread.
    """
    known = [features for run, table in zip(runs, tables, strict=True) if (features := _features(run, table, rows))]
    if known:
        return np.mean([1 - units @ units.T for (units,) in known], axis=0), BY_FEATURES
    columns = [tables[0]["annotation_area"].to_numpy(float)[rows]]
    for run, table in zip(runs, tables, strict=True):
        p, positive = stacked(run, table)[rows].astype(float), positive_of(run)
        columns.append(p.max(axis=1) if positive is None else p[:, positive])
    spread = np.array([max(column.std(), np.finfo(float).tiny) for column in columns])
    place = np.stack(columns, axis=1) / spread
    return np.linalg.norm(place[:, None] - place[None], axis=2), BY_AREA


def _features(run: Run, table: pd.DataFrame, rows: np.ndarray) -> tuple[np.ndarray] | None:
    """Return the (n, D) unit vectors of centred features in a tuple, None where the run lacks one of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stored = pq.read_table(run.folder / neighbours.FILE)
        if stored.schema.metadata[b"classifier_digest"].decode() != run.settings["classifier_digest"]:
            return None
        column = stored["feature"].combine_chunks()
        features = column.flatten().to_numpy().reshape(len(stored), column.type.list_size).astype(np.float64)
    except (OSError, KeyError, TypeError, pa.ArrowInvalid):
        return None
    places = {image_hash: place for place, image_hash in enumerate(stored["image_hash"].to_pylist())}
    hashes = table["image_hash"].to_numpy(str)[rows]
    if not places.keys() >= set(hashes):
        return None
    own = features[[places[image_hash] for image_hash in hashes]]
    own -= own.mean(axis=0)
    return (own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), np.finfo(float).tiny),)

"""A review set: a frozen list of samples, easy, borderline and failed alike, on which every candidate is judged.

The file is JSON whose bytes are fixed by its content, and carries the sha256 of that content: a byte that is changed
is noticed when it is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import is_sealed, sealed, write_atomic
from xai_core.release import strata
from xai_core.release.outlined import Redrawn, cut_of, mask_hash
from xai_core.runs import Run

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "right-reasons review-set 1"
_COLUMNS = ("sample_id", "image_hash", "label", "label_index", "status", "annotation", "annotation_area")


@dataclass(frozen=True)
class Item:
    """One sample of a review set.

    Attributes
    ----------
    sample_id, label : str
    image_hash : str
        sha256 of the image file's bytes.
    mask_hash : str
        sha256 of how the model frame is cut and of the ground-truth region in it, packed, as the run stores it.
    stratum : str
        ``easy``, ``borderline`` or ``failure``.
    area_tertile : str
        ``small``, ``middle`` or ``large``, by the annotated share of the image among all records that could be taken.
    triplet : str
        Id of the failure that it stands beside, and on that failure itself; '' for an item of no triplet.
    """

    sample_id: str
    label: str
    image_hash: str
    mask_hash: str
    stratum: str
    area_tertile: str
    triplet: str


@dataclass(frozen=True)
class Cell:
    """A class and stratum: how many of its records were taken, of how many, where `quota` was asked for."""

    label: str
    stratum: str
    taken: int
    available: int
    quota: int


@dataclass(frozen=True)
class ReviewSet:
    """Samples on which candidates are judged, and where they come from.

    Attributes
    ----------
    dataset, split : str
        Of the reference runs.
    reference : tuple of dict
        ``run`` (content digest) and ``classifier`` (digest) of each reference run, sorted.
    frame : dict
        How the model frame of `Item.mask_hash` is cut.
    seed : int
    matched_by : str
        What nearness of triplets was measured by.
    cells : tuple of Cell
    items : tuple of Item
        Sorted by id.
    """

    dataset: str
    split: str
    reference: tuple[dict, ...]
    frame: dict
    seed: int
    matched_by: str
    cells: tuple[Cell, ...]
    items: tuple[Item, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the sample ids, sorted."""
        return tuple(item.sample_id for item in self.items)

    @property
    def sha256(self) -> str:
        """Return the sha256 (hex) of the content: what names this review set."""
        return sealed(self._content())["sha256"]

    def triplets(self) -> list[tuple[Item, Item, Item]]:
        """Return each failure that is matched, with its easy and its borderline case."""
        parts = {(item.triplet, item.stratum): item for item in self.items if item.triplet}
        failures = [item.triplet for item in self.items if item.sample_id == item.triplet]
        return [tuple(parts[name, s] for s in (strata.FAILURE, strata.EASY, strata.BORDERLINE)) for name in failures]

    def save(self, file: Path) -> Path:
        """Return `file` after writing the review set there, atomically."""
        return write_atomic(Path(file), lambda temporary: temporary.write_bytes(_rendered(self._content())))

    def problems(self, run: Run) -> list[str]:
        """Return a line for each item that is not in the run as it is here; empty where the run fits.

        An outline in another model frame is drawn anew from the data set: there it is held against both frames.
        """
        columns = [*_COLUMNS, "height", "width"]
        records = run.records(columns).set_index("sample_id", drop=False)
        found = {item.sample_id for item in self.items} & set(records.index)
        regions = {row["sample_id"]: row["region"] for row in run.maps(found, ["region"])}
        redrawn = None if cut_of(run) == self.frame else Redrawn(run, self.frame)
        lines = []
        for item in self.items:
            if item.sample_id not in found:
                lines.append(f"{item.sample_id}: not in the run")
                continue
            record = records.loc[item.sample_id]
            if record["image_hash"] != item.image_hash:
                lines.append(f"{item.sample_id}: the image is not the one of the review set")
            if record["label"] != item.label:
                lines.append(f"{item.sample_id}: the label is {record['label']}, in the review set {item.label}")
            region = regions[item.sample_id]
            if redrawn is None:
                fault = "" if mask_hash(self.frame, region) == item.mask_hash else "is not the one of the review set"
            else:
                fault = redrawn.fault(record, region, item.mask_hash)
            lines += [f"{item.sample_id}: the outlined region {fault}"] if fault else []
        return lines

    def _content(self) -> dict:
        return {"format": FORMAT, **asdict(self)}


def choose(runs: Sequence[Run], *, per_cell: int | None = None, seed: int = 0) -> ReviewSet:
    """Return a review set chosen from the records of reference runs.

    Parameters
    ----------
    runs : sequence of Run
        Over the same samples; their order does not matter.
    per_cell : int, optional
        Items of each class and stratum; a cell with fewer records gives all it has. Without, what `strata.quota_of`
        says: as many as the rarest cell has, and 60 items in all where the records allow.
    seed : int

    Raises
    ------
    BadInput
        Where the runs are not over the same samples, or no record has label, answer and outline in all of them.
    """
    if not runs or (per_cell is not None and per_cell < 1):
        raise BadInput(
            expected="at least one run, and one item a cell", found=f"{len(runs)} runs, {per_cell}", remedy="give both"
        )
    runs = sorted(runs, key=lambda run: (run.manifest["content_digest"], json.dumps(cut_of(run))))
    tables = _tables(runs)
    usable = np.logical_and.reduce([_usable(table) for table in tables])
    if not usable.any():
        raise BadInput(
            where=runs[0].folder,
            expected="records with label, answer and outline in every run",
            found="none",
            remedy="a review set needs outlines",
        )
    stratum = strata.stratum_of(runs, tables, usable)
    pool = _pool(tables[0], usable, stratum)
    distance, matched_by = strata.distances(runs, tables, pool["row"].to_numpy())
    cells = Counter(zip(pool["label"], pool["stratum"], strict=True))
    quota = per_cell or strata.quota_of(cells)
    draw = strata.Draw(pool, distance, seed)
    taken = [pair for label in sorted(set(pool["label"])) for pair in draw.take(label, quota)]
    counts = Counter((pool["label"].iloc[row], pool["stratum"].iloc[row]) for row, _ in taken)
    labels = sorted(set(tables[0]["label"][usable]))
    return ReviewSet(
        dataset=runs[0].settings["dataset"],
        split=runs[0].settings.get("split", ""),
        reference=tuple(
            {"run": run.manifest["content_digest"], "classifier": run.settings["classifier_digest"]} for run in runs
        ),
        frame=cut_of(runs[0]),
        seed=seed,
        matched_by=matched_by,
        cells=tuple(Cell(la, s, counts[la, s], cells[la, s], quota) for la in labels for s in strata.STRATA),
        items=tuple(_items(runs[0], pool, taken)),
    )


def read(file: str | Path) -> ReviewSet:
    """Return the review set in a file.

    Raises
    ------
    BadInput
        Where there is none, or a byte of it is not as it was written.
    """
    try:
        written = Path(file).read_bytes()
        content = json.loads(written)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise _bad(file, f"a file of the format {FORMAT!r}", "another one", "name a file that `review-set` wrote")
        if not is_sealed(content) or _rendered(content) != written:
            raise _bad(file, "the content that its sha256 names", "bytes that were changed", "restore the file")
        parts = {key: value for key, value in content.items() if key not in ("format", "sha256")}
        parts["cells"] = tuple(Cell(**cell) for cell in parts["cells"])
        parts["items"] = tuple(Item(**item) for item in parts["items"])
        return ReviewSet(**parts | {"reference": tuple(parts["reference"])})
    except OSError as error:
        raise _bad(file, "a review set", error.strerror or str(error), "check the path") from error
    except (KeyError, TypeError, UnicodeError, json.JSONDecodeError) as error:
        raise _bad(file, "a review set", f"a file that is none ({error})", "restore the file") from error


def _bad(file: str | Path, expected: str, found: str, remedy: str) -> BadInput:
    return BadInput(where=file, expected=expected, found=found, remedy=remedy)


def _rendered(content: dict) -> bytes:
    return (json.dumps(sealed(content), indent=1, ensure_ascii=False) + "\n").encode()


def _tables(runs: Sequence[Run]) -> list[pd.DataFrame]:
    """Return each run's records sorted by sample id, after making sure that they are about the same."""
    tables = []
    for run in runs:
        table = run.records([*_COLUMNS, "probabilities"]).sort_values("sample_id", ignore_index=True)
        tables.append(table.assign(correct=strata.correct_in(run, table)))
    first, settings = tables[0], runs[0].settings
    for run, table in zip(runs[1:], tables[1:], strict=True):
        faults = {
            "other samples": not table["sample_id"].equals(first["sample_id"]),
            "other images": table["image_hash"].tolist() != first["image_hash"].tolist(),
            "other labels": table["label"].tolist() != first["label"].tolist(),
            "another positive class": run.settings["positive"] != settings["positive"],
        }
        found = next((fault for fault, is_so in faults.items() if is_so), None)
        if found:
            raise _bad(run.folder, f"the samples of {runs[0].folder}", found, "explain the same split of the same data")
    return tables


def _usable(table: pd.DataFrame) -> np.ndarray:
    whole = (table["status"] == "ok") & (table["annotation"] == "") & (table["label_index"] >= 0)
    return whole.to_numpy() & table["annotation_area"].notna().to_numpy()


def _pool(table: pd.DataFrame, usable: np.ndarray, stratum: np.ndarray) -> pd.DataFrame:
    """Return the records that may be taken, with stratum, tertile of area, and their row in the table."""
    from xai_core.scores.metrics import tertiles

    area = np.where(usable, table["annotation_area"].to_numpy(float), np.nan)
    tertile = tertiles(area)[0]
    pool = table.assign(stratum=stratum, area_tertile=tertile, row=np.arange(len(table)))
    return pool[stratum != ""].reset_index(drop=True)


def _items(run: Run, pool: pd.DataFrame, taken: Sequence[tuple[int, str]]) -> Iterator[Item]:
    chosen = pool.iloc[[row for row, _ in taken]].assign(triplet=[triplet for _, triplet in taken])
    regions = {row["sample_id"]: row["region"] for row in run.maps(chosen["sample_id"], ["region"])}
    for row in chosen.sort_values("sample_id").itertuples():
        mask = mask_hash(cut_of(run), regions[row.sample_id])
        yield Item(row.sample_id, row.label, row.image_hash, mask, row.stratum, row.area_tertile, row.triplet)

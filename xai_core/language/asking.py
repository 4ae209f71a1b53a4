"""What a judge is asked about each record of a run, and the key under which its answer is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import sealed
from xai_core.language import prompts
from xai_core.language.prompts import Prompt
from xai_core.language.store import plain_name
from xai_core.language.views import View
from xai_core.review.again import preparation_of, samples_of, unusable
from xai_core.runs import Run, rows
from xai_core.runs.scoring import heatmaps_of, regions_of

if TYPE_CHECKING:
    from xai_core.language.judge import Judge

VERSION = 1
_COLUMNS = ("image", "image_hash", "target", *rows.MAP_COLUMNS)
_READ = 16


@dataclass(frozen=True)
class Request:
    """What a judge is asked about one record: a picture, a text, and never the label.

    Attributes
    ----------
    sample_id : str
        For the judge's own book-keeping: it must not leave the machine.
    image : (H, W, 3) uint8
        The view, in the model frame.
    prompt : str
    predicted : str
        The class that the map speaks for.
    facts : dict or None
        Only for a judge with ``wants_facts``: ``heatmap`` (h, w) float32, ``explanation`` (h, w) bool and ``region``
        (h, w) bool or None, all in the model frame; `image` is then the plain frame.
    """

    sample_id: str
    image: np.ndarray
    prompt: str
    predicted: str
    facts: dict | None = None


@dataclass(frozen=True)
class Planned:
    """A record that is to be judged.

    Attributes
    ----------
    sample_id : str
    key : str
        Of its judgement; '' where nothing can be asked.
    error : str
        Why nothing can be asked; '' where it can.
    """

    sample_id: str
    key: str = ""
    error: str = ""


class Asking:
    """One judge, one view and one prompt, for the records of one run.

    Parameters
    ----------
    run : Run
    judge : Judge
    view : View, optional
        ``masked`` by default.
    prompt : Prompt, optional
        That which fits the run by default.

    Attributes
    ----------
    settings : dict
        Everything but the record that decides an answer, as plain JSON values.
    about : dict
        ``judge``, ``view`` and ``prompt`` for people, as plain JSON values; the last two None where the judge measures.
    name : str
        Under which the judgements are kept unless another is chosen.

    Raises
    ------
    BadInput
        Where the run's maps speak for the label: a judge would be told what it is.
    """

    def __init__(self, run: Run, judge: Judge, view: View | None = None, prompt: Prompt | None = None) -> None:
        if run.settings["target"] == "label":
            raise BadInput(
                where=run.folder,
                expected="maps of the predicted class, or of a named one",
                found="maps of the label, which no judge may know",
                remedy="explain with --target predicted",
            )
        self.run = run
        self.facts: bool = getattr(judge, "wants_facts", False)
        self.view = view or View()
        self.prompt = prompt or prompts.open_prompt(prompts.fitting(run))
        by_rule = self.facts or self.view.name == "region"
        asked = None if self.facts else {"view": self.view.settings, "prompt": self.prompt.digest}
        self.settings = {
            "version": VERSION,
            "judge": {"name": judge.name, "settings": json.loads(json.dumps(judge.settings))},
            "asked": asked,
            "frame": run.settings["frame"],
            "region_rule": run.settings["region_rule"] if by_rule else None,
        }
        self.about = {
            "judge": {**self.settings["judge"], "remote": judge.remote, "measures": self.facts},
            "view": None if self.facts else self.view.settings,
            "prompt": None if self.facts else asdict(self.prompt),
        }
        own = (judge.name,) if self.facts else (judge.name, self.view.name, self.prompt.name)
        self.name = plain_name("-".join(own))
        self._digest = sealed(self.settings)["sha256"]

    def plan(self, limit: int | None = None) -> list[Planned]:
        """Return the records to judge, in record order, each with its key; at most `limit`, drawn by hash."""
        ids = self.run.records(["sample_id"])["sample_id"].tolist()
        if limit is not None and limit < len(ids):
            drawn = set(sorted(ids, key=lambda each: hashlib.sha256(each.encode()).digest())[:limit])
            ids = [each for each in ids if each in drawn]
        wanted = None if limit is None else ids
        found = {row["sample_id"]: self._planned(row) for row in self.run.maps(wanted, _COLUMNS)}
        return [found[each] for each in ids]

    def requests(self, wanted: Mapping[str, str], faults: dict[str, str]) -> Iterator[tuple[str, Request]]:
        """Yield (key, request) for the sample ids of `wanted`, which are by key.

        Why an image is of no use goes into `faults`, by key.
        """
        keys = {sample_id: key for key, sample_id in wanted.items()}
        prepare = preparation_of(self.run)
        found = self.run.maps(list(keys), _COLUMNS) if keys else iter(())
        while batch := list(islice(found, _READ)):
            heatmaps, regions = (
                heatmaps_of(self.run, batch),
                regions_of(self.run, batch, self.run.settings["region_rule"]),
            )
            for row, heatmap, region, sample in zip(batch, heatmaps, regions, self._samples(batch), strict=True):
                prepared, key = prepare(sample), keys[row["sample_id"]]
                if fault := unusable(prepared, row["image_hash"]):
                    faults[key] = fault
                else:
                    yield key, self._request(row, prepared.frame, heatmap, region)

    def _planned(self, row: dict) -> Planned:
        if row["status"] != "ok":
            return Planned(row["sample_id"], error="there is no map: the record has an error")
        parts = [self._digest, row["image_hash"], row["target"], _digest_of_map(row)]
        if self.facts:
            parts.append(hashlib.sha256(row["region"] or row["annotation"].encode()).hexdigest())
        return Planned(row["sample_id"], hashlib.sha256(json.dumps(parts).encode()).hexdigest())

    def _samples(self, batch: Sequence[dict]) -> list:
        import pandas as pd

        return samples_of(self.run, pd.DataFrame(batch, columns=["sample_id", "image"]))

    def _request(self, row: dict, frame: np.ndarray, heatmap: np.ndarray, explanation: np.ndarray) -> Request:
        if self.facts:
            facts = {"heatmap": heatmap, "explanation": explanation, "region": _region(row, self.run.frame_size)}
            return Request(row["sample_id"], frame, "", row["target"], facts)
        native = rows.decode_heatmap(row, self.run.frame_size)
        picture = self.view.picture(frame, native, explanation)
        return Request(row["sample_id"], picture, self.prompt.fill(row["target"], self.view), row["target"])


def _region(row: dict, size: tuple[int, int]) -> np.ndarray | None:
    """Return the outlined region, all False where it lies outside the model frame, None where nobody drew one."""
    if row["region"] is not None:
        return rows.decode_region(row["region"], size)
    return np.zeros(size, bool) if row["annotation"] == "annotation_outside_crop" else None


def _digest_of_map(row: dict) -> str:
    """Return the sha256 (hex) over a stored map: its bytes, shape and scale; LIME's segments and weights."""
    total = hashlib.sha256()
    for name in rows.MAP_COLUMNS:
        if name != "region":
            value = row[name]
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()

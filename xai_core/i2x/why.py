"""Why the network looks where it does in one sample: step by step, and on which other samples the same was learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.i2x import changes
from xai_core.i2x.evidence import UNITS, Evidence, evidence_of
from xai_core.i2x.structure import plain

if TYPE_CHECKING:
    from xai_core.i2x.store import Track

MOST = 5
LEADING = 3
NEAREST = 50
HONEST = (
    "Witnesses, not causes: training samples on which the same step can be seen to do the same. Whether the network "
    "learned it from any of them only a training without them would show."
)


@dataclass(frozen=True, eq=False)
class _Sample:
    evidence: Evidence
    row: int
    label: int
    structure: Mapping


def why(track: Track, structure: Mapping, sample_id: str) -> dict:
    """Return why the final network looks where it does in one sample of a track; see `why_of`.

    Raises
    ------
    BadInput
        Where the sample is not one of the track's, or the structure is of another track.
    """
    if structure["track"] != track.digest:
        raise BadInput(where=track.folder, expected="its own structure", found="another's", remedy="make it anew")
    return why_of(evidence_of(track), structure, sample_id)


def why_of(evidence: Evidence, structure: Mapping, sample_id: str) -> dict:
    """Return for one sample what its evidence lay on, what that moved, and where the same was learned.

    Everything speaks of the confidence in the sample's label, or in what the final network calls it where it has none.

    Returns
    -------
    dict
        ``sample``, ``split``, ``label`` (None without), ``called``, ``speaks_of`` (the class);

        ``checkpoints``: at each the ``confidence`` and ``mean_intensity`` of its heatmap, and the ``prototypes`` on
        which at most five largest parts of its evidence lie (``evidence``: share of the sum of the heatmap;
        ``places``: share of the places);

        ``steps``: in each that is analysed, the confidence that ``moved``, and the prototypes that by the fitted
        effects moved most of it: effect x the rise of its own intensity, ``raw`` and ``normalised``. Their sum over
        all prototypes is ``accounted``. A fit to means over groups accounts for a single sample only roughly: read
        the two beside each other. Skipped steps say why;

        ``lessons``: for the three prototypes that hold most of its final evidence, the decisive step, in which its
        pull on the class was largest of those where pull and interval are above 0 in both units, and the
        ``witnesses``: of the fifty training samples of the same class that carry the prototype and whose final
        evidence is spread most alike (Euclidean distance between shares of evidence), the five whose confidence in
        the class rose most in that step. `HONEST` says what that is worth: a fit over samples cannot tell which of
        them the network learned it from; those set aside for validation cannot have taught it at all, and a track
        does not tell them apart.
    """
    evidence = evidence.ordered()
    rows = np.flatnonzero(evidence.ids == sample_id)
    if not len(rows):
        raise BadInput(
            where=sample_id,
            expected="a sample of the track",
            found="none of that name",
            remedy="name one as the data set does",
        )
    row = int(rows[0])
    called = int(evidence.confidence[-1, row].argmax())
    label = int(evidence.labels[row])
    one = _Sample(evidence, row, label if label >= 0 else called, structure)
    parts = _parts(evidence)
    return plain(
        {
            "sample": sample_id,
            "split": str(evidence.splits[row]),
            "label": evidence.class_names[label] if label >= 0 else None,
            "called": evidence.class_names[called],
            "speaks_of": evidence.class_names[one.label],
            "checkpoints": _checkpoints(one),
            "steps": [_step(one, place, step) for place, step in enumerate(structure["steps"])],
            "lessons": [_lesson(one, k, parts) for k in _leading(parts[row], LEADING)],
            "honest": HONEST,
        }
    )


def _parts(evidence: Evidence, place: int = -1) -> np.ndarray:
    """Return (N, K) float64: the share of each heatmap's sum that lies on each prototype; 0 for a heatmap of zeros."""
    held = evidence.intensity[place].astype(np.float64) * evidence.share
    total = held.sum(1, keepdims=True)
    return held / np.where(total > 0, total, 1.0)


def _leading(values: np.ndarray, most: int) -> list[int]:
    order = np.argsort(-np.abs(values), kind="stable")[:most]
    return [int(k) for k in order if values[k] != 0]


def _checkpoints(one: _Sample) -> list[dict]:
    evidence, row, rows = one.evidence, one.row, []
    for place, step in enumerate(evidence.steps):
        single = evidence.of_rows(np.array([row]))
        part = _parts(single, place)[0]
        rows.append(
            {
                "step": step,
                "confidence": evidence.confidence[place, row, one.label],
                "mean_intensity": (single.intensity[place, 0] * single.share[0]).sum(),
                "prototypes": [
                    {"prototype": k, "evidence": part[k], "places": evidence.share[row, k]}
                    for k in _leading(part, MOST)
                ],
            }
        )
    return rows


def _step(one: _Sample, place: int, step: Mapping) -> dict:
    confidence = one.evidence.confidence[:, one.row, one.label]
    entry = {"from": step["from"], "to": step["to"], "skipped": step["skipped"]}
    entry["moved"] = confidence[place + 1] - confidence[place]
    if step["skipped"]:
        return entry
    moved = {
        unit: np.array(step["units"][unit]["effect"])[:, one.label]
        * one.evidence.intensity_change(place, unit)[one.row]
        for unit in UNITS
    }
    entry["accounted"] = {unit: values.sum() for unit, values in moved.items()}
    entry["prototypes"] = [
        {"prototype": k} | {unit: values[k] for unit, values in moved.items()} for k in _leading(moved["raw"], MOST)
    ]
    return entry


def _lesson(one: _Sample, prototype: int, parts: np.ndarray) -> dict:
    evidence = one.evidence
    place = _decisive(one, prototype)
    entry = {"prototype": prototype, "evidence": parts[one.row, prototype], "from": None, "to": None, "witnesses": []}
    if place is None:
        return entry
    step = one.structure["steps"][place]
    entry |= {"from": step["from"], "to": step["to"], "pull": step["units"]["raw"]["pull"][prototype][one.label]}
    carried = changes.carries(evidence.share[:, [prototype]], one.structure["options"]["presence"])[:, 0]
    others = carried & (evidence.labels == one.label) & (np.arange(len(carried)) != one.row)
    if (evidence.splits == "train").any():
        others &= evidence.splits == "train"
    found = np.flatnonzero(others)
    distance = np.linalg.norm(parts[found] - parts[one.row], axis=1)
    near = np.argsort(distance, kind="stable")[:NEAREST]
    rose = evidence.confidence_change(place)[found[near], one.label]
    effect = step["units"]["raw"]["effect"][prototype][one.label]
    by_it = effect * evidence.intensity_change(place, "raw")[found[near], prototype]
    best = [k for k in np.argsort(-rose, kind="stable")[:MOST] if rose[k] > 0]
    entry["witnesses"] = [
        {
            "sample": str(evidence.ids[found[near[k]]]),
            "distance": distance[near[k]],
            "moved": rose[k],
            "by_it": by_it[k],
        }
        for k in best
    ]
    return entry


def _decisive(one: _Sample, prototype: int) -> int | None:
    """Return the position of the step in which a prototype pulled most at the class, surely and in both units."""
    best, place = 0.0, None
    for position, step in enumerate(one.structure["steps"]):
        if step["skipped"]:
            continue
        units = [step["units"][unit] for unit in UNITS]
        pull = min(unit["pull"][prototype][one.label] for unit in units)
        sure = all(unit["low"][prototype][one.label] > 0 for unit in units)
        if sure and pull >= one.structure["options"]["tau"] and pull > best:
            best, place = pull, position
    return place

"""The structure of a track: the shared, specialised and uncertain prototypes, and what they moved.

Kept as ``TRACK/structure.json``, sealed, with the options it was made by and the digest of its track.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import is_sealed, read_json, sealed, write_json
from xai_core.i2x import changes, roles, sentences, uncertain
from xai_core.i2x.analysis import Step, steps_of
from xai_core.i2x.described import described_class, described_pair, described_step
from xai_core.i2x.evidence import UNITS, Evidence, evidence_of
from xai_core.i2x.options import Options

if TYPE_CHECKING:
    from xai_core.i2x.store import Track

FILE = "structure.json"
FORMAT = "right-reasons structure 1"


def structure(
    track: Track, options: Options | None = None, *, progress: Callable[[int, int], None] | None = None
) -> dict:
    """Return a track's structure, kept beside it; read back where options and track are those it was made by.

    Parameters
    ----------
    track : Track
    options : Options, optional
        The defaults without.
    progress : callable, optional
        Told (steps done, steps in all) where it has to be made.

    Returns
    -------
    dict
        `structure_of`, with ``format``, ``track`` (its digest) and the seal.
    """
    options = options or Options()
    path = Path(track.folder) / FILE
    kept = _kept(path)
    if kept and kept["track"] == track.digest and kept["options"] == options.as_dict():
        return kept
    found = structure_of(evidence_of(track), options, progress=progress)
    content = sealed({"format": FORMAT, "track": track.digest} | found)
    write_json(path, content)
    return content


def structure_of(
    evidence: Evidence, options: Options | None = None, *, progress: Callable[[int, int], None] | None = None
) -> dict:
    """Return the structure of some evidence, in whatever order its samples are.

    Returns
    -------
    dict
        Plain JSON values; what cannot be said is None. ``options``, ``class_names``, ``samples``, ``prototypes``;
        ``checkpoints`` (accuracy, mean intensity, confidence); ``steps`` (`described.described_step`); ``classes``
        (`described.described_class`, each with its ``sentence``); ``pairs`` of classes, the most confused first
        (`described.described_pair`).
    """
    options, evidence = options or Options(), evidence.ordered()
    steps = steps_of(evidence, options, progress)
    analysed = [step for step in steps if not step.skipped]
    carried = changes.carries(evidence.share, options.presence)
    shape = evidence.share.shape[1], len(evidence.class_names)
    pulls = {unit: _stacked([step.fits[unit].pull for step in analysed], shape) for unit in UNITS}
    drawn = {
        unit: _stacked([step.fits[unit].drawn for step in analysed], (options.resamples, *shape)) for unit in UNITS
    }
    supports = {unit: roles.support(pulls[unit], drawn[unit]) for unit in UNITS}
    found = {
        "options": options.as_dict(),
        "class_names": list(evidence.class_names),
        "samples": len(evidence.ids),
        "prototypes": shape[0],
        "checkpoints": _checkpoints(evidence),
        "steps": [described_step(step, options) for step in steps],
        "classes": [
            described_class(evidence, label, carried, analysed, supports, options) for label in range(shape[1])
        ],
        "pairs": _pairs(evidence, carried, analysed, pulls, options),
    }
    for entry in found["classes"]:
        entry["sentence"] = sentences.of_class(found, entry["class"])
    return plain(found)


def uncertain_prototypes(structure: dict, pair: Sequence[str] | None = None) -> list[dict]:
    """Return the prototypes that are uncertain between two classes, the largest score first.

    Parameters
    ----------
    structure : dict
    pair : two class names, optional
        In either order; the most confused pair without.

    Returns
    -------
    list of dict
        As in ``pairs``: ``prototype``, ``score`` (the smaller swing of both units), ``p`` (the larger p) and what
        they are made of. Only those whose p is at most the level under raw *and* normalised intensity.

    Raises
    ------
    BadInput
        Where the pair was not looked at.
    """
    entry = pair_of(structure, pair)
    return [found for found in entry["prototypes"] if found["p"] <= structure["options"]["level"]]


def pair_of(structure: dict, pair: Sequence[str] | None = None) -> dict:
    """Return what a structure says of a pair of classes, in either order; of the most confused one without.

    Raises
    ------
    BadInput
        Where the pair was not looked at.
    """
    for entry in structure["pairs"]:
        if pair is None or set(entry["classes"]) == set(pair):
            return entry
    looked_at = "; ".join(" and ".join(entry["classes"]) for entry in structure["pairs"]) or "none"
    raise BadInput(
        where="pair",
        expected=f"a pair of classes that was looked at: {looked_at}",
        found=" and ".join(pair or ()) or "no pair",
        remedy="name one of these, or look at more pairs",
    )


def carriers(track: Track, prototypes: Sequence[int], presence: float = 0.05) -> np.ndarray:
    """Return (N,) bool, in the order of the track's samples: which samples carry at least one of some prototypes."""
    return changes.carries(track.share()[:, list(prototypes)], presence).any(1)


def plain(value: Any) -> Any:
    """Return arrays and numbers of numpy as lists and numbers, NaN as None, throughout."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _kept(path: Path) -> dict | None:
    if not path.is_file():
        return None
    content = read_json(path)
    return content if content.get("format") == FORMAT and is_sealed(content) else None


def _stacked(values: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(values) if values else np.zeros((0, *shape))


def _checkpoints(evidence: Evidence) -> list[dict]:
    known = evidence.labels >= 0
    means = changes.mean_intensity(evidence.intensity, evidence.share)
    rows = []
    for place, step in enumerate(evidence.steps):
        y, labels = evidence.confidence[place][known], evidence.labels[known]
        own = y[np.arange(len(y)), labels]
        by_class = {
            name: own[labels == label].mean() if (labels == label).any() else None
            for label, name in enumerate(evidence.class_names)
        }
        right = (y.argmax(1) == labels).mean() if len(y) else None
        rows.append({"step": step, "accuracy": right, "mean_intensity": means[place], "confidence": by_class})
    return rows


def _pairs(evidence: Evidence, carried: np.ndarray, analysed: list[Step], pulls: dict, options: Options) -> list[dict]:
    final = evidence.confidence[-1]
    pairs = uncertain.most_confused(evidence.labels, final, options.pairs)
    shape = options.permutations, 0, *carried.shape[1:], len(evidence.class_names)
    null = {
        unit: np.stack([step.null[unit] for step in analysed], axis=1) if analysed else np.zeros(shape)
        for unit in UNITS
    }
    found = uncertain.tested(pulls, null, pairs, options.tau)
    counts, _ = uncertain.confusions(evidence.labels, final)
    shares = roles.coverage(carried, evidence.labels, len(evidence.class_names))
    return [
        described_pair(evidence.class_names, pair, int(counts[pair]), tests, shares)
        for pair, tests in zip(pairs, found, strict=True)
    ]

"""Samples on which two candidates differ: in the call, or in where the explanation lies while the call stays right."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from xai_core.release.paired import Candidate

if TYPE_CHECKING:
    import pandas as pd

MOVED = 0.2
"""How much explanation coverage above chance must change for an explanation to count as moved."""
LISTS = {
    "kept_off": "Right before and now, but the explanation moved off the outlined region",
    "kept_on": "Right before and now, and the explanation moved on to the outlined region",
    "lost": "Right before, wrong now",
    "won": "Wrong before, right now",
}


def movers(before: Candidate, now: Candidate, *, moved: float = MOVED) -> dict:
    """Return the four lists of `LISTS`, and how many of the samples right in both have no change to speak of.

    Parameters
    ----------
    moved : float
        Change of explanation coverage above chance from which an explanation counts as moved, > 0.

    Returns
    -------
    dict
        For each list ``[{"id", "before", "now", "change"}]``: ``before`` and
        ``now`` are explanation coverage above chance, ``change`` their difference, None where undefined. Further
        ``stayed`` (right in both, moved by less) and ``undefined`` {reason: n} (right in both, no change known).
        ``kept_off`` begins with what moved furthest off, ``kept_on`` with what moved furthest on; ``lost`` and ``won``
        hold every such sample, from the furthest off to the furthest on, undefined last.
    """
    first, second = before.excess("explanation_coverage"), now.excess("explanation_coverage")
    change = second - first
    both = before.answered & now.answered
    kept = both & before.right & now.right
    chosen = {
        "kept_off": kept & (change <= -moved),
        "kept_on": kept & (change >= moved),
        "lost": both & before.right & ~now.right,
        "won": both & ~before.right & now.right,
    }
    found: dict = {}
    for name, mask in chosen.items():
        places = np.flatnonzero(mask)
        keys = -change[places] if name == "kept_on" else change[places]
        ordered = places[np.argsort(keys, kind="stable")]
        found[name] = [
            {"id": str(before.ids[k]), "before": _or_none(first[k]), "now": _or_none(second[k])}
            | {"change": _or_none(change[k])}
            for k in ordered
        ]
    undefined = kept & np.isnan(change)
    found["stayed"] = int((kept & (np.abs(change) < moved)).sum())
    found["undefined"] = dict(Counter(_reason(before.table, now.table, k) for k in np.flatnonzero(undefined)))
    return found


def _reason(before: pd.DataFrame, now: pd.DataFrame, place: int) -> str:
    column = "explanation_coverage_undefined"
    return before[column].iloc[place] or now[column].iloc[place]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

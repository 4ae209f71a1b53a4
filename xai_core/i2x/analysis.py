"""Every step of a training, one after the other: what it moved, and what that moved with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from xai_core.i2x import changes, effects
from xai_core.i2x.changes import Groups
from xai_core.i2x.effects import Fit
from xai_core.i2x.evidence import UNITS, Evidence
from xai_core.i2x.options import Options


@dataclass(frozen=True, eq=False)
class Step:
    """From one checkpoint to the next.

    Attributes
    ----------
    first, last : int
        Training steps of the two checkpoints.
    movement : float
        Share of confidence that moved, 0 to 1.
    skipped : str
        Why it is not analysed; '' where it is. Then the others are there.
    groups : Groups or None
    centres : (c, M) float64 or None
        Mean confidence change of each group.
    fits : {unit: Fit}
    null : {unit: (permutations, K, M)}
        Pulls under permuted pairing.
    """

    first: int
    last: int
    movement: float
    skipped: str = ""
    groups: Groups | None = None
    centres: np.ndarray | None = None
    fits: dict[str, Fit] = field(default_factory=dict)
    null: dict[str, np.ndarray] = field(default_factory=dict)


def steps_of(
    evidence: Evidence, options: Options, progress: Callable[[int, int], None] | None = None
) -> tuple[Step, ...]:
    """Return every step of the training, in order; those with no notable change, or no groups of it, say so.

    Parameters
    ----------
    evidence : Evidence
        In its canonical order.
    progress : callable, optional
        Told (steps done, steps in all).
    """
    total = len(evidence.steps) - 1
    moved = np.array([changes.movement(evidence.confidence_change(step)) for step in range(total)])
    carried = changes.carries(evidence.share, options.presence)
    found = []
    for step, notable in enumerate(changes.notable(moved, options)):
        if progress:
            progress(step, total)
        ends = evidence.steps[step], evidence.steps[step + 1], float(moved[step])
        found.append(_analysed(evidence, carried, step, ends, options) if notable else Step(*ends, "no notable change"))
    if progress:
        progress(total, total)
    return tuple(found)


def _analysed(evidence: Evidence, carried: np.ndarray, step: int, ends: tuple, options: Options) -> Step:
    y = evidence.confidence_change(step)
    groups = changes.group(y, options, options.seed)
    if not groups.count:
        return Step(*ends, "no groups of alike confidence changes", groups)
    halves, fits, null = changes.halves(y, options), {}, {}
    for unit in UNITS:
        x = evidence.intensity_change(step, unit)
        fits[unit] = effects.fit(x, y, carried, groups, halves, options)
        null[unit] = effects.permuted(x, y, groups, fits[unit].usual, options, step)
    return Step(*ends, "", groups, effects.group_means(y, groups), fits, null)

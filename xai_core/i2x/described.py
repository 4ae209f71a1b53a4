"""What the analysis found, as plain values under names: the entries of ``structure.json``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xai_core.i2x import roles
from xai_core.i2x.analysis import Step
from xai_core.i2x.evidence import UNITS, Evidence
from xai_core.i2x.options import Options
from xai_core.i2x.roles import Support


def described_step(step: Step, options: Options) -> dict:
    """Return what a step says.

    ``from``, ``to``, ``movement``, ``skipped`` ('' where it is analysed). If analysed: ``groups`` (``count``,
    ``noise``, ``drawn``, ``sizes``, ``centres``), ``under_determined`` (fewer groups than prototypes: the ridge
    decides between many fits), ``agreement`` (share of the pulls of at least `tau` in either unit whose sign is the
    same in both; None of none), and under ``units`` for ``raw`` and ``normalised`` the (K, M) ``effect``, ``pull``,
    ``low`` and ``high`` (95 % bootstrap interval of the pull; divided by ``usual``, of the effect) and ``stability``,
    with ``usual`` (K,) and ``sensitivity``.
    """
    entry = {"from": step.first, "to": step.last, "movement": step.movement, "skipped": step.skipped}
    if step.groups is not None:
        entry["groups"] = {"count": step.groups.count, "noise": step.groups.noise, "drawn": step.groups.drawn}
    if step.skipped:
        return entry
    entry["groups"] |= {"sizes": step.groups.sizes, "centres": step.centres}
    entry["under_determined"] = step.groups.count < len(step.fits["raw"].usual)
    pulls = [step.fits[unit].pull for unit in UNITS]
    counts = np.max(np.abs(pulls), axis=0) >= options.tau
    same = np.sign(pulls[0]) == np.sign(pulls[1])
    entry["agreement"] = same[counts].mean() if counts.any() else None
    entry["units"] = {}
    for unit, fit in step.fits.items():
        low, high = np.percentile(fit.drawn, roles.INTERVAL, axis=0)
        entry["units"][unit] = {"effect": fit.effect, "pull": fit.pull, "low": low, "high": high}
        entry["units"][unit] |= {"stability": fit.stability, "usual": fit.usual, "sensitivity": fit.sensitivity}
    return entry


def described_class(
    evidence: Evidence,
    label: int,
    carried: np.ndarray,
    analysed: Sequence[Step],
    supports: dict[str, Support],
    options: Options,
) -> dict:
    """Return what a class looks at.

    ``class``, ``samples``, ``shared``, ``specialised`` and ``supporting`` (entries with ``prototype``, ``coverage``,
    under ``units`` the support with its interval and consistency, and ``stability``; the special ones with the
    ``subsets`` that carry them), ``in_one_unit`` (roles that hold in one unit of intensity only: not claimed),
    ``subsets`` (their sizes), ``key`` (the shared, else the special, else the supporting ones: who loses when they
    gain) and ``separation`` (`roles.separated`).
    """
    inside = evidence.labels == label
    entry = {"class": evidence.class_names[label], "samples": int(inside.sum())}
    if not inside.any():
        nothing = ("shared", "specialised", "supporting", "in_one_unit", "subsets", "key", "separation")
        return entry | {name: [] for name in nothing}
    covered = carried[inside].mean(0)
    helps = {unit: support.supports(options)[:, label] for unit, support in supports.items()}
    both, one = np.logical_and.reduce(list(helps.values())), np.logical_xor.reduce(list(helps.values()))
    in_all = covered >= options.in_all
    candidates = np.flatnonzero(both & ~in_all & (covered >= options.subset_least))
    special, places = roles.specialised(carried[inside], candidates, options)
    found = {
        "shared": np.flatnonzero(both & in_all).tolist(),
        "specialised": list(special),
        "supporting": [k for k in candidates.tolist() if k not in special],
    }
    key = found["shared"] or found["specialised"] or found["supporting"]
    for role, prototypes in found.items():
        entry[role] = [_role(k, label, covered, analysed, supports, options) for k in prototypes]
    for role in entry["specialised"]:
        role["subsets"] = special[role["prototype"]][0]
    return entry | {
        "in_one_unit": [
            {"prototype": k, "role": "shared", "unit": next(unit for unit in UNITS if helps[unit][k])}
            for k in np.flatnonzero(one & in_all).tolist()
        ],
        "subsets": np.bincount(places),
        "key": [{"prototype": k, "competition": _competition(evidence, k, label, analysed, options)} for k in key],
        "separation": _separation(evidence, key, label, analysed, options),
    }


def _role(
    prototype: int,
    label: int,
    covered: np.ndarray,
    analysed: Sequence[Step],
    supports: dict[str, Support],
    options: Options,
) -> dict:
    at = prototype, label
    units = {
        unit: {"support": s.total[at], "low": s.low[at], "high": s.high[at], "consistency": s.consistency[at]}
        for unit, s in supports.items()
    }
    fits = [step.fits[unit] for step in analysed for unit in UNITS]
    stable = [fit.stability[at] for fit in fits if abs(fit.pull[at]) >= options.tau]
    return {
        "prototype": prototype,
        "coverage": covered[prototype],
        "units": units,
        "stability": float(np.mean(stable)) if stable else None,
    }


def _competition(
    evidence: Evidence, prototype: int, label: int, analysed: Sequence[Step], options: Options
) -> list[dict]:
    """Return the steps in which the class gains by a prototype, with the classes that lose, the greatest loss first.

    Gains and losses are of at least `tau` with an interval on one side of 0, in both units; the figures are raw pulls.
    """
    rows = []
    for step in analysed:
        fits = [step.fits[unit] for unit in UNITS]
        lows, highs = zip(*(np.percentile(f.drawn[:, prototype], roles.INTERVAL, axis=0) for f in fits), strict=True)
        pulls = [f.pull[prototype] for f in fits]
        if any(pull[label] < options.tau or low[label] <= 0 for pull, low in zip(pulls, lows, strict=True)):
            continue
        lose = np.logical_and.reduce([roles.losers(p, h, options.tau) for p, h in zip(pulls, highs, strict=True)])
        order = sorted(np.flatnonzero(lose).tolist(), key=lambda other: pulls[0][other])
        loses = [{"class": evidence.class_names[other], "pull": pulls[0][other]} for other in order]
        rows.append({"from": step.first, "to": step.last, "gain": pulls[0][label], "loses": loses})
    return rows


def _separation(
    evidence: Evidence, key: Sequence[int], label: int, analysed: Sequence[Step], options: Options
) -> list[dict]:
    if not key or not analysed:
        return []
    pulls = [np.stack([step.fits[unit].pull[list(key)].sum(0) for step in analysed]) for unit in UNITS]
    rows = []
    for other, place, loss in roles.separated(pulls, label):
        if loss >= options.tau:
            ends = (None, None) if place is None else (analysed[place].first, analysed[place].last)
            rows.append({"class": evidence.class_names[other], "from": ends[0], "to": ends[1], "loss": loss})
    return rows


def described_pair(
    class_names: Sequence[str],
    pair: tuple[int, int],
    confused: int,
    tests: dict[str, dict[str, np.ndarray]],
    coverage: np.ndarray,
) -> dict:
    """Return what was found between two classes.

    ``classes``, ``confused`` (samples of one that the final network calls the other), ``prototypes``: those that
    swing in both units, the surest and then the largest first, with ``prototype``, ``score`` (the smaller swing),
    ``p`` (the larger; corrected for all prototypes), ``p_of_pairs`` (corrected for all pairs too), ``coverage``
    (share of each of the two classes that carries it) and ``units``.
    """
    rows = []
    swing = np.stack([tests[unit]["swing"] for unit in UNITS])
    for k in np.flatnonzero(swing.min(0) > 0).tolist():
        units = {unit: {name: values[k] for name, values in tests[unit].items()} for unit in UNITS}
        row = {"prototype": k, "score": float(swing[:, k].min())}
        row |= {name: max(float(units[unit][name]) for unit in UNITS) for name in ("p", "p_of_pairs")}
        rows.append(row | {"coverage": [coverage[k, label] for label in pair], "units": units})
    rows.sort(key=lambda row: (row["p"], -row["score"], row["prototype"]))
    return {"classes": [class_names[label] for label in pair], "confused": confused, "prototypes": rows}

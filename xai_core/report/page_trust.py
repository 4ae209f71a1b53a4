"""Whether the explanations themselves are to be trusted, in a report: what probing a run gave."""

from __future__ import annotations

from collections.abc import Sequence

from xai_core.errors import BadInput
from xai_core.release import reliance, trust
from xai_core.review.words import estimate
from xai_core.runs.store import Run

CURVES = {
    "deletion": "Deletion: what the heatmap points at is taken out first",
    "insertion": "Insertion: what the heatmap points at is put in first",
}
PASSED = {True: "passed", False: "failed", None: "undecided"}


def trust_parts(runs: Sequence[Run], names: Sequence[str]) -> list[dict]:
    """Return the parts that say what probing found of each run."""
    parts: list[dict] = []
    for run, name in zip(runs, names, strict=True):
        parts.append({"heading": name})
        try:
            found = trust.read(run)
        except BadInput as error:
            parts.append({"text": str(error)})
            continue
        parts += [{"text": "Never probed: nothing is known."}] if found is None else _probed(found, name)
        parts += _relied_on(run, name)
    return parts


def _relied_on(run: Run, name: str) -> list[dict]:
    """Return on what the calls rest, where that was measured."""
    try:
        found = reliance.read(run)
    except BadInput as error:
        return [{"text": str(error)}]
    if found is None:
        return []
    rows = [[reliance.UNCHANGED, *[_auc(found["unchanged"])] * len(reliance.FILLS)]]
    for key, title in reliance.ROWS.items():
        rows.append([title, *(_auc(found["fills"][fill][key], sign=key == "reliance") for fill in reliance.FILLS)])
    caption = f"{name}: do the calls rest on the outlined region? {found['samples']['n']} records"
    head = ["", *(f"What is hidden is {filled} (95 %)" for filled in reliance.FILLS.values())]
    return [{"table": {"caption": caption, "head": head, "rows": rows}}]


def _auc(entry: dict, *, sign: bool = False) -> str:
    return estimate(entry["value"], entry["low"], entry["high"], sign=sign)


def _probed(found: dict, name: str) -> list[dict]:
    keys = [(key, f"random_{key}", f"{key}_difference") for key in CURVES]
    rows = [[CURVES[key[0]], *(_figure(found[part], sign=part == key[2]) for part in key)] for key in keys]
    head = ["Area under the curve", "By the heatmap (95 %)", "In a random order", "Difference"]
    check, repeated = found["randomisation"], found["repeatability"]
    return [
        {"table": {"caption": f"{name}: deletion and insertion", "head": head, "rows": rows}},
        {"text": f"Randomisation check {PASSED[check['passed']]}: {check['finding'].rstrip('.')}. {check['rule']}"},
        {"text": f"Repeatability: {repeated['finding'].rstrip('.')}."},
    ]


def _figure(entry: dict, *, sign: bool = False) -> str:
    return estimate(entry["mean"], entry["low"], entry["high"], sign=sign)

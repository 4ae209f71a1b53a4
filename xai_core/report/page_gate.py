"""The gate's result in a report: the verdict, and every rule with its figure."""

from __future__ import annotations

from collections.abc import Sequence

from xai_core.errors import BadInput
from xai_core.report.gate_page import PASSED, TITLES, agreement_text, asked_of, figure_of, items_of
from xai_core.runs.store import Run

ITEMS_NAMED = 20


def gate_section(gate: dict, runs: Sequence[Run], names: Sequence[str]) -> dict:
    """Return the section on a gate's result; BadInput where it is none."""
    try:
        parts = [{"text": f"{TITLES[gate['verdict']]}. {_whose(gate, runs, names)}"}, *_parts(gate)]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            where="gate",
            expected="the result of a gate: its verdict, its rules and what entered",
            found=f"something else ({type(error).__name__}: {error})",
            remedy="name the JSON file that `gate` wrote",
        ) from error
    return {"id": "gate", "title": "Gate", "parts": parts}


def _parts(gate: dict) -> list[dict]:
    rows = [
        [rule["name"], PASSED[rule["passed"]], figure_of(rule), asked_of(rule), rule["message"], _items(rule)]
        for rule in gate["rules"]
    ]
    head = ["Rule", "Outcome", "Figure (95 %)", "Asked", "Said", "Items that broke it"]
    caption = f"Rules of the policy {gate['policy']['name']}, on {gate['review_set']['items']} items"
    people = gate["people"]["agreement"] if gate["people"] else []
    lists = (gate["missing"], gate["warnings"], [agreement_text(pair) for pair in people])
    return [{"table": {"caption": caption, "head": head, "rows": rows}}, *({"list": lines} for lines in lists if lines)]


def _items(rule: dict) -> str:
    return items_of(rule, ITEMS_NAMED) or "none"


def _whose(gate: dict, runs: Sequence[Run], names: Sequence[str]) -> str:
    """Return which runs of this report the gate judged."""
    digests = {role: (gate[role] or {}).get("content_digest") for role in ("candidate", "baseline")}
    found = [
        f"{role} {name}"
        for role, digest in digests.items()
        for run, name in zip(runs, names, strict=True)
        if run.manifest["content_digest"] == digest
    ]
    return f"In this report: {', '.join(found)}." if found else "It judged no run of this report."

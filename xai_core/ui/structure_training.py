"""The training on the screen: how sure the network became, and what each step taught it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from xai_core.ui.structure_charts import LEVELS, training_curve
from xai_core.ui.structure_data import Shown

FIRST = 3


def training(shown: Shown, name: str) -> None:
    """Draw the annotated training curve, and below it every step with its figures."""
    steps = shown.structure["steps"]
    apart = [_told_apart(shown.structure, step) for step in steps]
    st.subheader("What each step of the training taught", anchor=False)
    learned = [_lines(step, found) for step, found in zip(steps, apart, strict=True)]
    st.altair_chart(
        training_curve(shown.structure, name, learned),
        alt="Accuracy and mean confidence at each checkpoint; the table below has the figures",
    )
    st.caption(
        "Over the track's own images. Below the curve: the class that gained by its key prototypes, and from which it "
        "was told apart in that step, with the confidence lost there; the greatest first. Grey steps are skipped."
    )
    rows = [_row(shown.structure, at, found) for at, found in enumerate(apart)]
    st.dataframe(rows, hide_index=True, height="content")
    _all_apart(steps, apart)
    analysed = [step for step in steps if not step["skipped"]]
    under = sum(step["under_determined"] for step in analysed)
    if under:
        st.caption(
            f":material/info: {under} of {len(analysed)} analysed steps have fewer groups than prototypes: the ridge "
            "then decides between many fits, and prototypes that rise together share what they moved."
        )


def _all_apart(steps: Sequence[Mapping], apart: Sequence[list[tuple[float, str, str]]]) -> None:
    """Draw for every class from which others it was told apart in each step that is analysed."""
    names = [f"{step['from']:,} to {step['to']:,}" for step in steps]
    rows: dict[str, dict[str, str]] = {}
    for at, found in enumerate(apart):
        for _, own, other in found:
            row = rows.setdefault(own, {names[k]: "" for k, step in enumerate(steps) if not step["skipped"]})
            row[names[at]] += f"{', ' if row[names[at]] else ''}{other}"
    if rows:
        with st.expander("Which classes were told apart in which step", key="apart"):
            st.dataframe([{"Gained": own} | row for own, row in rows.items()], hide_index=True, height="content")


def _told_apart(structure: Mapping, step: Mapping) -> list[tuple[float, str, str]]:
    """Return (loss, class that gained, class that lost) of the separations in a step, the greatest first."""
    found = [
        (row["loss"], entry["class"], row["class"])
        for entry in structure["classes"]
        for row in entry["separation"]
        if (row["from"], row["to"]) == (step["from"], step["to"])
    ]
    return sorted(found, key=lambda each: -each[0])


def _lines(step: Mapping, apart: list[tuple[float, str, str]]) -> list[str]:
    if step["skipped"]:
        return ["skipped"]
    if not apart:
        return ["nothing"]
    most = LEVELS if len(apart) <= LEVELS else LEVELS - 1
    lines = [f"{own} from {other} {-loss:+.2f}" for loss, own, other in apart[:most]]
    return lines + ([f"and {len(apart) - most} more"] if len(apart) > most else [])


def _row(structure: Mapping, at: int, apart: list[tuple[float, str, str]]) -> dict:
    step, after = structure["steps"][at], structure["checkpoints"][at + 1]
    groups = step.get("groups") or {"count": None, "noise": None}
    agreement = step.get("agreement")
    told = f"{len(apart)}: {', '.join(f'{own} from {other}' for _, own, other in apart[:FIRST])}"
    return {
        "Step": f"{step['from']:,} to {step['to']:,}",
        "Confidence moved": f"{step['movement']:.1%}",
        "Accuracy after": "unknown" if after["accuracy"] is None else f"{after['accuracy']:.1%}",
        "Groups": "-" if groups["count"] is None else str(groups["count"]),
        "In no group": "-" if groups["noise"] is None else f"{groups['noise']:.0%}",
        "Raw agrees with normalised": "-" if agreement is None else f"{agreement:.0%}",
        "Pairs told apart": f"skipped: {step['skipped']}" if step["skipped"] else told if apart else "none",
    }

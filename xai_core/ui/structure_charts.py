"""Charts over the checkpoints of a training: all share one axis, on which skipped steps are shown as such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import altair as alt

# Okabe and Ito's, without the yellow, which is lost on white; the last two are of their kind
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a5195", "#8c8c8c"]
DASHES = [[1, 0], [7, 3], [2, 2], [8, 2, 2, 2], [4, 4], [12, 3], [3, 5], [6, 2, 1, 2]]
GREY = "#8a8f98"
LEVELS = 4
FIRST_LEVEL, LEVEL = -0.12, 0.115
"""Where the lowest words of a step stand below the curve, and how far apart they are, in units of the curve."""


def training_curve(structure: Mapping, name: str, learned: Sequence[Sequence[str]]) -> alt.LayerChart:
    """Return accuracy and confidence at each checkpoint, with what each step taught in words below.

    Parameters
    ----------
    structure : mapping
    name : str
        The class whose confidence is drawn beside that of all.
    learned : sequence of sequence of str
        For each step, a few short lines.
    """
    import altair as alt
    import pandas as pd

    rows = [
        {"at": place, "step": row["step"], "of": of, "value": value}
        for place, row in enumerate(structure["checkpoints"])
        for of, value in _curves(structure, row, name).items()
        if value is not None
    ]
    words = [
        {"at": place + 0.5, "y": FIRST_LEVEL - LEVEL * level, "text": text}
        for place, lines in enumerate(learned)
        for level, text in enumerate(lines[:LEVELS])
    ]
    names = list(_curves(structure, structure["checkpoints"][0], name))
    y = alt.Y(
        "value:Q",
        title=None,
        scale=alt.Scale(domain=[FIRST_LEVEL - LEVEL * LEVELS, 1], nice=False),
        axis=alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".0%"),
    )
    lines = _lines(alt.Chart(pd.DataFrame(rows)), structure, y, names)
    marks = alt.Chart(pd.DataFrame(words, columns=["at", "y", "text"])).mark_text(
        fontSize=11, color="currentColor", limit=900 / max(len(learned), 1)
    )
    texts = marks.encode(x=_x(structure, "at"), y="y:Q", text="text:N", tooltip=alt.Tooltip("text:N", title="Learned"))
    return alt.layer(*_bands(structure), lines, texts).properties(height=380)


def evolution(structure: Mapping, rows: Sequence[Mapping], title: str) -> alt.LayerChart:
    """Return pulls over the steps, one line for each name, with their intervals and a line at 0.

    Parameters
    ----------
    structure : mapping
    rows : sequence of mappings
        ``at`` : position of a step; ``of`` : name of the line; ``step`` : what the step is called; ``value``, ``low``,
        ``high`` : left out where there is none, which interrupts the line.
    title : str
        What the axis says.
    """
    import altair as alt
    import pandas as pd

    table = pd.DataFrame(rows, columns=["at", "of", "value", "low", "high", "step"]).assign(
        at=lambda found: found["at"] + 0.5
    )
    names = list(dict.fromkeys(table["of"]))
    y = alt.Y("value:Q", title=title, axis=alt.Axis(format="+.2f"), scale=alt.Scale(nice=True, padding=10))
    zero = alt.Chart(pd.DataFrame({"value": [0.0]})).mark_rule(color=GREY).encode(y="value:Q")
    chart = alt.Chart(table)
    layers = [*_bands(structure), zero]
    if table["low"].notna().any():
        rule = chart.mark_rule(strokeWidth=2, opacity=0.6)
        layers.append(rule.encode(x=_x(structure, "at"), y="low:Q", y2="high:Q", color=_colour(names)))
    return alt.layer(*layers, _lines(chart, structure, y, names)).properties(height=260)


def _curves(structure: Mapping, row: Mapping, name: str) -> dict[str, float | None]:
    known = [
        (entry["samples"], row["confidence"][entry["class"]]) for entry in structure["classes"] if entry["samples"]
    ]
    total = sum(count for count, _ in known)
    mean = sum(count * value for count, value in known) / total if total else None
    return {
        "accuracy": row["accuracy"],
        "confidence in the label": mean,
        f"the same, {name} alone": row["confidence"][name],
    }


def _lines(chart: alt.Chart, structure: Mapping, y: alt.Y, names: list[str]) -> alt.Chart:
    import altair as alt

    scale = alt.Scale(domain=names, range=[DASHES[k % len(DASHES)] for k in range(len(names))])
    tips = [alt.Tooltip("step:N"), alt.Tooltip("of:N"), alt.Tooltip("value:Q", format=".3f")]
    return chart.mark_line(point=alt.OverlayMarkDef(size=45, filled=True), strokeWidth=2.2).encode(
        x=_x(structure, "at"),
        y=y,
        color=_colour(names),
        strokeDash=alt.StrokeDash("of:N", scale=scale, legend=None),
        tooltip=tips,
    )


def _colour(names: list[str]) -> alt.Color:
    import altair as alt

    scale = alt.Scale(domain=names, range=[COLOURS[k % len(COLOURS)] for k in range(len(names))])
    look = {"symbolType": "circle", "symbolStrokeWidth": 0, "symbolOpacity": 1}
    return alt.Color(
        "of:N", scale=scale, legend=alt.Legend(orient="top", title=None, labelLimit=300, columns=8, **look)
    )


def _x(structure: Mapping, field: str) -> alt.X:
    """Return the axis of checkpoints: evenly spaced, whatever lies between them."""
    import altair as alt

    steps = [row["step"] for row in structure["checkpoints"]]
    return alt.X(
        f"{field}:Q",
        title="checkpoint: updates of the network, spaced evenly",
        scale=alt.Scale(domain=[-0.15, len(steps) - 0.85], nice=False),
        axis=alt.Axis(values=list(range(len(steps))), labelExpr=f"{steps}[datum.value]", grid=True, gridOpacity=0.5),
    )


def _bands(structure: Mapping) -> list[alt.Chart]:
    """Return the layer of grey bands over the steps that are not analysed; none where all are.

    A layer without marks would be a picture without a name to those who hear the page.
    """
    import altair as alt
    import pandas as pd

    skipped = [
        {"at": place, "end": place + 1, "why": f"{step['from']} to {step['to']}: skipped, {step['skipped']}"}
        for place, step in enumerate(structure["steps"])
        if step["skipped"]
    ]
    if not skipped:
        return []
    bands = alt.Chart(pd.DataFrame(skipped)).mark_rect(color=GREY, opacity=0.13)
    return [bands.encode(x=_x(structure, "at"), x2="end:Q", tooltip=alt.Tooltip("why:N", title=None))]

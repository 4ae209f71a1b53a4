"""The linked charts above the gallery: histograms of the scores, one more of choice, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import streamlit as st

from xai_core.review.linked import Bins, bins_of, counts, levels, matrix, undefined
from xai_core.review.queries import Among, Selection
from xai_core.review.records import SCORED, Records
from xai_core.review.words import HELP, help_of, title_of, value_of
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.ui import components, state

FEW_CLASSES = 4
LEVEL_TITLES = {"random": "random", "centre": "centre", "other": "others"}


def charts(selection: Selection) -> None:
    """Draw the histograms and the matrix of a selection, each linked to every other."""
    with st.container(horizontal=True, vertical_alignment="center", key="chart_controls"):
        with st.popover("Charts", icon=":material/tune:"):
            also = _choose_fourth(selection)
            score = st.selectbox(
                "Colour of the matrix",
                SCORE_NAMES,
                format_func=title_of,
                key="colour",
                bind=state.BOUND,
                help="A cell's colour is the mean of this score over its records.",
            )
        chance = st.toggle("Chance levels", key="chance", bind=state.BOUND, help=HELP["chance"])
        st.html(
            "<span class='legend'><i class='right'></i>right <i class='wrong'></i>wrong "
            "<i class='all'></i>all records (own scale)</span>"
        )
    few = len(selection.records.run.settings["class_names"]) <= FEW_CLASSES
    grid = st.grid(5 if few else 4, min_column_width=190, gap="small")
    for column in (*SCORE_NAMES, *([also] if also else ())):
        with grid.cell():
            _histogram(selection, column, f"histogram_{column}" if column in SCORE_NAMES else "histogram_also", chance)
    if few:
        with grid.cell():
            _matrix(selection, score)
    else:
        with st.expander("Confusion matrix of the classes most confused", key="matrix_of_many"):
            _matrix(selection, score)


def _choose_fourth(selection: Selection) -> str | None:
    """Return the column of the fourth histogram; None where no record has a number to show."""
    options = state.chart_columns(selection.records)
    if not options:
        return None
    if st.session_state.get("also") not in (None, *options):
        del st.session_state["also"]
    return st.selectbox("Fourth histogram", options, format_func=title_of, key="also", bind=state.BOUND)


def _histogram(selection: Selection, column: str, key: str, chance: bool) -> None:
    records, bins = selection.records, bins_of(selection.records, column)
    passing = selection.passing(without=(column,))
    missing = undefined(records, column, passing)
    chosen = bins.selected(selection.query.conditions.get(column))
    unscored = selection.query.conditions.get("missing")
    data = {
        "title": title_of(column),
        "help": help_of(column) or "",
        "selected": list(chosen) if chosen else None,
        "levels": _levels(selection, column, bins, passing) if chance and column in SCORE_NAMES else [],
        "undefined": missing,
        "undefined_text": f"{missing:,} without {'a value' if column not in SCORE_NAMES else 'this score'}",
        "undefined_selected": isinstance(unscored, Among) and SCORED not in unscored.values,
    }
    data |= _axis(column, bins) | counts(records, column, bins, passing)
    components.histogram(
        data, key=key, on_select=_on_select(records, column, bins), on_undefined=_on_undefined(selection, column)
    )


def _axis(column: str, bins: Bins) -> dict:
    if bins.categories:
        names = [value_of(column, value) for value in bins.categories]
        return {"names": names, "ticks": [[place + 0.5, name[:8]] for place, name in enumerate(names)]}
    texts = [f"{edge:.2f}" if bins.edges[-1] <= 1 else f"{edge:g}" for edge in bins.edges]
    every = max(1, round(len(bins) / 4))
    return {
        "names": [f"{low} to {high}" for low, high in pairwise(texts)],
        "edges": texts,
        "ticks": [[place, texts[place]] for place in range(0, len(texts), every)],
    }


def _levels(selection: Selection, score: str, bins: Bins, passing: np.ndarray) -> list[dict]:
    found = levels(selection.records, score, passing)
    return [
        {"name": LEVEL_TITLES[name], "at": bins.place(value), "text": f"By chance ({LEVEL_TITLES[name]}): {value:.2f}"}
        for name, value in found.items()
    ]


def _on_select(records: Records, column: str, bins: Bins) -> Callable[[int | None, int | None], None]:
    def on_select(first: int | None, last: int | None) -> None:
        state.choose(records, column, state.bins_condition(bins, first, last))

    return on_select


def _on_undefined(selection: Selection, column: str) -> Callable[[], None]:
    """Return what shows the records without a value, and on a second press lifts that again."""

    def on_undefined() -> None:
        reasons = set(selection.records.table["missing"].unique()) - {SCORED}
        chosen = selection.query.conditions.get("missing")
        state.choose(selection.records, column, None)
        state.choose(selection.records, "missing", None if chosen else Among(tuple(sorted(reasons))))

    return on_undefined


def _matrix(selection: Selection, score: str) -> None:
    found = matrix(selection, score)
    conditions = selection.query.conditions
    chosen = {name: list(c.values) if (c := conditions.get(name)) else [] for name in ("label", "called")}
    data = {
        "labels": found.labels,
        "called": found.called,
        "cells": [
            [{"count": int(n), "mean": float(mean)} for n, mean in zip(row, means, strict=True)]
            for row, means in zip(found.count, found.mean, strict=True)
        ],
        "score": title_of(score),
        "selected": {"labels": chosen["label"], "called": chosen["called"]},
        "left_out": f"{found.left_out:,} of these records lie in no cell shown." if found.left_out else "",
    }

    def on_cell(label: str | None, called: str | None) -> None:
        state.choose(selection.records, "label", Among((label,)) if label else None)
        state.choose(selection.records, "called", Among((called,)) if called else None)

    components.matrix(data, key="matrix", on_cell=on_cell)

"""One record in the gallery's place: its picture and maps, what is known of it, and what people say of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from xai_core.errors import BadInput
from xai_core.review.case import Case, case_of
from xai_core.review.records import Records
from xai_core.review.verdicts import Opinion
from xai_core.review.words import HELP, OUTCOMES, PATTERN_TITLES, title_of
from xai_core.runs.store import Run
from xai_core.scores.patterns import MEANING
from xai_core.ui import components, library, state
from xai_core.ui.evidence import causal_checks, nearest_cases
from xai_core.ui.judgement_view import judgement
from xai_core.ui.verdict_bar import give, undo, verdict_bar

KEYS = {
    "ArrowRight": "next",
    "n": "next",
    "ArrowLeft": "previous",
    "p": "previous",
    "Escape": "close",
    "1": "right_reasons",
    "2": "wrong_reasons",
    "3": "unsure",
    "z": "undo",
}


def case_view(records: Records, sample_id: str, order: np.ndarray, opinions: Mapping[str, Opinion]) -> None:
    """Draw a record, and answer its keys; `order` is what Next and Previous go through."""
    position = records.position(sample_id)
    row = records.table.iloc[position]
    with st.container(horizontal=True, vertical_alignment="center", key="steps"):
        _steps(records, position, order)
        _headline(row)
    if row["pattern"]:
        st.caption(MEANING.get(row["pattern"], ""))
    verdict_bar(records.run, sample_id, opinions.get(sample_id))
    beside = _choose_beside(records.run)
    try:
        case = _case(records, position, beside)
    except BadInput as error:
        st.error(str(error))
        return
    if case.viewer["note"]:
        st.caption(case.viewer["note"])
    if row["status"] != "ok":
        st.warning(f"This record has no explanation: {row['error']}")
    components.viewer({name: value for name, value in case.viewer.items() if name != "note"}, key="viewer")
    _facts(case.facts)
    _judged(records, sample_id)
    causal_checks(records, sample_id)
    nearest_cases(records, sample_id)
    _provenance(case.facts)


def _judged(records: Records, sample_id: str) -> None:
    """Draw what a judge said of the record, where one did."""
    if judge := library.judge_of(records.run):
        with st.expander(f"What the judge “{judge}” says", key="judgement"):
            judgement(library.judgements_of(records.run, judge)[1], sample_id)


def _case(records: Records, position: int, beside: list[Run]) -> Case:
    row = records.table.iloc[[position]]
    row = row.assign(probabilities=[records.probabilities[position]], versions=None)
    return case_of(records.run, row["sample_id"].iloc[0], beside, records.rule, row)


def _steps(records: Records, position: int, order: np.ndarray) -> None:
    """Draw the way back and the steps through the filtered list, and listen to the keys for them."""
    place = np.flatnonzero(order == position)
    place = int(place[0]) if len(place) else None
    ids = records.table["sample_id"]

    def step(by: int) -> None:
        if place is not None and 0 <= place + by < len(order):
            state.open_case(ids.iloc[order[place + by]])

    def press(name: str) -> None:
        if name in ("next", "previous"):
            step(1 if name == "next" else -1)
        elif name == "close":
            state.close_case()
        elif name == "undo":
            undo(records.run)
        else:
            give(records.run, ids.iloc[position], name)

    st.button("Gallery", icon=":material/grid_view:", key="close", on_click=state.close_case, help="Esc")
    first, last = place in (None, 0), place is None or place == len(order) - 1
    icon = ":material/chevron_left:"
    st.button("Previous", icon=icon, key="previous", on_click=step, args=(-1,), disabled=first, help="←  or P")
    icon = ":material/chevron_right:"
    st.button("Next", icon=icon, key="next", on_click=step, args=(1,), disabled=last, help="→  or N")
    where = "not among the records that pass" if place is None else f"{place + 1:,} of {len(order):,}"
    st.markdown(f"**{ids.iloc[position]}** · {where}")
    components.keys(KEYS, key="keys", on_press=press)


def _headline(row) -> None:
    label = row["label"] if isinstance(row["label"], str) else "unknown"
    colour = {"right": "blue", "wrong": "orange"}.get(row["outcome"], "gray")
    called = row["called"] if isinstance(row["called"], str) else "nothing"
    st.markdown(f"label **{label}**, called **{called}**")
    st.badge(OUTCOMES[row["outcome"]], color=colour)
    if row["pattern"]:
        st.badge(PATTERN_TITLES[row["pattern"]], color="gray")


def _choose_beside(run: Run) -> list[Run]:
    siblings = library.siblings_of(run)
    if not siblings:
        return []
    titles = {folder: library.title_of_run(other) for folder, other in siblings.items()}
    same = [folder for folder, other in siblings.items() if other.settings["method"] == run.settings["method"]]
    state.keep_known("beside", list(titles))
    chosen = st.pills(
        f"Beside {library.title_of_run(run)}",
        list(titles),
        format_func=titles.get,
        selection_mode="multi",
        default=same,
        key="beside",
        bind=state.BOUND,
        help="Explanations of the same image for other classes and by other explainers. Each explainer has a colour "
        "scale of its own: compare places across explainers, and strengths only within one.",
    )
    return [siblings[folder] for folder in chosen]


def _facts(facts: dict) -> None:
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.markdown("**Confidences**", help="The probability the classifier gives to each class, whole image.")
        roles = ("label", "called", "target")
        rows = [
            {
                "Class": entry["name"],
                "Probability": entry["probability"],
                "Role": ", ".join(title_of(role).lower() for role in roles if entry[role]),
            }
            for entry in facts["confidences"]
        ]
        bar = st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="%.3f")
        st.dataframe(rows, hide_index=True, height="content", column_config={"Probability": bar})
    with right:
        st.markdown("**Scores against chance**", help=HELP["chance"])
        rows = [_score_row(name, score) for name, score in facts["scores"].items()]
        st.dataframe(rows, hide_index=True, height="content")
        more = [("Explanation area", facts["explanation_area"]), ("Stability", facts["stability"])]
        st.caption(" · ".join(f"{name} {value:.2f}" for name, value in more if value is not None))
    if facts["metadata"]:
        values = (f"{name.replace('_', ' ')} {_number(value)}" for name, value in facts["metadata"].items())
        with st.expander("Metadata"):
            st.markdown(" · ".join(values))


def _score_row(name: str, score: dict) -> dict:
    value = score["undefined"] if score["value"] is None else f"{score['value']:.3f}"
    levels = {"random": "Random", "centre": "Centre", "other": "Others"}
    row = {"Score": title_of(name), "Value": value}
    row |= {title: _share(score["chance"][level]) for level, title in levels.items()}
    return row | {"Above random": _share(score["excess"]["random"])}


def _provenance(facts: dict) -> None:
    with st.expander("Provenance: what made this map"):
        st.json(facts["provenance"], expanded=2)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)

"""The blind review on the screen: one case at a time, of a candidate whose name is hidden behind a letter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import streamlit as st

from xai_core.errors import BadInput
from xai_core.release import blind, review_set
from xai_core.release.blind import Task
from xai_core.release.review_set import ReviewSet
from xai_core.report.gate_page import agreement_text
from xai_core.review.case import case_of
from xai_core.review.verdicts import VERDICTS
from xai_core.runs.store import Run
from xai_core.ui import components, library, sign_in
from xai_core.ui.release_files import review_sets

KEYS = {"ArrowRight": "next", "n": "next", "ArrowLeft": "previous", "p": "previous", "z": "undo"}
KEYS |= {verdict.shortcut: key for key, verdict in VERDICTS.items()}


def reviewer() -> str:
    """Return who reviews: the person signed in, else the name typed in, else ''."""
    return sign_in.reviewer() or st.session_state.get("reviewer_name", "").strip()


def asked() -> tuple[ReviewSet, list[Run]] | None:
    """Return what the URL asks to review, None where it asks for nothing that can be had."""
    folders = st.query_params.get_all("candidate")
    if "review_set" not in st.query_params or not folders:
        return None
    file = st.query_params["review_set"]
    try:
        if file not in review_sets() or not set(folders) <= set(library.folders()):
            raise BadInput(
                expected="a review set and runs below the working directory or in the sample data",
                found="others in the address",
                remedy="choose them here",
            )
        return review_set.read(file), [library.run_of(folder) for folder in folders]
    except BadInput as error:
        st.error(str(error))
        return None


def set_up() -> None:
    """Draw what is reviewed, and by whom, and the button that begins."""
    files, folders = review_sets(), library.folders()
    if not files:
        st.info(
            "There is no review set below the working directory: "
            "`python -m xai_core review-set RUN --out review.json` makes one.",
            icon=":material/inventory:",
        )
        return
    before = [folder for folder in st.query_params.get_all("candidate") if folder in folders]
    file = st.selectbox("Review set", files, key="set_to_review", width=520)
    chosen = st.multiselect("Candidates", folders, default=before, key="to_review", width=720)
    if not sign_in.reviewer():
        st.text_input("Reviewer", key="reviewer_name", placeholder="your name", persist_state="session", width=260)

    def begin() -> None:
        st.query_params.from_dict({"review_set": file, "candidate": chosen})

    absent = [words for words, there in (("a candidate", chosen), ("your name", reviewer())) if not there]
    st.button("Begin", type="primary", key="begin", on_click=begin, disabled=bool(absent), icon=":material/play_arrow:")
    if absent:
        st.caption(f"Before you begin: {' and '.join(absent)}.")
    st.caption("Each reviewer gets an order and letters of their own. Who comes back under the same name goes on.")


def review(items: ReviewSet, runs: Sequence[Run]) -> None:
    """Draw the present case of the reviewer's queue, and take the answer."""
    tasks = blind.queue(items, runs, reviewer())
    if not tasks:
        st.warning("The review set and the candidates have no sample in common.")
        return
    said = {run.manifest["content_digest"]: blind.said(library.verdicts(), run) for run in runs}
    given = [_said(said, task) for task in tasks]
    done = sum(map(bool, given))
    st.progress(done / len(tasks), text=f"{done} of {len(tasks)} reviewed by {reviewer()}")
    if done == len(tasks):
        _finished(items, runs)
    place = _place(given)
    _answers(tasks, given, place, runs)
    _case(tasks[place])


def _said(said: dict, task: Task) -> str:
    return said[task.run.manifest["content_digest"]].get(task.sample_id, {}).get(reviewer(), "")


def _place(given: Sequence[str]) -> int:
    """Return the case that the URL names, the first without a verdict where it names none."""
    text = st.query_params.get("place", "")
    if text.isdecimal() and 1 <= int(text) <= len(given):
        return int(text) - 1
    return next((k for k, verdict in enumerate(given) if not verdict), 0)


def _answers(tasks: Sequence[Task], given: Sequence[str], place: int, runs: Sequence[Run]) -> None:
    def go(to: int) -> None:
        st.query_params["place"] = str(min(max(to, 0), len(tasks) - 1) + 1)

    def press(name: str) -> None:
        try:
            if name in ("next", "previous"):
                go(place + (1 if name == "next" else -1))
            elif name == "undo":
                back = blind.undo(library.verdicts(), tasks, reviewer())
                go(place if back is None else back)
            else:
                task = tasks[place]
                library.verdicts().give(task.run.manifest["content_digest"], task.sample_id, name, reviewer())
                go(next((k for k in range(place + 1, len(tasks)) if not given[k]), place + 1))
        except BadInput as error:
            st.session_state["review_message"] = f"Not stored. {error}"

    with st.container(horizontal=True, vertical_alignment="center", key="blind_bar"):
        for key, verdict in VERDICTS.items():
            st.button(
                f"{verdict.title} ({verdict.shortcut})",
                key=f"say_{key}",
                type="primary" if given[place] == key else "secondary",
                help=verdict.meaning,
                on_click=press,
                args=(key,),
            )
        st.button("Undo (Z)", key="blind_undo", icon=":material/undo:", on_click=press, args=("undo",))
        first, last = place == 0, place == len(tasks) - 1
        previous, following = ":material/chevron_left:", ":material/chevron_right:"
        st.button("Previous", key="before", icon=previous, disabled=first, on_click=press, args=("previous",))
        st.button("Next", key="after", icon=following, disabled=last, on_click=press, args=("next",))
        st.markdown(f"Case {place + 1} of {len(tasks)} · candidate **{tasks[place].letter}**")
    components.keys(KEYS, key="blind_keys", on_press=press)
    if message := st.session_state.pop("review_message", ""):
        st.error(message)


def _case(task: Task) -> None:
    records = library.records_of(task.run, None, None)
    position = records.position(task.sample_id)
    row = records.table.iloc[[position]]
    row = row.assign(probabilities=[records.probabilities[position]], versions=None)
    try:
        case = case_of(task.run, task.sample_id, (), None, row)
    except BadInput as error:
        st.error(str(error))
        return
    record = row.iloc[0]
    label = record["label"] if isinstance(record["label"], str) else "unknown"
    st.markdown(f"Label **{label}**, called **{record['called']}**")
    if case.viewer["lost"]:
        st.warning(
            "The image itself cannot be shown: it is not where the run has it, or it was changed. Put the data set "
            "back before you judge this case.",
            icon=":material/warning:",
        )
    components.viewer(unnamed(case.viewer, task.letter), key="blind_viewer")


def unnamed(viewer: dict, letter: str) -> dict:
    """Return what the viewer draws without anything that tells which classifier or run it is."""
    panels = [
        panel
        | {
            "key": letter,
            "note": f"Candidate {letter}",
            "unit": "1.0 is the 99th percentile of this candidate's maps",
            "limit": 1.0,
            "heat": panel["heat"] and panel["heat"] | {"scale": panel["heat"]["scale"] / panel["limit"]},
        }
        for panel in viewer["panels"]
    ]
    return {name: value for name, value in viewer.items() if name != "note"} | {"panels": panels}


def _finished(items: ReviewSet, runs: Sequence[Run]) -> None:
    """Draw how far reviewers agree, which nobody sees before they are done."""
    st.success("You have reviewed every case. The gate counts your verdicts.", icon=":material/task_alt:")
    pairs = blind.agreements(items, runs, library.verdicts())
    for pair in pairs:
        st.markdown(agreement_text(asdict(pair)).replace("*", "\\*"))
    if not pairs:
        st.caption("No second person has reviewed the same cases yet: there is no agreement to show.")

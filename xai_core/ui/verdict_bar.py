"""What people say of a record: verdict, tags, note, and who says it."""

from __future__ import annotations

import streamlit as st

from xai_core.errors import BadInput
from xai_core.review.verdicts import TAGS, VERDICTS, Opinion
from xai_core.runs.store import Run
from xai_core.ui import library, sign_in

UNNAMED = "unnamed reviewer"


def verdict_bar(run: Run, sample_id: str, opinion: Opinion | None) -> None:
    """Draw the verdict buttons, tags, note and the reviewer's name of one record."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="verdicts"):
        for key, verdict in VERDICTS.items():
            chosen = opinion is not None and opinion.verdict == key
            st.button(
                f"{verdict.title} ({verdict.shortcut})",
                key=f"give_{key}",
                type="primary" if chosen else "secondary",
                help=verdict.meaning,
                on_click=give,
                args=(run, sample_id, key),
            )
        st.button("Undo (Z)", key="undo", icon=":material/undo:", on_click=undo, args=(run,))
        with st.popover(_said(opinion), icon=":material/edit_note:"):
            _words(run, sample_id, opinion)
        _reviewer_name()
    if message := st.session_state.pop("verdict_message", ""):
        st.error(message)


def give(run: Run, sample_id: str, verdict: str) -> None:
    """Store a verdict, from a callback."""
    _store(lambda: library.verdicts().give(run.manifest["content_digest"], sample_id, verdict, reviewer()))


def undo(run: Run) -> None:
    """Take back this reviewer's last word in the run, from a callback, and show the record it was about."""

    def take_back() -> None:
        sample_id = library.verdicts().undo(run.manifest["content_digest"], reviewer())
        if sample_id is not None:
            st.query_params["case"] = sample_id

    _store(take_back)


def reviewer() -> str:
    """Return who gives verdicts: the person signed in, else the name typed in."""
    return sign_in.reviewer() or st.session_state.get("reviewer_name", "").strip() or UNNAMED


def _store(action) -> None:
    """Do it; where it cannot be stored, keep the reason for the page."""
    try:
        action()
    except BadInput as error:
        st.session_state["verdict_message"] = f"Not stored. {error}"


def _said(opinion: Opinion | None) -> str:
    if opinion is None or not (opinion.tags or opinion.note):
        return "Tags and note"
    return ", ".join([*(TAGS[tag] for tag in opinion.tags), *(["note"] if opinion.note else [])])


def _words(run: Run, sample_id: str, opinion: Opinion | None) -> None:
    run_key = run.manifest["content_digest"]
    tags, note = f"tags {sample_id}", f"note {sample_id}"

    def save_tags() -> None:
        _store(lambda: library.verdicts().tag(run_key, sample_id, st.session_state[tags], reviewer()))

    def save_note() -> None:
        _store(lambda: library.verdicts().note(run_key, sample_id, st.session_state[note], reviewer()))

    st.session_state[tags] = list(opinion.tags) if opinion else []
    st.session_state[note] = opinion.note if opinion else ""
    st.pills("Tags", list(TAGS), format_func=TAGS.get, selection_mode="multi", key=tags, on_change=save_tags)
    st.text_area("Note", key=note, on_change=save_note, height=100)
    for event in library.verdicts().history(run_key, sample_id)[-6:]:
        said = ", ".join(event.value) if isinstance(event.value, list) else event.value
        st.caption(f"{event.at[:16].replace('T', ' ')} UTC · {event.reviewer}: {event.kind} {said}")


def _reviewer_name() -> None:
    if signed_in := sign_in.reviewer():
        st.caption(f"Reviewer: {signed_in}")
    else:
        st.text_input("Reviewer", key="reviewer_name", placeholder="your name", persist_state="session", width=160)

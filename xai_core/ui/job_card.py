"""One job on the page: how far it is, what came of it, and what can be done with it."""

from __future__ import annotations

import streamlit as st

from xai_core.errors import BadInput
from xai_core.jobs import Job
from xai_core.ui.forms import refusal
from xai_core.ui.page import EXPLORE

BADGES = {
    "running": ("Running", "blue", ":material/progress_activity:"),
    "done": ("Done", "green", ":material/check:"),
    "failed": ("Failed", "red", ":material/error:"),
    "cancelled": ("Cancelled", "gray", ":material/block:"),
}


def job_card(job: Job) -> None:
    """Draw a job; its buttons act at once."""
    text, colour, icon = BADGES[job.state]
    with st.container(border=True, key=f"job {job.id}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.text(job.title, width="stretch", help=f"Writes {job.out}." if job.out else None)
            st.badge("Stopping" if job.stopping else text, color=colour, icon=icon)
        if job.state == "running":
            st.progress(min(job.done / job.total, 1.0) if job.total else 0.0, text=_how_far(job))
        else:
            _outcome(job)
        _buttons(job)
        if job.log_tail:
            with st.expander("Log", key=f"log {job.id}"):
                st.code(
                    job.log_tail, language=None, wrap_lines=True, height=min(40 + 22 * job.log_tail.count("\n"), 260)
                )


def _how_far(job: Job) -> str:
    if not job.total:
        return f"Starting · {_time(job.seconds)}"
    left = "" if job.left is None else f" · about {_time(job.left)} left"
    return f"{job.done:,} of {job.total:,} {job.noun}{left}"


def _outcome(job: Job) -> None:
    """Draw how far it came, how long it took, and what came of it."""
    far = [f"{job.done:,} of {job.total:,} {job.noun}"] if job.total else []
    st.caption(" · ".join([*far, f"took {_time(job.seconds)}"]))
    if job.state == "failed":
        st.text(job.outcome)
    for run in job.runs() if job.state == "done" else []:
        st.page_link(EXPLORE, label=f"Explore {run}", icon=":material/search:", query_params={"run": run})


def _buttons(job: Job) -> None:
    if job.state == "running":
        cancel = st.button("Cancel", key=f"cancel {job.id}", disabled=job.stopping, help="What is finished is kept.")
        if cancel:
            job.cancel()
            st.rerun()
    elif job.resumable:
        help_ = "Go on where it was left: what is finished is not done again."
        if st.button("Resume", key=f"resume {job.id}", icon=":material/replay:", help=help_):
            try:
                job.resume()
            except BadInput as error:
                refusal(error)
            else:
                st.rerun()


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"

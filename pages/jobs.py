"""Jobs: start a run or a training, and see how far they are."""

from __future__ import annotations

import shlex

import streamlit as st

from xai_core import jobs
from xai_core.ui.forms import Order, checking, explain_form, train_form
from xai_core.ui.job_card import job_card
from xai_core.ui.page import page_foot
from xai_core.ui.top_bar import top_bar

SHOWN = 20
FORMS = {"Explain a data set": explain_form, "Train a classifier": train_form}


def command(title: str, order: Order | None) -> None:
    """Draw the command that a form stands for, and the button that starts it."""
    if order:
        st.code(f"python -m xai_core {shlex.join(order.arguments)}", language=None, wrap_lines=True)
    if st.button("Start", key=f"start {title}", type="primary", icon=":material/play_arrow:", disabled=order is None):
        with checking([]):
            jobs.start(order.arguments, order.title)
            st.rerun()


def shelf(polled: bool) -> None:
    """Draw the jobs, the newest first; once none runs any more, draw the whole page a last time."""
    found = jobs.all()
    if polled and not any(job.state == "running" for job in found):
        st.rerun()
    for job in found[:SHOWN]:
        job_card(job)
    if not found:
        st.info("No job yet.", icon=":material/hourglass_empty:")
    if len(found) > SHOWN:
        st.caption(f"{len(found) - SHOWN} older ones lie in jobs/.")


top_bar()
st.markdown(
    "Explain a data set or train a classifier. The work goes on in the background, also when this page is closed."
)
at_hand = jobs.all()
running = sum(job.state == "running" for job in at_hand)
left, right = st.columns([5, 4], gap="large")
with left:
    for tab, (title, form) in zip(st.tabs(list(FORMS)), FORMS.items(), strict=True):
        with tab:
            command(title, form({job.out for job in at_hand}))
with right:
    st.subheader("Jobs", anchor=False)
    if running:
        st.caption(f"{running} running. Jobs share the machine: each more makes all of them slower.")
    st.fragment(shelf, run_every="1s" if running else None)(bool(running))
page_foot()

"""All runs that are at hand, and how to get another."""

from __future__ import annotations

import streamlit as st

from xai_core.errors import BadInput
from xai_core.ui import library
from xai_core.ui.page import EXPLORE, JOBS


def run_tables() -> None:
    """Draw every run at hand with its size and a link."""
    st.subheader("Runs at hand", anchor=False)
    for folder in library.folders():
        run = library.run_of(folder)
        with st.container(horizontal=True, vertical_alignment="center", key=f"run {folder}"):
            st.page_link(EXPLORE, label="Explore", query_params={"run": folder}, width=90)
            errors = run.manifest["errors"]
            st.markdown(
                f"**{library.title_of_run(run)}** · {library.subject_of_run(run)} · {len(run):,} records"
                + (f", {errors} with an error" if errors else "")
            )
            st.caption(f"{folder} · {run.manifest['created'][:10]}")


def open_another() -> None:
    """Draw the field that opens a run elsewhere on this machine, and the way to start one."""
    with st.expander("Open or start another run", key="another"):
        folder = st.text_input("Folder of a run", key="another_folder", placeholder="runs/NAME or /path/to/run")
        if folder:
            try:
                found = library.runs_in(folder)
            except (BadInput, OSError) as error:
                st.error(str(error))
                return
            for path in found:
                st.page_link(EXPLORE, label=f"Explore {path}", query_params={"run": path})
        st.page_link(JOBS, label="Train a classifier or start a run", icon=":material/play_arrow:")

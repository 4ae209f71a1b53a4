"""The script that draws every page: sign-in, navigation, style."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from xai_core.ui import sign_in
from xai_core.ui.page import COMPARE, EXPLORE, GATE, HISTORY, JOBS, LANGUAGE, OVERVIEW, REVIEW, STRUCTURE

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
ICON = Path(__file__).parent / "icon.png"

st.set_page_config(page_title="Right Reasons", page_icon=str(ICON), layout="wide")
sign_in.require()
st.logo(str(ICON))
st.html(f"<style>{STYLE}</style>")
st.navigation(
    [
        st.Page(OVERVIEW, title="Overview", default=True),
        st.Page(EXPLORE, title="Explore"),
        st.Page(COMPARE, title="Compare"),
        st.Page(REVIEW, title="Review"),
        st.Page(GATE, title="Gate"),
        st.Page(HISTORY, title="History"),
        st.Page(STRUCTURE, title="Structure"),
        st.Page(LANGUAGE, title="Language"),
        st.Page(JOBS, title="Jobs"),
    ],
    position="top",
).run()

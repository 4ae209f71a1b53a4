"""The script that draws every page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from xai_core.ui import sign_in

PAGES = Path(__file__).resolve().parents[2] / "pages"

st.set_page_config(page_title="Right Reasons", layout="wide")
sign_in.require()
st.navigation([st.Page(path) for path in sorted(PAGES.glob("*.py"))], position="top").run()

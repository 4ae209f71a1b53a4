"""Review: is each candidate right for the right reasons? One case at a time, without knowing whose it is.

There is no choice of run at the top of this page: it would name a candidate.
"""

from __future__ import annotations

import streamlit as st

from xai_core.ui.blind_view import asked, review, reviewer, set_up
from xai_core.ui.page import page_foot

st.markdown(
    "Say of each case whether the explanation shows a sound reason for the call. Candidates are mixed and stand under "
    "letters, so that a name cannot speak for them."
)
chosen = asked()
if chosen is None or not reviewer():
    set_up()
else:
    review(*chosen)
page_foot()

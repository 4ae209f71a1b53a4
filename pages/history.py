"""History: what was kept of each version, what moved between two, and one sample through all of them."""

from __future__ import annotations

import streamlit as st

from xai_core.errors import BadInput
from xai_core.ui import history_view, library
from xai_core.ui.page import page_foot
from xai_core.ui.top_bar import top_bar

records = top_bar()
st.markdown(
    f"How versions kept in the archive explain the same samples for the same target "
    f"(**{library.subject_of_run(records.run)}**, {library.title_of_run(records.run)}), and what moved from one to the "
    "next."
)
try:
    versions = history_view.versions_of(records)
    history_view.keep(records, versions)
    if not versions:
        st.info(
            "The archive of this folder has no version over these samples. Add this run, or use "
            "`python -m xai_core archive add RUN`.",
            icon=":material/archive:",
        )
    else:
        history_view.version_table(versions)
        if len(versions) > 1:
            history_view.against(*history_view.choose_pair(versions))
        history_view.one_sample(versions)
except BadInput as error:
    st.error(str(error))
page_foot(records)

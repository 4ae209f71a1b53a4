"""Overview: what is loaded, how good it is, where to look first."""

from __future__ import annotations

import streamlit as st

from xai_core.ui import library
from xai_core.ui.page import page_foot
from xai_core.ui.report_view import report_button
from xai_core.ui.runs_view import open_another, run_tables
from xai_core.ui.summary_view import look_first, metric_row, score_table, subgroup_tables
from xai_core.ui.top_bar import top_bar
from xai_core.ui.trust_view import reliance_section, trust_section

records = top_bar()
settings = records.run.settings
summary = library.summary_of(records)

st.markdown(
    f"How far **{library.title_of_run(records.run)}** agrees with the outlines that people drew on "
    f"**{summary['samples']:,} {'synthetic ' if settings['synthetic'] else ''}images** "
    f"({library.subject_of_run(records.run)}), and whether the classifier's answers can be trusted."
)
report_button(records)
left, right = st.columns([3, 2], gap="large")
with left:
    look_first(records)
with right:
    metric_row(summary, records.positive)
score_table(summary)
subgroup_tables(records)
trust_section(records)
reliance_section(records)
run_tables()
open_another()
page_foot(records)

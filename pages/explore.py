"""Explore: which records score how, where the explanation looked, one case at a time."""

from __future__ import annotations

import streamlit as st

from xai_core.review.queries import Selection
from xai_core.ui import library, state, unheard
from xai_core.ui.case_view import case_view
from xai_core.ui.charts import charts
from xai_core.ui.filters import filters
from xai_core.ui.gallery_view import choose_order, choose_page, downloads, gallery_view
from xai_core.ui.page import count_line, page_foot
from xai_core.ui.top_bar import top_bar

unheard.catch_up()
records = top_bar()
opinions = library.verdicts().state(records.run.manifest["content_digest"])
case = state.present_case(records)
sentence, above = st.container(), st.container()
# drawn beside a case too, though unseen: the URL holds the order that Next and Previous go by
controls = st.container(
    horizontal=True, vertical_alignment="bottom", key="order_unseen" if case else "gallery_controls"
)
below = st.container()
with controls:
    choose_order(records)
query = filters(records)
selection = Selection(records, query, {sample_id: said.verdict for sample_id, said in opinions.items()})
order = selection.order()

sentence.markdown(
    f"Each picture is one record: the human outline against what **{library.title_of_run(records.run)}** points to. "
    f"{count_line(records, order)}"
)
with controls:
    choose_page(len(order))
if case is None:
    # before the charts: the browser draws what comes first first, and the eye waits for the pictures
    with below:
        gallery_view(selection, order, opinions)
    with controls:
        downloads(records, order, opinions)
    with above:
        charts(selection)
else:
    with below:
        case_view(records, case, order, opinions)
page_foot(records)
unheard.ask_for_echo()

"""Compare: several classifiers on the same samples, in numbers and picture by picture."""

from __future__ import annotations

import streamlit as st

from xai_core.errors import BadInput
from xai_core.ui import library
from xai_core.ui.compare_pictures import mover_lists, strips
from xai_core.ui.compare_view import choose, compared, difference_tables, error_table, remarks, stratum_table
from xai_core.ui.page import page_foot
from xai_core.ui.top_bar import top_bar

records = top_bar()
sentence = st.container()
chosen = choose(records)
sentence.markdown(
    f"How other classifiers differ from **{library.subject_of_run(records.run)}** on the same images: in what they "
    f"call right, and in where **{library.title_of_run(records.run)}** looks while the call stays right."
)
if not chosen.others:
    st.info(
        "There is no other run to compare with: it must explain the same target of the same classes. "
        "`python -m xai_core explain` makes one with another classifier.",
        icon=":material/compare_arrows:",
    )
else:
    try:
        found = compared(records, chosen)
    except BadInput as error:
        st.error(str(error))
    else:
        remarks(found)
        difference_tables(found)
        error_table(found)
        stratum_table(found)
        mover_lists(records, chosen, found)
        strips(records, chosen, found)
page_foot(records)

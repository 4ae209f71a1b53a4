"""Gate: may this classifier be released, by a written policy and on frozen cases?"""

from __future__ import annotations

import streamlit as st

from xai_core.ui import library
from xai_core.ui.gate_view import broken_items, choose, downloads, judged, rules_view, verdict_view
from xai_core.ui.page import page_foot
from xai_core.ui.top_bar import top_bar

records = top_bar()
run = records.run
own = library.records_of(run, None, None)
at = "" if own.threshold is None else f", called {own.positive} from {own.threshold:g} as the run has it"
st.markdown(
    f"Whether **{library.title_of_run(run)}** ({library.subject_of_run(run)}) may be released: its metrics over "
    f"{len(own):,} records{at}, its explanations over the items of a review set, each against what a policy asks."
)
items, rules, baseline = choose(run)
if items is None or rules is None:
    absent = "review set" if items is None else "policy"
    st.info(
        f"There is no {absent} below the working directory. `python -m xai_core review-set RUN --out review.json` "
        "makes a review set; sample_data/policy.toml is a policy to begin with.",
        icon=":material/inventory:",
    )
elif result := judged(run, items, rules, baseline):
    verdict_view(result)
    rules_view(result)
    downloads(result)
    broken_items(own, result)
page_foot(records)

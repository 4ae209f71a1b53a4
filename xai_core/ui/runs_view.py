"""All runs that are at hand, and how to get another."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

import numpy as np
import streamlit as st

from xai_core.errors import BadInput
from xai_core.review.words import estimate, reasons, title_of
from xai_core.runs.tables import positive_of
from xai_core.scores import intervals, metrics
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.ui import library
from xai_core.ui.page import EXPLORE, JOBS

RESAMPLES = 400
SUMMED_UP_AT_ONCE = 20_000
"""Records of a run above which its figures wait until it is opened."""


def run_tables() -> None:
    """Draw every run at hand: its metrics and mean scores at its own operating point, and a link."""
    st.subheader("Runs at hand", anchor=False)
    rows = []
    for folder in library.folders():
        run = library.run_of(folder)
        row = {"Run": f"explore?run={quote(folder)}#{library.title_of_run(run)}", "Of": library.subject_of_run(run)}
        row |= {"Records": len(run), "Errors": run.manifest["errors"], "Made": run.manifest["created"][:10]}
        figures = _figures(folder, run.manifest["content_digest"]) if len(run) <= SUMMED_UP_AT_ONCE else {}
        rows.append(row | figures)
    link = st.column_config.LinkColumn(display_text=r"#(.*)$")
    st.dataframe(rows, hide_index=True, height="content", column_config={"Run": link})
    st.caption(
        "AUC where a class is positive, else accuracy. Scores are means with their excess over a random place and its "
        "95 % interval; runs of other samples or classifiers are not comparable record by record."
    )


@st.cache_data(max_entries=200, show_spinner=False)
def _figures(folder: str, digest: str) -> dict[str, str]:
    records = library.records_of(library.run_of(folder), None, None)
    answered = (records.table["status"] == "ok").to_numpy()
    positive = positive_of(records.run)
    metric = metrics.evaluate(
        records.table["label_index"].to_numpy()[answered],
        records.probabilities[answered],
        positive=positive,
        threshold=0.5 if records.threshold is None else records.threshold,
        resamples=RESAMPLES,
    )["accuracy" if positive is None else "auc"]
    row = {"AUC or accuracy": estimate(metric["value"], metric["low"], metric["high"])}
    for name in SCORE_NAMES:
        values = records.rank(name)
        mean = np.nanmean(values) if not np.isnan(values).all() else np.nan
        over = intervals.mean(records.rank(f"excess_{name}"), resamples=RESAMPLES)
        row[title_of(name)] = f"{mean:.2f}, {estimate(over.value, over.low, over.high, sign=True)}"
    return row | {"Without a score": reasons(Counter(records.table["iou_undefined"].loc[np.isnan(values)]))}


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

"""The report of a run as a download, made when it is asked for."""

from __future__ import annotations

import streamlit as st

from xai_core.report.page import MOST_CASES, text_of
from xai_core.review.records import Records
from xai_core.ui import library


def report_button(records: Records) -> None:
    """Draw the button that hands the run out as one file, at the operating point of the page."""
    settings = records.run.settings
    threshold, run = records.threshold, records.run
    verdicts = library.verdicts()

    def make() -> bytes:
        return text_of([run], threshold=threshold, verdicts=verdicts).encode()

    st.download_button(
        "Report",
        make,
        f"report-{settings['method']}-{settings['target']}.html",
        "text/html",
        key="report",
        on_click="ignore",
        icon=":material/description:",
        help=f"One file that opens in any browser without a network: all of this, and the cases, the worst first "
        f"(at most {MOST_CASES}). It holds the images and the notes. Several runs side by side: "
        "`python -m xai_core report RUN RUN`.",
    )

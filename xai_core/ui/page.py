"""What every page ends with, and the lines that pages share."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import streamlit as st

from xai_core.review.records import Records
from xai_core.review.words import NO_DIAGNOSIS, SYNTHETIC

PAGES = Path(__file__).resolve().parents[2] / "pages"
OVERVIEW, EXPLORE, JOBS = PAGES / "overview.py", PAGES / "explore.py", PAGES / "jobs.py"
GATE, REVIEW = PAGES / "gate.py", PAGES / "review.py"
COMPARE = PAGES / "compare.py"
HISTORY = PAGES / "history.py"
LANGUAGE = PAGES / "language.py"
STRUCTURE = PAGES / "structure.py"
# inside of an address, of the name of an icon or an emoji, and of an arrow: these are found past any backslash
MEANT = re.compile(r"(?<=:)(?=[\w/+-])|(?<=www)(?=\.)|(?<=@)|(?<=(?<!\S)[-<>~])(?=[-=>]{1,2}(?!\S))", re.IGNORECASE)
MARKS = frozenset("\\`*_{}[]<>()#+-.!|~$:&=")
WORD_JOINER = "\u2060"  # has no width


def count_line(records: Records, order: np.ndarray) -> str:
    """Return how many records pass."""
    return f"**{len(order):,} of {len(records):,}** records pass the filters."


def page_foot(records: Records | None = None, *, synthetic: bool = False) -> None:
    """Draw the quiet line at the end of a page; images are synthetic where the run says so, or `synthetic`."""
    synthetic = synthetic or (records is not None and records.run.settings["synthetic"])
    st.caption(f"{SYNTHETIC} {NO_DIAGNOSIS}" if synthetic else NO_DIAGNOSIS)


def escaped(text: str) -> str:
    """Return text as one line of Markdown that shows it as it is: no link, no icon, no list, no arrow comes of it."""
    plain = MEANT.sub(WORD_JOINER, " ".join(text.split()))
    return "".join(f"\\{c}" if c in MARKS else c for c in plain)

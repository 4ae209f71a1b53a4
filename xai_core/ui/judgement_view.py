"""One judgement on the page, and the pictures that lead to it."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from xai_core.errors import BadInput
from xai_core.language import people, views
from xai_core.language.views import View
from xai_core.review.records import Records
from xai_core.review.tiles import tiles
from xai_core.ui import components, library
from xai_core.ui.gallery_view import tile_item
from xai_core.ui.page import EXPLORE, escaped

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MOST = 24
AS_WRITTEN = "white-space: pre-wrap; overflow-wrap: anywhere; color: inherit"


def pictures(records: Records, ids: Sequence[str], key: str) -> None:
    """Draw the first of these records as tiles; one that is opened shows what was said of it."""
    shown = [sample_id for sample_id in ids if records.position(sample_id) is not None][:MOST]
    tile = {each.sample_id: each for each in tiles(records.run, records.rule, shown)}
    rows = [records.table.iloc[records.position(sample_id)].to_dict() for sample_id in shown]
    items = [tile_item(row, tile[row["sample_id"]], "judge_score", None) | {"score": _score(row)} for row in rows]
    components.gallery(items, key=key, on_open=_open)
    if len(ids) > len(shown):
        st.caption(f"The first {len(shown)} of {len(ids):,}")


def one_record(records: Records, table: pd.DataFrame, view: View) -> None:
    """Draw what was said of the record that the URL names, over the page; `table` is that of the judgements."""
    sample_id = st.query_params.get("record")
    if sample_id is None:
        return
    if records.position(sample_id) is None:
        del st.query_params["record"]
        return
    _dialog(records, table, view, sample_id)


@st.dialog("What was said of one map", width="large", on_dismiss=lambda: st.query_params.pop("record", None))
def _dialog(records: Records, table: pd.DataFrame, view: View, sample_id: str) -> None:
    row = records.table.iloc[records.position(sample_id)]
    left, right = st.columns(2, gap="large")
    with left:
        picture(records, sample_id, view)
    with right:
        label = row["label"] if isinstance(row["label"], str) else "unknown"
        st.markdown(f"**{escaped(sample_id)}** · label **{escaped(label)}**, called **{escaped(str(row['called']))}**")
        judgement(table, sample_id)
        address = {
            "run": library.shorten(records.run.folder),
            "case": sample_id,
            "judge": library.judge_of(records.run),
        }
        st.page_link(EXPLORE, label="Open in Explore", icon=":material/search:", query_params=address)


def judgement(table: pd.DataFrame, sample_id: str) -> None:
    """Draw a judge's score, reason and description of one record, or why there is none."""
    found = table[table["sample_id"] == sample_id]
    if found.empty:
        st.caption("This record was not judged.")
        return
    said = found.iloc[0]
    if said["error"]:
        st.warning(f"There is no judgement that can be read: {escaped(said['error'])}.")
        return
    score = None if said.isna()["score"] else int(said["score"])
    st.markdown("No score" if score is None else f"Score **{score}** of 5")
    _as_written(said["justification"], "1rem")
    _as_written(said["description"], ".875rem")


def _as_written(text: str, size: str) -> None:
    """Draw a judge's text letter by letter, its line breaks too: no Markdown, and no HTML."""
    if text:
        st.html(f'<div style="{AS_WRITTEN}; font-size: {size}">{html.escape(text)}</div>')


def picture(records: Records, sample_id: str, view: View) -> str:
    """Draw a record as a judge sees it; returns the class that its map speaks for, '' where there is no picture."""
    try:
        pixels, predicted = people.picture_of(records.run, sample_id, view)
    except BadInput as error:
        st.warning(escaped(str(error)))
        return ""
    st.html(f'<img class="judged" src="{_address(pixels)}" alt="The map of one record, in the view {view.name}">')
    st.caption(f"As it is shown to a judge: {view.meaning}")
    return predicted


def _score(row: dict) -> str:
    score = row["judge_score"]
    return "no score" if score != score else f"{score:.0f} of 5"


def _address(pixels: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(views.png(pixels)).decode()


def _open(sample_id: str) -> None:
    st.query_params["record"] = sample_id

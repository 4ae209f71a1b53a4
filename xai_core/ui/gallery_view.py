"""The gallery: order, pages, tiles, and the table as a file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from xai_core.review.queries import Selection
from xai_core.review.records import Records
from xai_core.review.tiles import Tile, tiles
from xai_core.review.verdicts import VERDICTS, Opinion
from xai_core.review.words import title_of
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.ui import components, state

if TYPE_CHECKING:
    import pandas as pd

TILE_COLUMNS = ("sample_id", "label", "called", "outcome", "confidence", SCORE_NAMES[0])
MOST_PAGES_SHOWN = 7
BUTTON_WIDTH = 44  # of a page, in pixels, with the space beside it
SYMBOLS = {"right_reasons": "✓", "wrong_reasons": "✗", "unsure": "?"}


def choose_order(records: Records) -> None:
    """Draw what the query is sorted by and how many records a page has: before the query is asked, it reads them."""
    options = state.sort_columns(records)
    if st.session_state.get("sort") not in (None, *options):
        del st.session_state["sort"]
    st.selectbox(
        "Sorted by",
        options,
        format_func=title_of,
        key="sort",
        bind=state.BOUND,
        width=230,
        on_change=state.first_page,
    )
    st.segmented_control(
        "Order",
        [state.LOWEST, state.HIGHEST],
        default=state.LOWEST,
        required=True,
        key="order",
        bind=state.BOUND,
        label_visibility="collapsed",
        on_change=state.first_page,
    )
    st.segmented_control(
        "On a page",
        state.PER_PAGE,
        default=60,
        required=True,
        key="per",
        bind=state.BOUND,
        on_change=state.first_page,
    )


def choose_page(records: int) -> None:
    """Draw the pages that so many records fill; a page that is no more gives the last."""
    pages = max(1, -(-records // st.session_state["per"]))
    if st.session_state.get("page", 1) > pages:
        st.session_state["page"] = pages
    # left to its own width it measures itself in too narrow a place, and hides pages
    buttons = min(pages, MOST_PAGES_SHOWN) + 2
    st.pagination(pages, key="page", bind=state.BOUND, max_visible_pages=MOST_PAGES_SHOWN, width=BUTTON_WIDTH * buttons)


def gallery_view(selection: Selection, order: np.ndarray, opinions: Mapping[str, Opinion]) -> None:
    """Draw the page of records that the order begins at the page chosen."""
    records, sort = selection.records, selection.query.sort
    per, page = st.session_state["per"], st.session_state["page"]
    shown = order[(page - 1) * per : page * per]
    ids = records.table["sample_id"].iloc[shown].tolist()
    pictures = {tile.sample_id: tile for tile in tiles(records.run, records.rule, ids)}
    columns = list(dict.fromkeys([*TILE_COLUMNS, *({sort} & set(records.table))]))
    items = [
        tile_item(row, pictures[row["sample_id"]], sort, opinions.get(row["sample_id"]))
        for row in records.table[columns].iloc[shown].to_dict(orient="records")
    ]
    components.gallery(items, key="gallery", on_open=state.open_case, selected=st.session_state.get("last_case"))


def table_of_selection(records: Records, order: np.ndarray, opinions: Mapping[str, Opinion]) -> pd.DataFrame:
    """Return the records of an order with what the page shows of them: scores, chance levels, calls and verdicts."""
    table = records.table.iloc[order].drop(columns=["image_hash"])
    ids = table["sample_id"]
    verdict = [opinions[i].verdict if i in opinions else "" for i in ids]
    tags = [";".join(opinions[i].tags) if i in opinions else "" for i in ids]
    note = [opinions[i].note if i in opinions else "" for i in ids]
    return table.assign(threshold=records.threshold, region_rule=records.rule, verdict=verdict, tags=tags, note=note)


def tile_item(row: dict, tile: Tile, sort: str, opinion: Opinion | None) -> dict:
    """Return what the gallery draws of a record: a row of the table, its picture, the score shown, what was said."""
    label, called = _text(row["label"]), _text(row["called"])
    score = sort if sort in row and isinstance(row[sort], float) else SCORE_NAMES[0]
    value = f"{row[score]:.2f}" if not np.isnan(row[score]) else "no score"
    return {
        "id": row["sample_id"],
        "src": tile.src,
        "width": tile.width,
        "height": tile.height,
        "truth": tile.truth,
        "explanation": tile.explanation,
        "label": label,
        "called": called,
        "outcome": row["outcome"],
        "score": value,
        "verdict": SYMBOLS.get(opinion.verdict, "") if opinion else "",
        "alt": f"{row['sample_id']}: label {label or 'unknown'}, called {called or 'nothing'} with confidence "
        f"{row['confidence']:.2f}; {title_of(score)} {value}"
        + (f"; verdict {VERDICTS[opinion.verdict].title}" if opinion and opinion.verdict else ""),
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def downloads(records: Records, order: np.ndarray, opinions: Mapping[str, Opinion]) -> None:
    """Draw the buttons that hand out the records that pass as a file."""
    menu = st.popover("Download", icon=":material/download:", key="download", on_change="rerun")
    if not menu.open:
        return
    with menu:
        st.caption(f"The {len(order):,} records that pass, in this order, with scores, chance levels and verdicts.")
        name = f"{records.run.settings['method']}-{records.run.settings['target']}"

        def as_csv() -> str:
            return table_of_selection(records, order, opinions).to_csv(index=False)

        def as_parquet() -> bytes:
            sink = io.BytesIO()
            table_of_selection(records, order, opinions).to_parquet(sink, index=False)
            return sink.getvalue()

        st.download_button("CSV", as_csv, f"{name}.csv", "text/csv", key="csv", on_click="ignore", width="stretch")
        st.download_button(
            "Parquet",
            as_parquet,
            f"{name}.parquet",
            "application/octet-stream",
            key="parquet",
            on_click="ignore",
            width="stretch",
        )

"""The filters beside the gallery: presets, choices, ranges."""

from __future__ import annotations

import streamlit as st

from xai_core.review.leads import missed, missed_title
from xai_core.review.linked import bins_of
from xai_core.review.presets import figures
from xai_core.review.queries import UNREVIEWED, Among, Query
from xai_core.review.records import Records, once
from xai_core.review.verdicts import VERDICTS
from xai_core.review.words import HELP, PATTERN_TITLES, help_of, title_of, value_of
from xai_core.runs.store import Run
from xai_core.scores.patterns import MEANING, PATTERNS
from xai_core.ui import state
from xai_core.ui.top_bar import scored_rules

FEW = 4
FIRST = ("label", "called", "outcome", "pattern", "judged")


def filters(records: Records) -> Query:
    """Return the query that presets, choices and ranges make up; draws them."""
    with st.sidebar:
        _presets(records)
        _figures(records)
        choices = state.choice_columns(records)
        for column in (name for name in FIRST if name in choices):
            _choice(records, column)
        _verdict_choice()
        with st.expander("More filters", key="more_filters"):
            _rule(records.run)
            for column in (name for name in choices if name not in FIRST):
                _choice(records, column)
        with st.expander("Exact ranges", key="exact_ranges"):
            for column in state.range_columns(records):
                _range(records, column)
        st.button(
            "Clear all filters",
            key="clear",
            icon=":material/filter_alt_off:",
            width="stretch",
            on_click=state.apply,
            args=(records, Query()),
        )
    return state.query_of(records)


def _presets(records: Records) -> None:
    if records.positive is not None:
        st.button(
            missed_title(records),
            key="missed",
            type="primary",
            width="stretch",
            on_click=state.apply,
            args=(records, missed(records)),
            help="The missed ones, lowest explanation coverage first.",
        )
    patterns = st.popover(
        "Eight patterns", icon=":material/category:", width="stretch", key="patterns", on_change="rerun"
    )
    if not patterns.open:
        return
    with patterns:
        tally = _tally(records)
        for key, pattern in PATTERNS.items():
            query = Query({"pattern": Among((key,))}, pattern.sort, pattern.descending)
            st.button(
                f"{pattern.title} ({tally.get(key, 0)})",
                key=f"preset_{key}",
                width="stretch",
                on_click=state.apply,
                args=(records, query),
            )
            st.caption(MEANING[key])


@once
def _tally(records: Records) -> dict[str, int]:
    return records.table["pattern"].value_counts().to_dict()


def _figures(records: Records) -> None:
    found = figures(records)
    if not found:
        return
    article = st.popover(
        "Figures of the article", icon=":material/auto_stories:", width="stretch", key="figures", on_change="rerun"
    )
    if not article.open:
        return
    with article:
        st.caption("What Shared Interest (Boggust et al., VISxAI 2020) showed on its own data, asked of this run.")
        for figure in found:
            st.button(
                f"Figure {figure.number}",
                key=f"figure_{figure.number}",
                width="stretch",
                on_click=state.apply,
                args=(records, figure.query),
            )
            st.caption(f"Seen there: {figure.seen}")


def _choice(records: Records, column: str) -> None:
    options = list(bins_of(records, column).categories)
    if column == "pattern":
        options = [key for key in PATTERN_TITLES if key in options]
    state.keep_known(column, options)
    named = {value: value_of(column, value) for value in options}
    settings = {"format_func": named.get, "key": column, "bind": state.BOUND, "help": help_of(column)}
    if len(options) <= FEW:
        st.pills(title_of(column), options, selection_mode="multi", on_change=state.first_page, **settings)
    else:
        st.multiselect(title_of(column), options, on_change=state.first_page, placeholder="All", **settings)


def _verdict_choice() -> None:
    titles = {key: verdict.title for key, verdict in VERDICTS.items()} | {UNREVIEWED: "Not reviewed"}
    st.multiselect(
        "Verdict",
        list(titles),
        format_func=titles.get,
        key="verdict",
        bind=state.BOUND,
        on_change=state.first_page,
        placeholder="All",
        help=HELP["verdict"],
    )


def _rule(run: Run) -> None:
    st.selectbox(
        "Region rule",
        scored_rules(run),
        key="rule",
        bind=state.BOUND,
        help=HELP["region_rule"] + " Another rule is scored when it is first chosen.",
    )


def _range(records: Records, column: str) -> None:
    low, high, step = state.span_of(records, column)
    state.keep_inside(column, low, high)
    st.slider(
        title_of(column),
        low,
        high,
        (low, high),
        step,
        key=column,
        bind=state.BOUND,
        on_change=state.first_page,
        help=help_of(column),
    )

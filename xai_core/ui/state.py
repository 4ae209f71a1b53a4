"""What is chosen, and its place in the URL: filters, order, operating point, run and case.

Widgets hold the filters and put them into the URL themselves (``bind="query-params"``); a chart or a preset changes
them by writing the widgets' keys. The run and the case have no such widget: they are read from the URL and written
to it here.
"""

from __future__ import annotations

import streamlit as st

from xai_core.review.linked import MOST_CATEGORIES, Bins, bins_of
from xai_core.review.queries import Among, Condition, Query, Range
from xai_core.review.records import Records, once
from xai_core.review.words import title_of, value_of
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.ui import unheard

BOUND = "query-params"
CHOICES = ("label", "called", "outcome", "pattern", "split", "target", "speaks_for", "missing", "judged")
RANGES = (*SCORE_NAMES, "confidence", "positive_probability")
KEPT = ("at", "threshold", "rule", "judge")
LOWEST, HIGHEST = "Lowest first", "Highest first"
PER_PAGE = (24, 60, 120)
MOST_SEARCHABLE = 200


@once
def metadata_columns(records: Records) -> list[str]:
    """Return the metadata columns that differ between records."""
    return [name for name in records.table if name.startswith("meta_") and records.table[name].nunique() > 1]


@once
def choice_columns(records: Records) -> list[str]:
    """Return the columns that are filtered by choosing values."""
    fixed = [name for name in CHOICES if name in records.table and records.table[name].nunique() > 1]
    return fixed + [
        name
        for name in metadata_columns(records)
        if (bins := bins_of(records, name)).categories and len(bins) <= MOST_SEARCHABLE
    ]


@once
def range_columns(records: Records) -> list[str]:
    """Return the columns that are filtered by a range."""
    fixed = [name for name in RANGES if name in records.table and records.table[name].notna().any()]
    return fixed + [name for name in metadata_columns(records) if not bins_of(records, name).categories]


@once
def sort_columns(records: Records) -> list[str]:
    """Return the columns that the gallery can be sorted by."""
    first = [*SCORE_NAMES, *(f"excess_{name}" for name in SCORE_NAMES), "confidence", "positive_probability"]
    more = [
        "stability",
        "explanation_area",
        "annotation_area",
        "judge_score",
        "label",
        "called",
        "sample_id",
        "position",
    ]
    there = [name for name in [*first, *more] if name in records.table and records.table[name].notna().any()]
    return [*there, "verdict", *metadata_columns(records)]


@once
def chart_columns(records: Records) -> list[str]:
    """Return the columns that the fourth histogram can show."""
    numbers = ["confidence", "positive_probability", "stability", "explanation_area", "annotation_area"]
    numbers += ["pointing_game", "energy_inside"]
    there = [name for name in numbers if name in records.table and records.table[name].notna().any()]
    small = [name for name in metadata_columns(records) if len(bins_of(records, name)) <= 2 * MOST_CATEGORIES]
    return there + small


@once
def span_of(records: Records, column: str) -> tuple[float, float, float]:
    """Return lowest value, highest value and step of a range filter; its ends are those of the histogram's bins."""
    edges = bins_of(records, column).edges
    return edges[0], edges[-1], 0.01 if edges[-1] <= 1 else (edges[1] - edges[0]) / 5


def query_of(records: Records) -> Query:
    """Return the query that the widgets hold at present."""
    state = st.session_state
    conditions: dict[str, Condition] = {}
    for column in (*choice_columns(records), "verdict"):
        if state.get(column):
            conditions[column] = Among(tuple(state[column]))
    for column in range_columns(records):
        low, high, _ = span_of(records, column)
        chosen = state.get(column, (low, high))
        if tuple(chosen) != (low, high):
            conditions[column] = Range(*chosen, closed=chosen[1] >= high)
    return Query(conditions, state.get("sort", SCORE_NAMES[0]), state.get("order", LOWEST) == HIGHEST)


def choose(records: Records, column: str, condition: Condition | None) -> None:
    """Set one filter, or lift it, from a callback.

    A lifted one is set to what lets every record pass: were its key removed, the URL would give the old value back.
    """
    if condition is None:
        ranged = column in records.table and bins_of(records, column).edges
        chosen = span_of(records, column)[:2] if ranged else []
    elif isinstance(condition, Among):
        chosen = list(condition.values)
    else:
        chosen = (round(condition.low, 6), round(condition.high, 6))
    unheard.write(column, chosen)
    first_page()


def first_page() -> None:
    """Go back to the first page of the gallery, from a callback."""
    unheard.write("page", 1)


def apply(records: Records, query: Query) -> None:
    """Set the filters and the order to those of a query, and no others, from a callback."""
    for column in (*choice_columns(records), *range_columns(records), "verdict"):
        choose(records, column, query.conditions.get(column))
    unheard.write("sort", query.sort)
    unheard.write("order", HIGHEST if query.descending else LOWEST)
    close_case()


def parameters_of(records: Records, query: Query) -> dict[str, str | list[str]]:
    """Return the URL parameters under which the page shows a query, the run and the operating point as they are."""
    values: dict[str, str | list[str]] = {"run": st.query_params.get("run", "")}
    # what a widget has put into the URL is no longer among the parameters once it is drawn
    held = {name: st.session_state.get(name) or st.query_params.get(name) for name in KEPT}
    values |= {name: str(value) for name, value in held.items() if value}
    for column, condition in query.conditions.items():
        if isinstance(condition, Among):
            values[column] = [value_of(column, value) for value in condition.values]
        else:
            values[column] = [f"{condition.low:g}", f"{condition.high:g}"]
    values["sort"] = title_of(query.sort)
    if query.descending:
        values["order"] = HIGHEST
    return values


def keep_known(column: str, options: list) -> None:
    """Drop from a filter what the present run does not have, before its widget is drawn."""
    chosen = st.session_state.get(column)
    if chosen and not set(chosen) <= set(options):
        st.session_state[column] = [value for value in chosen if value in options]


def keep_inside(column: str, low: float, high: float) -> None:
    """Lift a range that the present run's values do not hold, before its widget is drawn."""
    chosen = st.session_state.get(column)
    if chosen and not low <= chosen[0] <= chosen[1] <= high:
        del st.session_state[column]


def bins_condition(bins: Bins, first: int | None, last: int | None) -> Condition | None:
    """Return the condition that a brush over a histogram means, None for a cleared one."""
    return None if first is None or last is None else bins.condition(first, last)


def open_case(sample_id: str) -> None:
    """Show a record in the gallery's place, from a callback."""
    st.query_params["case"] = sample_id


def close_case() -> None:
    """Go back to the gallery, from a callback; the record that was open is marked there."""
    st.session_state["last_case"] = st.query_params.pop("case", st.session_state.get("last_case"))


def present_case(records: Records) -> str | None:
    """Return the id of the record that is open; an id that the run does not have is dropped from the URL."""
    sample_id = st.query_params.get("case")
    if sample_id is not None and records.position(sample_id) is None:
        del st.query_params["case"]
        return None
    return sample_id

"""The comparison in pictures: which samples moved, and the maps of all runs on one sample, side by side."""

from __future__ import annotations

import streamlit as st

from xai_core.errors import BadInput
from xai_core.release.movers import LISTS, MOVED
from xai_core.review.case import case_of
from xai_core.review.records import Records
from xai_core.review.tiles import tiles
from xai_core.review.words import reasons
from xai_core.ui import components, library, state
from xai_core.ui.compare_view import Chosen, rule_of, thresholds_of
from xai_core.ui.gallery_view import tile_item
from xai_core.ui.page import EXPLORE

TITLES = {"kept_off": "Moved off", "kept_on": "Moved on", "lost": "Newly wrong", "won": "Newly right"}
MOST = 24


def mover_lists(records: Records, chosen: Chosen, found: dict) -> None:
    """Draw one of the four lists of samples that moved, as two galleries: in the baseline and in another run."""
    st.subheader("Samples that moved", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", key="mover_controls"):
        place = _choose_against(chosen)
        moved = found["against"][place]["movers"]
        name = st.segmented_control(
            "List",
            list(LISTS),
            default="kept_off",
            required=True,
            format_func=TITLES.get,
            key="list",
            bind=state.BOUND,
        )
    st.caption(
        f"**{LISTS[name]}: {len(moved[name])}.** "
        + "".join(f"{TITLES[key]} {len(moved[key])}. " for key in LISTS if key != name)
        + f"Moved: explanation coverage above chance changed by {MOVED:g} or more. {moved['stayed']} "
        "samples right in both moved by less"
        + (f"; of {reasons(moved['undefined'])} no change is known." if moved["undefined"] else ".")
    )
    ids = [entry["id"] for entry in moved[name]][:MOST]
    if len(moved[name]) > MOST:
        st.caption(f"The first {MOST} of {len(moved[name])}, the furthest moved first.")
    thresholds = thresholds_of(records, (library.shorten(records.run.folder), chosen.others[place]))
    sides = (records.run, library.run_of(chosen.others[place]))
    for column, run, at, title in zip(
        st.columns(2), sides, thresholds, (chosen.names[0], chosen.names[place + 1]), strict=True
    ):
        with column:
            st.markdown(f"**{title}**")
            shown = records if run is records.run else library.records_of(run, rule_of(records), at)
            key = f"moved_{'before' if run is records.run else 'now'}"
            components.gallery(
                _items(shown, ids), key=key, on_open=state.open_case, selected=state.present_case(records)
            )


def strips(records: Records, chosen: Chosen, found: dict) -> None:
    """Draw samples with the maps of all runs side by side: the one opened, and a matched triplet of the review set."""
    sample_id = state.present_case(records)
    triplets = found["review_set"]["triplets"] if found["review_set"] else []
    if sample_id is None and not triplets:
        st.caption("Open a picture to see the maps of all runs on it, side by side.")
        return
    st.subheader("Side by side", anchor=False)
    st.caption("Each map is divided by the 99th percentile of its run, for units differ between classifiers.")
    if sample_id is not None:
        _strip(records, chosen, sample_id, "opened")
        with st.container(horizontal=True, key="compare_links"):
            for folder, name in zip((library.shorten(records.run.folder), *chosen.others), chosen.names, strict=True):
                parameters = {"run": folder, "case": sample_id}
                st.page_link(EXPLORE, label=f"In Explore: {name}", query_params=parameters, icon=":material/search:")
    if triplets:
        failures = [triplet[0] for triplet in triplets]
        state_of = dict(zip(failures, triplets, strict=True))
        if st.session_state.get("triplet") not in (None, *failures):
            del st.session_state["triplet"]
        asked = st.selectbox("A failure with its nearest cases", failures, key="triplet", bind=state.BOUND, width=330)
        for item, stratum in zip(state_of[asked], ("Failure", "Easy", "Borderline"), strict=True):
            st.markdown(f"**{stratum}** · {item}")
            _strip(records, chosen, item, stratum)


def _choose_against(chosen: Chosen) -> int:
    """Return which of the other runs the lists are about."""
    if len(chosen.others) == 1:
        return 0
    names = list(chosen.names[1:])
    if st.session_state.get("against") not in (None, *names):
        del st.session_state["against"]
    asked = st.segmented_control(
        "In", names, default=names[0], required=True, key="against", bind=state.BOUND, help="Against the baseline."
    )
    return names.index(asked)


def _items(records: Records, ids: list[str]) -> list[dict]:
    places = [records.position(sample_id) for sample_id in ids]
    rows = records.table.iloc[places].to_dict(orient="records")
    pictures = tiles(records.run, records.rule, ids)
    return [
        tile_item(row, picture, "excess_explanation_coverage", None)
        for row, picture in zip(rows, pictures, strict=True)
    ]


def _strip(records: Records, chosen: Chosen, sample_id: str, key: str) -> None:
    """Draw one sample with the map of each run, every panel under the name of its classifier."""
    runs = [records.run, *(library.run_of(folder) for folder in chosen.others)]
    try:
        shown = dict(_case(sample_id, tuple(str(run.folder) for run in runs), records.rule))
    except BadInput as error:
        st.error(str(error))
        return
    names = {run.manifest["content_digest"][:16]: name for run, name in zip(runs, chosen.names, strict=True)}
    shown["panels"] = [panel | {"title": names[panel["key"]]} for panel in shown["panels"]]
    shown.pop("note")
    components.viewer(shown, key=f"strip_{key}")


@st.cache_data(max_entries=24, show_spinner=False)
def _case(sample_id: str, folders: tuple[str, ...], rule: str) -> dict:
    first, *others = (library.run_of(folder) for folder in folders)
    return case_of(first, sample_id, others, rule).viewer

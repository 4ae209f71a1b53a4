"""What stands at the top of every page: the run, and the operating point with its ROC curve."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from xai_core.errors import BadInput
from xai_core.review.records import Records
from xai_core.review.words import HELP
from xai_core.runs.store import Run
from xai_core.ui import library
from xai_core.ui.state import BOUND, close_case

if TYPE_CHECKING:
    import altair as alt

HALF, SENSITIVITY_95, OWN = "0.5", "Sensitivity 0.95", "Own"


def top_bar() -> Records:
    """Return the records of the run chosen, at the operating point chosen; draws both controls."""
    folder = _asked()
    with st.container(horizontal=True, vertical_alignment="bottom", key="top_bar"):
        run = _choose_run(folder)
        threshold = _choose_threshold(run)
        rule = st.query_params.get("rule") or None
        rule = rule if rule in scored_rules(run) else None
        records = library.records_of(run, rule, threshold, library.judge_of(run))
        if records.positive is not None:
            curve = st.popover("ROC", icon=":material/show_chart:", key="roc", on_change="rerun")
            if curve.open:
                curve.altair_chart(_roc_chart(records), width=420)
    if caveat := library.mark_of(run):
        st.warning(f"{caveat[0].upper()}{caveat[1:]}.", icon=":material/warning:")
    recalled = records.recalled()
    if recalled:
        st.caption(
            f"{recalled} of {len(records)} records are called otherwise than when they were explained: their map "
            f"speaks for the call at {run.settings['threshold']:g}."
        )
    return records


def scored_rules(run: Run) -> list[str]:
    """Return the region rules that a run can be scored by: its own first."""
    own = run.settings["region_rule"]
    more = ["half", "mean_std:1", "top_share:0.2"]
    return list(dict.fromkeys([own, *([] if run.settings["method"] != "lime" else ["top_segments:5"]), *more]))


def _asked() -> str:
    """Return the folder of the run that the URL, or else the session, names; the first there is where neither does."""
    known = library.folders()
    asked = st.query_params.get("run") or st.session_state.get("run_folder")
    try:
        folder = asked or next(iter(known))
        library.run_of(folder)
    except (BadInput, OSError) as error:
        st.error(f"This run cannot be opened. {error}")
        folder = next(iter(known))
    st.session_state["run_folder"] = folder
    if st.query_params.get("run") != folder:
        st.query_params["run"] = folder
    return folder


def _choose_run(folder: str) -> Run:
    options = list(dict.fromkeys([*library.folders(), folder]))
    st.session_state["run_choice"] = folder
    st.selectbox("Run", options, format_func=_names(options).get, key="run_choice", on_change=_switch, width=430)
    return library.run_of(folder)


def _names(folders: list[str]) -> dict[str, str]:
    """Return what each run is called in the list; those of one name by their folder too, or one could not be chosen."""
    runs = {folder: library.run_of(folder) for folder in folders}
    names = {folder: f"{library.title_of_run(run)} · {library.subject_of_run(run)}" for folder, run in runs.items()}
    tally = Counter(names.values())
    return {folder: name if tally[name] == 1 else f"{name} · {folder}" for folder, name in names.items()}


def _switch() -> None:
    st.query_params["run"] = st.session_state["run_folder"] = st.session_state["run_choice"]
    close_case()


def _choose_threshold(run: Run) -> float | None:
    """Return the operating point; None where no class is positive and there is nothing to choose."""
    if run.settings["positive"] is None:
        return None
    points = run.settings.get("operating_points", {})
    options = [HALF, *([SENSITIVITY_95] if "sensitivity_95" in points else []), OWN]
    if st.session_state.get("at") not in (None, *options):
        del st.session_state["at"]
    _take_along("at")
    chosen = st.segmented_control(
        f"Called {run.settings['positive']} from",
        options,
        default=HALF,
        required=True,
        key="at",
        bind=BOUND,
        help=HELP["operating_point"] + " Sensitivity 0.95: the threshold that reached it on validation data.",
    )
    if chosen != HALF and "at" not in st.query_params:
        st.rerun()  # the URL learns what was taken along in the second drawing only
    if chosen == OWN:
        _take_along("threshold")
        return st.slider("Threshold", 0.0, 1.0, 0.5, 0.01, key="threshold", bind=BOUND, width=220)
    threshold = points["sensitivity_95"] if chosen == SENSITIVITY_95 else 0.5
    st.badge(f"p ≥ {threshold:.3g}", color="gray")
    return threshold


def _take_along(key: str) -> None:
    """Keep what a widget holds when a link has led here: a parameter that was bound on the page before is dropped."""
    if key in st.session_state:
        st.session_state[key] = st.session_state[key]


def _roc_chart(records: Records) -> alt.LayerChart:
    """Return the ROC curve of the labelled records, with the present operating point on it."""
    import altair as alt
    import pandas as pd
    from sklearn.metrics import roc_curve

    labelled = (records.table["outcome"] != "unknown").to_numpy()
    truth = (records.table["label"] == records.positive).to_numpy()[labelled]
    probability = records.rank("positive_probability")[labelled]
    x, y = alt.X("alarm:Q", title="1 - specificity"), alt.Y("sensitivity:Q", title="Sensitivity")
    if truth.all() or not truth.any():
        return alt.layer(alt.Chart(pd.DataFrame({"alarm": [], "sensitivity": []})).mark_line().encode(x=x, y=y))
    alarm, sensitivity, _ = roc_curve(truth, probability)
    keep = np.unique(np.linspace(0, len(alarm) - 1, 200).astype(int))
    curve = pd.DataFrame({"alarm": alarm[keep], "sensitivity": sensitivity[keep]})
    called = probability >= records.threshold
    here = pd.DataFrame({"alarm": [called[~truth].mean()], "sensitivity": [called[truth].mean()]})
    line = alt.Chart(curve).mark_line().encode(x=x, y=y)
    point = alt.Chart(here).mark_point(size=160, filled=True, color="#D55E00").encode(x=x, y=y)
    text = point.mark_text(align="left", dx=12, dy=6).encode(
        text=alt.value(f"sensitivity {here.sensitivity[0]:.2f}, specificity {1 - here.alarm[0]:.2f}")
    )
    return alt.layer(line, point, text).properties(height=260)

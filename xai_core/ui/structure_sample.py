"""One sample on the screen: why the network looks where it does, step by step, and where the same was learned."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from xai_core.ui import components
from xai_core.ui.page import escaped
from xai_core.ui.structure_data import Shown, why
from xai_core.ui.structure_strips import SAMPLE, carrier, open_sample, over_time


def choose_sample(shown: Shown) -> None:
    """Draw the field in which a sample is named, and the sample that is open."""
    st.subheader("Why does it look there?", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", key="sample_controls"):
        st.text_input(
            "Sample", key="named", width=330, placeholder=f"its name, such as {shown.ids[0]}", on_change=_open_named
        )
    st.caption(
        "Or press any picture on this page: step by step, what its evidence lay on, and where the same was learned."
    )
    sample_id = st.query_params.get(SAMPLE)
    if sample_id is None:
        return
    if shown.row_of(sample_id) is None:
        del st.query_params[SAMPLE]
        st.info(f"The track has no sample of the name {escaped(sample_id)}.")
        return
    st.dialog("Why does it look there?", width="large", on_dismiss=_close)(_sample)(shown)


def _open_named() -> None:
    if name := st.session_state["named"].strip():
        open_sample(name)
    st.session_state["named"] = ""


def _close() -> None:
    st.query_params.pop(SAMPLE, None)


def _sample(shown: Shown) -> None:
    """Draw the sample that the URL names; a witness that is pressed takes its place."""
    found = why(shown, st.query_params[SAMPLE])
    row = shown.row_of(found["sample"])
    label = found["label"] or "none"
    st.markdown(
        f"**{escaped(found['sample'])}** · label {escaped(label)}, called {escaped(found['called'])}. "
        f"All figures speak of {escaped(found['speaks_of'])}."
    )
    st.caption("Below each picture: updates of the network so far, and its confidence then.")
    label = shown.names.index(found["speaks_of"])
    over_time(shown, [(row, "Where its evidence lay", "")], st.session_state["unit"], label, None, "sample_maps")
    with st.expander("Which prototypes held the evidence", key="evidence"):
        st.dataframe([_evidence(each) for each in found["checkpoints"]], hide_index=True, height="content")
    st.markdown(f"**What moved its confidence in {escaped(found['speaks_of'])}**")
    st.dataframe([_step(each) for each in found["steps"]], hide_index=True, height="content")
    st.caption(
        "Accounted: by the fitted effects of the step times the rise of the image's own intensities. A fit to groups "
        "of images accounts for a single one only roughly: where it is far from what moved, believe what moved."
    )
    st.markdown("**On which training images the same was learned**")
    st.caption(found["honest"])
    lessons = [_lesson(shown, row, each) for each in found["lessons"]]
    components.strips({"rows": lessons, "scale": None}, key="lessons", on_open=open_sample)


def _evidence(entry: Mapping) -> dict:
    held = ", ".join(
        f"{each['prototype']}: {each['evidence']:.0%} on {each['places']:.0%} of the places"
        for each in entry["prototypes"]
    )
    return {
        "Checkpoint": f"{entry['step']:,}",
        "Confidence": f"{entry['confidence']:.3f}",
        "Mean Grad-CAM": f"{entry['mean_intensity']:.3g}",
        "Prototype: share of the evidence": held or "a heatmap of zeros",
    }


def _step(entry: Mapping) -> dict:
    row = {"Step": f"{entry['from']:,} to {entry['to']:,}", "Moved": f"{entry['moved']:+.3f}"}
    if entry["skipped"]:
        nothing = dict.fromkeys(("Accounted, raw", "Accounted, normalised"), "-")
        return row | nothing | {"Prototype: confidence it moved, raw": f"skipped: {entry['skipped']}"}
    parts = ", ".join(f"{each['prototype']}: {each['raw']:+.3f}" for each in entry["prototypes"])
    return row | {
        "Accounted, raw": f"{entry['accounted']['raw']:+.3f}",
        "Accounted, normalised": f"{entry['accounted']['normalised']:+.3f}",
        "Prototype: confidence it moved, raw": parts or "none",
    }


def _lesson(shown: Shown, row: int, lesson: Mapping) -> dict:
    """Return a row of pictures: the sample, then those on which the same step can be seen to do the same."""
    k = lesson["prototype"]
    text = f"{lesson['evidence']:.0%} of its final evidence; "
    if lesson["from"] is None:
        text += "in no step it surely spoke for the class"
    else:
        text += f"spoke most in steps {lesson['from']:,} to {lesson['to']:,} (pull {lesson['pull']:+.2f})"
        text += "; seen there too in" if lesson["witnesses"] else "; no other image of the class shows it"
    tiles = [carrier(shown, row, k, "this image")]
    tiles += [
        carrier(shown, shown.row_of(each["sample"]), k, f"rose by {each['moved']:+.2f}", each["sample"])
        for each in lesson["witnesses"]
    ]
    return {"title": f"Prototype {k}", "text": text, "badge": "", "claimed": True, "tiles": tiles}

"""Evidence on request: causal checks of one record, and the cases nearest to it by the classifier's features."""

from __future__ import annotations

import numpy as np
import streamlit as st

from xai_core import jobs
from xai_core.errors import BadInput
from xai_core.review.again import checks_of, classifier_of
from xai_core.review.neighbours import FILE, KINDS, nearest
from xai_core.review.records import Records
from xai_core.review.tiles import tiles
from xai_core.ui import components, library, state
from xai_core.ui.gallery_view import tile_item

KIND_TITLES = {"correct": "Nearest right call", "borderline": "Nearest close call", "failed": "Nearest wrong call"}


def causal_checks(records: Records, sample_id: str) -> None:
    """Draw what the classifier answers with regions taken out of the image, once it is asked for."""
    with st.expander("Causal checks: what does the answer rest on?", key="causal_checks"):
        st.caption(
            "The classifier is asked again with a part of the image replaced, once by a blur and once by the mean "
            "colour of what is kept. Where the two fills disagree, the answer speaks of the fill."
        )
        st.button("Ask the classifier", key="ask", icon=":material/science:", on_click=_ask, args=(sample_id,))
        if st.session_state.get("asked") != sample_id:
            return
        try:
            found = _checks(str(records.run.folder), records.run.manifest["content_digest"], sample_id, records.rule)
        except BadInput as error:
            st.error(str(error))
            return
        st.dataframe([_check_row(records, check) for check in found], hide_index=True, height="content")


def _ask(sample_id: str) -> None:
    st.session_state["asked"] = sample_id


def nearest_cases(records: Records, sample_id: str) -> None:
    """Draw the nearest right, close and wrong call, once the features of the run are there."""
    place = st.expander("Nearest cases: what does the classifier take it for?", key="nearest_cases", on_change="rerun")
    if not place.open:
        return
    with place:
        st.caption(
            "Records whose images the classifier sees most alike: cosine of what enters its last layer, the run's mean "
            "taken off. A close call is one within 0.1 of the threshold, whichever way it went."
        )
        if not (records.run.folder / FILE).exists():
            _offer_features(records)
            return
        try:
            found = nearest(records.run, records.table, sample_id, 2, records.threshold)
        except BadInput as error:
            st.error(str(error))
            return
        for place, kind in zip(st.columns(3), KINDS, strict=True):
            with place:
                st.markdown(f"**{KIND_TITLES[kind]}**")
                if found[kind].reason:
                    st.caption(f"None: {found[kind].reason}.")
                    continue
                st.caption("similarity " + ", ".join(f"{case.similarity:.2f}" for case in found[kind].cases))
                _pictures(records, kind, [case.sample_id for case in found[kind].cases])


def _pictures(records: Records, kind: str, ids: list[str]) -> None:
    rows = [records.table.iloc[records.position(sample_id)].to_dict() for sample_id in ids]
    pictures = tiles(records.run, records.rule, ids)
    items = [tile_item(row, tile, "explanation_coverage", None) for row, tile in zip(rows, pictures, strict=True)]
    components.gallery(items, key=f"nearest_{kind}", on_open=state.open_case)


def _offer_features(records: Records) -> None:
    folder = library.shorten(records.run.folder)
    running = [job for job in jobs.all() if job.state == "running" and job.arguments[:2] == ("prepare", folder)]
    if running:
        st.info("The features of this run are being computed; see Jobs.")
        st.button("Look again", key="look_again")
    elif st.button("Compute the features of this run", key="compute_features", icon=":material/hub:"):
        jobs.start(["prepare", folder], f"Features and pictures of {library.title_of_run(records.run)}")
        st.rerun()


def _check_row(records: Records, check) -> dict:
    from xai_core.probes.causal import CHECKS, FILLS, REASONS

    row = {"What is shown": CHECKS[check.name], "The rest": FILLS.get(check.fill, "")}
    if check.probabilities is None:
        return row | {"Answer": f"not possible: {REASONS[check.reason]}"}
    names = records.run.settings["class_names"]
    shown = records.positive or names[int(np.argmax(check.probabilities))]
    probability = float(check.probabilities[names.index(shown)])
    return row | {"Answer": f"{shown} {probability:.3f}", "Replaced": f"{check.removed or 0:.0%}"}


@st.cache_data(max_entries=200, show_spinner="Asking the classifier ...")
def _checks(folder: str, digest: str, sample_id: str, rule: str) -> list:
    return checks_of(library.run_of(folder), sample_id, rule, _classifier(folder, digest))


@st.cache_resource(max_entries=1, show_spinner="Loading the classifier ...")
def _classifier(folder: str, digest: str):
    return classifier_of(library.run_of(folder))

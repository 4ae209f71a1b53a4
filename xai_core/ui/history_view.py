"""The archive on the page: its versions, one against another, and one sample through all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from xai_core.release import trust
from xai_core.release.archive import Archive
from xai_core.release.archive_diff import diff, sentences
from xai_core.release.archive_entry import RUN, Entry
from xai_core.review.case import case_of
from xai_core.review.records import Records, join
from xai_core.review.tiles import tiles
from xai_core.review.words import estimate, title_of
from xai_core.runs.store import Run
from xai_core.runs.summary import summarise
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.ui import components, state
from xai_core.ui.gallery_view import tile_item

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

HOME = Path("archive")
SAME = ("dataset", "split", "target", "positive")
MOST = 24
DIGITS = 12


def versions_of(records: Records) -> list[Entry]:
    """Return the archived runs over the same samples and for the same target, oldest first."""
    settings = records.run.settings
    return [
        entry
        for entry in archive().entries()
        if entry.kind == RUN and all(entry.about.get(name) == settings[name] for name in SAME)
    ]


def archive() -> Archive:
    """Return the archive of this working directory."""
    return Archive(HOME.absolute())


def keep(records: Records, versions: Sequence[Entry]) -> None:
    """Draw the button that adds the run of the top bar, where it is not there yet."""
    digest = records.run.manifest["content_digest"]
    if any(entry.about.get("content_digest") == digest for entry in versions):
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="keep"):
        note = st.text_input("Note", key="keep_note", placeholder="why this version is kept", width=330)
        if st.button("Add this run to the archive", icon=":material/archive:", key="keep_run"):
            archive().add_run(records.run, note=note)
            st.rerun()


def name_of(entry: Entry) -> str:
    """Return what a version is called: its classifier, its explainer, and the beginning of its key."""
    classifier = entry.about["classifier"].partition("?")[0].rstrip("/").rpartition("/")[2]
    return " · ".join(part for part in (classifier, entry.about["method"], entry.key[:6]) if part)


def _marked(entry: Entry) -> str:
    mark = _mark(str(HOME.absolute()), entry.key)
    return f"{name_of(entry)} ({mark})" if mark else name_of(entry)


def version_table(versions: Sequence[Entry]) -> None:
    """Draw every version with its figures, oldest first."""
    st.subheader("Versions", anchor=False)
    rows = []
    for entry in versions:
        figures = _figures(str(HOME.absolute()), entry.key)
        gate = (entry.about.get("gate") or "not judged").replace("_", " ")
        row = {"Version": name_of(entry), "Added": entry.at[:16].replace("T", " "), "Gate": gate}
        more = {"Records": entry.about["samples"], "Note": entry.note}
        rows.append(row | figures | more | {"Explanations": _mark(str(HOME.absolute()), entry.key)})
    st.dataframe(rows, hide_index=True, height="content")
    st.caption("Figures with 95 % intervals, each version at its own operating point.")


def choose_pair(versions: Sequence[Entry]) -> tuple[Entry, Entry]:
    """Draw which version is held against which; the last against the one before it by default."""
    names = {entry.key[:DIGITS]: name_of(entry) for entry in versions}
    keys = list(names)
    chosen = []
    with st.container(horizontal=True, key="pair"):
        for key, title, default in (("before", "Before", len(keys) - 2), ("now", "Now", len(keys) - 1)):
            if st.session_state.get(key) not in (None, *keys):
                del st.session_state[key]
            chosen.append(
                st.selectbox(
                    title, keys, default, format_func=names.get, key=key, bind=state.BOUND, width=330, on_change=_forget
                )
            )
    return tuple(versions[keys.index(key)] for key in chosen)


def _forget() -> None:
    st.session_state["sample"] = ""


def against(before: Entry, now: Entry) -> None:
    """Draw what differs between two versions: sentences, groups of cases, and the pictures of what moved most."""
    st.subheader(f"{name_of(now)} against {name_of(before)}", anchor=False)
    found = _diff(str(HOME.absolute()), before.key, now.key)
    st.markdown("\n".join(f"* {line}" for line in sentences(found)))
    if not found["samples"]:
        return
    clusters = [
        {
            "Cases": f"{cluster['stratum']}, labelled {cluster['label']}",
            "Samples": cluster["n"],
            "Called otherwise": cluster["calls_changed"],
            "Overlap of the maps": estimate(*(cluster["overlap"][name] for name in ("value", "low", "high"))),
            "Coverage above chance, change": estimate(
                *(cluster["change"][name] for name in ("value", "low", "high")), sign=True
            ),
        }
        for cluster in found["clusters"]
    ]
    if clusters:
        st.dataframe(clusters, hide_index=True, height="content")
    moved = [row for row in found["samples"] if row["same_target"]][:MOST]
    st.caption(
        f"What moved most, of the samples explained for the same class: the first {len(moved)}, as they are now. "
        "Open one to follow it through all versions."
    )
    shown = _records(str(HOME.absolute()), now.key)
    components.gallery(
        _items(shown, [row["id"] for row in moved]),
        key="moved",
        on_open=_open,
        selected=st.session_state.get("sample"),
    )


def _open(sample_id: str) -> None:
    st.session_state["sample"] = sample_id


def _items(records: Records, ids: list[str]) -> list[dict]:
    rows = records.table.iloc[[records.position(sample_id) for sample_id in ids]].to_dict(orient="records")
    pictures = tiles(records.run, records.rule, ids)
    return [tile_item(row, tile, "excess_explanation_coverage", None) for row, tile in zip(rows, pictures, strict=True)]


def one_sample(versions: Sequence[Entry]) -> None:
    """Draw one sample in every version: its maps side by side, its confidence and its scores."""
    st.subheader("One sample through all versions", anchor=False)
    sample_id = st.text_input(
        "Sample", key="sample", bind=state.BOUND, width=330, placeholder="its name, or open a picture above"
    )
    if not sample_id:
        return
    all_records = [_records(str(HOME.absolute()), entry.key) for entry in versions]
    having = [(e, r) for e, r in zip(versions, all_records, strict=True) if r.position(sample_id) is not None]
    if not having:
        st.info(f"No version has a sample of the name {sample_id}.")
        return
    last, *others = [one.run for _, one in having][::-1]
    viewer = dict(case_of(last, sample_id, others).viewer)
    names = {one.run.manifest["content_digest"][:16]: _marked(entry) for entry, one in having}
    viewer["panels"] = [panel | {"title": names[panel["key"]]} for panel in viewer["panels"][::-1]]
    note = viewer.pop("note")
    st.caption(
        "Oldest first; versions with the same map are drawn once. Each map is divided by the 99th percentile of its "
        f"version, for units differ between classifiers. {note}"
    )
    components.viewer(viewer, key="versions")
    table = _through(having, sample_id)
    st.altair_chart(_lines(table), width="stretch")
    st.dataframe(table.drop(columns="number"), hide_index=True, height="content")


def _through(having: Sequence[tuple[Entry, Records]], sample_id: str) -> pd.DataFrame:
    """Return a row for each version: what it called the sample, how sure it was, and the scores."""
    import pandas as pd

    rows = []
    for number, (entry, records) in enumerate(having, 1):
        row = records.table.iloc[records.position(sample_id)]
        values = {title_of(name): row[name] for name in ("label", "called", "target", "confidence", *SCORE_NAMES)}
        rows.append({"number": number, "Version": name_of(entry), **values})
    return pd.DataFrame(rows)


def _lines(table: pd.DataFrame) -> alt.Chart:
    import altair as alt

    names = [title_of(name) for name in ("confidence", *SCORE_NAMES)]
    values = table.melt(["number", "Version"], names, "Of", "Value").astype({"Value": float})
    return (
        alt.Chart(values)
        .mark_line(point=True)
        .encode(
            x=alt.X("Version:N", sort=alt.SortField("number"), title=None, axis=alt.Axis(labelAngle=0, labelLimit=220)),
            y=alt.Y("Value:Q", scale=alt.Scale(domain=[0, 1]), title=None),
            color=alt.Color("Of:N", sort=names, legend=alt.Legend(orient="top", title=None)),
            strokeDash=alt.StrokeDash("Of:N", sort=names, legend=None),
        )
        .properties(height=220)
    )


@st.cache_resource(max_entries=24, show_spinner="Opening a version ...")
def _run(folder: str, key: str) -> Run:
    return Archive(folder).run(key)


@st.cache_resource(max_entries=24, show_spinner=False)
def _records(folder: str, key: str) -> Records:
    return Records(join(_run(folder, key)))


@st.cache_data(max_entries=50, show_spinner=False)
def _mark(folder: str, key: str) -> str:
    return trust.mark(_run(folder, key))


@st.cache_data(max_entries=50, show_spinner=False)
def _figures(folder: str, key: str) -> dict[str, str]:
    run = _run(folder, key)
    summary = summarise(run)
    metric = summary["metrics"]["accuracy" if run.settings["positive"] is None else "auc"]
    chance = summary["scores"][SCORE_NAMES[0]]["chance"]["random"]
    return {
        "AUC or accuracy": estimate(metric["value"], metric["low"], metric["high"]),
        "Explanation coverage above chance": estimate(chance["excess"], chance["low"], chance["high"], sign=True),
    }


@st.cache_data(max_entries=20, show_spinner="Following every sample from one version to the other ...")
def _diff(folder: str, before: str, now: str) -> dict:
    return diff(_run(folder, before), _run(folder, now))

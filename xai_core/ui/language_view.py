"""What a judge says, on the page: whose opinion it is, what it cost, and the four cells that it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from xai_core import jobs
from xai_core.language import matrix
from xai_core.language.store import Judgements
from xai_core.review.queries import Among, Query
from xai_core.review.records import FOR_OTHER, Records
from xai_core.review.words import JUDGED
from xai_core.runs.store import Run
from xai_core.ui import library, state
from xai_core.ui.job_card import job_card
from xai_core.ui.page import EXPLORE, escaped

if TYPE_CHECKING:
    import pandas as pd

FINDINGS, BLIND = "What the judge says", "Score for yourself"
OUTCOMES = {"correct": "Called right", "wrong": "Called wrong"}
LEVELS = {"high": "Judged high (3 to 5)", "low": "Judged low (0 to 2)"}


@dataclass(frozen=True)
class Said:
    """What one judge said about the run on the page, at its present operating point.

    ``key`` identifies all of it, for what is kept between two drawings.
    """

    judge: str
    judgements: Judgements
    table: pd.DataFrame
    key: tuple


def choose_judge(records: Records) -> Said | None:
    """Return what the judge chosen says; None where nobody has judged the run. Draws the choice where there is one."""
    run, names = records.run, library.judges_of(records.run)
    if not names:
        return None
    judge = library.judge_of(run)
    if len(names) > 1:
        st.session_state["judge_choice"] = judge
        st.selectbox("Judge", names, key="judge_choice", on_change=_switch, width=430)
    found, table = library.judgements_of(run, judge)
    key = (str(run.folder), run.manifest["content_digest"], records.rule, records.threshold, judge)
    return Said(judge, found, table, (*key, found.manifest["sha256"]))


def _switch() -> None:
    st.query_params["judge"] = st.session_state["judge_name"] = st.session_state["judge_choice"]


def choose_part() -> str:
    """Return what the page is for: `FINDINGS` or `BLIND`; draws the choice."""
    return st.segmented_control(
        "Part",
        [FINDINGS, BLIND],
        default=FINDINGS,
        required=True,
        key="part",
        bind=state.BOUND,
        label_visibility="collapsed",
    )


def nobody_yet(run: Run) -> None:
    """Draw in one sentence that nobody has judged the run, and the button that has it judged by measuring."""
    if run.settings["target"] == "label":
        st.info(
            "The maps of this run speak for the label, which no judge may know: choose a run for the predicted class.",
            icon=":material/visibility_off:",
        )
        return
    folder = library.shorten(run.folder)
    arguments = ("judge", folder, "--judge", "measured", "--resume")
    own = [job for job in jobs.all() if tuple(job.arguments) == arguments]
    running = any(job.state == "running" for job in own)
    if not running:
        st.info(
            "Nobody has judged these maps yet. The *measured* judge needs no model and no network: it says in words "
            "what can be measured of each map, and scores it by stated rules.",
            icon=":material/record_voice_over:",
        )
        if st.button("Judge by measuring", type="primary", icon=":material/play_arrow:", key="judge_run"):
            jobs.start(list(arguments), f"Judgement of {folder}")
            st.rerun()

    def progress(polled: bool) -> None:
        found = [job for job in jobs.all() if tuple(job.arguments) == arguments]
        if polled and not (found and found[0].state == "running"):
            st.rerun()
        for job in found[:1]:
            job_card(job)

    st.fragment(progress, run_every="1s" if running else None)(running)


def whose_opinion(records: Records, said: Said) -> None:
    """Draw who says it, what he was shown, how far he got and what it cost."""
    manifest = said.judgements.manifest
    st.markdown(_opinion(manifest))
    counts = manifest["counts"]
    each = manifest["seconds"] / max(1, counts["records"] - counts["unanswered"])
    parts = [
        f"{counts['scored']:,} of {counts['records']:,} records scored",
        f"{counts['undecided']:,} on which it could not tell",
        f"{counts['unreadable']:,} unreadable answers",
        f"{counts['unanswered']:,} unanswered",
        f"{manifest['seconds']:,.0f} s in all, {each:.2g} s each",
    ]
    if manifest["tokens"] is not None:
        parts.append(f"{manifest['tokens']:,} tokens")
    if manifest["cost"] is not None:
        parts.append(f"cost {manifest['cost']:.2f}")
    st.caption(" · ".join(parts))
    other = int((records.table["speaks_for"] == FOR_OTHER).sum())
    if other:
        st.caption(
            f":material/info: {other:,} of {len(records):,} maps speak for another class than the one called: what is "
            "said of them is no reason for the call."
        )


def _opinion(manifest: dict) -> str:
    name = escaped(manifest["judge"]["name"])
    if manifest["judge"]["measures"]:
        return (
            f"This is the opinion of **{name}**, a set of stated rules without any model: what can be measured of each "
            "map in words, and a score of **0** (scattered, or on something else) to **5** (fully on the outlined "
            "region). It knows the outline, and never the label; its score follows from where the evidence lies, and "
            "tells little that explanation coverage does not."
        )
    where = "on another machine" if manifest["judge"]["remote"] else "on this machine"
    return (
        f"This is the opinion of **{name}**, a vision-language model {where}: what it saw in each map (view "
        f"*{manifest['view']['name']}*, prompt *{escaped(manifest['prompt']['name'])}*), and a score of **0** "
        "(scattered) to **5** (fully on the object). It knew the class that the map speaks for, never the label. A "
        "model can be sure and wrong: score some pictures for yourself before you listen to it."
    )


def matrix_section(records: Records, said: Said) -> None:
    """Draw the four cells: was the call right, was its map judged high; each leads to Explore."""
    st.subheader("Right, and for a reason that can be seen?", anchor=False)
    cells = matrix.cells(records.table, said.table)
    decided = sum(cells[name].count for name in matrix.CELLS)
    heads = st.columns([2, 5, 5], gap="small")
    for column, title in zip(heads[1:], LEVELS.values(), strict=True):
        column.markdown(f"**{title}**")
    for outcome, title in OUTCOMES.items():
        row = st.columns([2, 5, 5], gap="small", vertical_alignment="center")
        row[0].markdown(f"**{title}**")
        for column, level in zip(row[1:], LEVELS, strict=True):
            with column:
                _cell(records, f"{outcome}_{level}", cells[f"{outcome}_{level}"].count, decided)
    if undecided := cells[matrix.UNDECIDED].count:
        st.caption(f"{undecided:,} records are in no cell: they have no score, no label, or no answer.")


def _cell(records: Records, name: str, count: int, decided: int) -> None:
    with st.container(border=True, key=f"cell_{name}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader(f"{count:,}", anchor=False)
            query = Query({"judged": Among((name,))})
            st.page_link(EXPLORE, label=f"Show {count:,}", query_params=_address(records, query), disabled=not count)
        share = f" · {count / decided:.0%}" if decided else ""
        st.markdown(f"{JUDGED[name]}{share}")
        st.caption(matrix.MEANINGS[name])


def _address(records: Records, query: Query) -> dict:
    address = state.parameters_of(records, query) | {"run": library.shorten(records.run.folder)}
    return address | {"judge": library.judge_of(records.run)}

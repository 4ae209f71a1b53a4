"""What a judge says, on the page: whose opinion it is, what it cost, and the four cells that it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from xai_core import jobs
from xai_core.language import matrix
from xai_core.language.store import Judgements, folders_of
from xai_core.language.wording import percent
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

    @property
    def scored(self) -> int:
        """Return how many records have a score."""
        return self.judgements.manifest["counts"]["scored"]


def choose_judge(records: Records) -> Said | None:
    """Return what the judge chosen says; None where nobody says anything. Draws the choice, and what is amiss."""
    run, names = records.run, library.judges_of(records.run)
    judge = library.judge_of(run)
    _amiss(run, judge)
    if judge is None:
        return None
    if len(names) > 1:
        st.session_state["judge_choice"] = judge
        st.selectbox("Judge", names, key="judge_choice", on_change=_switch, width=430)
    found, table = library.judgements_of(run, judge)
    key = (str(run.folder), run.manifest["content_digest"], records.rule, records.threshold, judge)
    return Said(judge, found, table, (*key, found.manifest["sha256"]))


def _amiss(run: Run, judge: str | None) -> None:
    """Draw which judgements cannot be read, and that those the URL names are not those shown."""
    damaged, begun = library.damaged_judges(run), [folder.name for folder in folders_of(run)]
    for name, fault in damaged.items():
        st.warning(
            f"The judgements named **{escaped(name)}** cannot be read. {escaped(fault)}.", icon=":material/error:"
        )
    asked = st.query_params.get("judge", "")
    if asked in ("", judge):
        return
    if asked in damaged:
        found = f"Those named **{escaped(asked)}** cannot be read"
    elif asked in begun:
        found = f"The judgements named **{escaped(asked)}** are not finished"
    else:
        found = f"There are no judgements named **{escaped(asked)}**"
    st.warning(f"{found}; shown are those of **{escaped(judge)}**." if judge else f"{found}.")


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
    """Draw in one sentence that there is no judgement to show, and the button that has the run judged by measuring."""
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
        damaged = library.damaged_judges(run)
        found = "There are no other judgements of these maps." if damaged else "Nobody has judged these maps yet."
        st.info(
            f"{found} The *measured* judge needs no model and no network: it says in words what can be measured of "
            "each map, and scores it by stated rules.",
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
    counts, asked = manifest["counts"], len(said.judgements)
    st.markdown(_opinion(manifest, _outlined(records)))
    if not said.scored:
        st.info(_nothing_scored(records, said), icon=":material/rule:")
    each = manifest["seconds"] / max(1, asked - counts["unanswered"])
    parts = [
        f"{counts['scored']:,} of {asked:,} records scored",
        f"{counts['undecided']:,} on which it could not tell",
        f"{counts['unreadable']:,} unreadable answers",
        f"{counts['unanswered']:,} unanswered",
        f"{manifest['seconds']:,.0f} s in all, {each:.2g} s each",
    ]
    if asked < len(records):
        parts.insert(1, f"{len(records) - asked:,} of the run's {len(records):,} were not asked")
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


def _opinion(manifest: dict, outlined: bool) -> str:
    name = escaped(manifest["judge"]["name"])
    if manifest["judge"]["measures"]:
        words = (
            f"This is the opinion of **{name}**, a set of stated rules without any model: what can be measured of each "
            "map in words"
        )
        if not outlined:
            return (
                f"{words}, and a score of **0** (scattered) or **1** (on an artefact): more it can give to no map, for "
                "the run has no outlines. It never knows the label."
            )
        return (
            f"{words}, and a score of **0** (scattered, or on something else) to **5** (fully on the outlined "
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


def _nothing_scored(records: Records, said: Said) -> str:
    """Return in a sentence that no map has a score, and why."""
    manifest = said.judgements.manifest
    if manifest["judge"]["measures"] and not _outlined(records):
        return (
            "No map has a score: no record of this run has an outline, and without one it cannot be measured whether "
            "the evidence lies on what it should."
        )
    reasons = {"undecided": "the judge could not tell", "unreadable": "its answer could not be read"}
    reasons |= {"unanswered": "there is no answer"}
    counts = manifest["counts"]
    told = ", ".join(f"on {counts[name]:,} {words}" for name, words in reasons.items() if counts[name])
    errors = said.table.loc[said.table["error"] != "", "error"]
    most = "" if errors.empty else f" Most often: {escaped(errors.mode()[0])}."
    return f"No map has a score: {told}.{most}"


def _outlined(records: Records) -> bool:
    """Return whether any record with a map has an outline."""
    answered = records.table[records.table["status"] == "ok"]
    return bool((answered["annotation"] != "no_annotation").any())


def matrix_section(records: Records, said: Said) -> None:
    """Draw the four cells: was the call right, was its map judged high; each leads to Explore."""
    st.subheader("Right, and for a reason that can be seen?", anchor=False)
    cells = matrix.cells(records.table, said.table)
    decided = sum(cells[name].count for name in matrix.CELLS)
    if not decided:
        st.caption("No record is in a cell: none has a score, a label and an answer.")
        return
    heads = st.columns([2, 5, 5], gap="small")
    for column, title in zip(heads[1:], LEVELS.values(), strict=True):
        column.markdown(f"**{title}**")
    for outcome, title in OUTCOMES.items():
        row = st.columns([2, 5, 5], gap="small")
        row[0].markdown(f"**{title}**")
        for column, level in zip(row[1:], LEVELS, strict=True):
            with column:
                _cell(records, f"{outcome}_{level}", cells[f"{outcome}_{level}"].count, decided)
    if undecided := cells[matrix.UNDECIDED].count:
        not_asked = len(records) - len(said.judgements)
        they = f"{not_asked:,} were not asked, the others" if not_asked else "they"
        st.caption(f"{undecided:,} records are in no cell: {they} have no score, no label, or no answer.")


def _cell(records: Records, name: str, count: int, decided: int) -> None:
    with st.container(border=True, height="stretch", key=f"cell_{name}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader(f"{count:,}", anchor=False)
            query = Query({"judged": Among((name,))})
            st.page_link(EXPLORE, label=f"Show {count:,}", query_params=_address(records, query), disabled=not count)
        st.markdown(f"{JUDGED[name]} · {percent(count / decided)}")
        st.caption(matrix.MEANINGS[name])


def _address(records: Records, query: Query) -> dict:
    address = state.parameters_of(records, query) | {"run": library.shorten(records.run.folder)}
    return address | {"judge": library.judge_of(records.run)}

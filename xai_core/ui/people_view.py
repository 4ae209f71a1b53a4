"""People against the judge, on the page: the same pictures scored blind, and how far the two agree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st

from xai_core.errors import BadInput
from xai_core.language import agreement, people
from xai_core.language.people import PeopleScores
from xai_core.language.schema import RUBRIC
from xai_core.language.views import View
from xai_core.review.records import Records
from xai_core.review.words import estimate
from xai_core.ui import components, sign_in
from xai_core.ui.judgement_view import judgement, picture
from xai_core.ui.language_view import Said
from xai_core.ui.page import escaped

FILE = "scores.sqlite"
CANNOT = "none"
LEARNS = (
    "Whoever sees it learns how the judge scores, and scores less blindly from then on. The scores that follow count "
    "all the same: leave it off where the agreement is to be relied on."
)
KEYS = {str(score): str(score) for score in RUBRIC} | {"x": CANNOT}
FIGURES = {"pearson": "Pearson", "spearman": "Spearman", "kappa": "Quadratic kappa", "close": "Within one step"}


def view_of(said: Said) -> View:
    """Return the view that a judge saw; the masked one for a judge that measures."""
    return View(**(said.judgements.manifest["view"] or {}))


def score_blind(records: Records, said: Said) -> None:
    """Draw the next picture that the reviewer has not scored, and take the score; nothing of the judge shows."""
    st.markdown(
        "Score the same pictures as the judge, without knowing what it said: how far does the visible evidence lie on "
        "what it should? Each reviewer has an order of their own, and the first score counts."
    )
    scorable = _scorable(records, said)
    if not scorable:
        st.info("There is nothing to score: of no picture the judge has an answer that can be read.")
        return
    if not said.scored:
        st.info("The judge has scored none of these pictures: your scores are kept, with nothing to compare them with.")
    reviewer = sign_in.reviewer() or st.session_state.get("scorer", "")
    if not reviewer:
        _ask_name()
        return
    order = people.order_of(scorable, reviewer)
    given = _given(records, said).get(reviewer, {})
    left = [sample_id for sample_id in order if sample_id not in given]
    done = len(order) - len(left)
    st.progress(done / len(order), text=f"{done:,} of {len(order):,} scored by {escaped(reviewer)}")
    if left:
        _ask(records, said, left[0], reviewer)
    else:
        st.success("You have scored every picture.", icon=":material/task_alt:")
    _after(records, said, given, reviewer, finished=not left)


def _ask_name() -> None:
    """Ask who scores, in a field that then goes: it would take the keys."""

    def come_in() -> None:
        st.session_state["scorer"] = st.session_state["scorer_name"].strip()

    known = st.session_state.get("reviewer_name", "")
    st.text_input("Reviewer", known, key="scorer_name", placeholder="your name", on_change=come_in, width=260)
    st.button("Begin", type="primary", key="begin_scoring", on_click=come_in)
    st.caption("Order and progress are kept under your name: who comes back goes on.")


def _ask(records: Records, said: Said, sample_id: str, reviewer: str) -> None:
    view = view_of(said)

    def press(name: str) -> None:
        score = None if name == CANNOT else int(name)
        try:
            _file().give(_key(records), view.name, sample_id, reviewer, score)
        except BadInput as error:
            st.session_state["score_message"] = f"Not stored. {error}"

    left, right = st.columns([3, 4], gap="large")
    with left:
        predicted = picture(records, sample_id, view)
    with right:
        st.markdown(f"The map speaks for **{escaped(predicted)}**. How good are the grounds that you see?")
        for score, meaning in RUBRIC.items():
            st.button(
                f"**{score}** · {meaning[0].upper()}{meaning[1:]}",
                key=f"score_{score}",
                on_click=press,
                args=(str(score),),
                width="stretch",
            )
        st.button("I cannot tell (X)", key="score_none", on_click=press, args=(CANNOT,), width="stretch")
        st.caption("Keys 0 to 5 do the same.")
        if message := st.session_state.pop("score_message", ""):
            st.error(escaped(message))
    components.keys(KEYS, key="score_keys", on_press=press)


def _after(records: Records, said: Said, given: Mapping, reviewer: str, *, finished: bool) -> None:
    """Draw, for whoever asks, what the judge said of the picture scored last, and the agreement so far."""
    if given and st.toggle("Show what the judge said of the picture I scored last", key="judge_on_last", help=LEARNS):
        last = next(reversed(given))
        mine = "nothing" if given[last] is None else str(given[last])
        st.markdown(f"You gave **{mine}**; the judge:")
        judgement(said.table, last)
    if finished or (given and st.toggle("Show how far we agree so far", key="agreement_so_far")):
        _table(records, said, {reviewer: given})


def agreement_section(records: Records, said: Said) -> None:
    """Draw how far the judge agrees with each person who scored the same pictures blind."""
    st.subheader("People against the judge", anchor=False)
    given = _given(records, said)
    if not given:
        st.caption("Nobody has scored these pictures blind yet: **Score for yourself**, at the top of the page.")
        return
    _table(records, said, given)


def _table(records: Records, said: Said, given: Mapping[str, Mapping[str, int | None]]) -> None:
    model = said.table.set_index("sample_id")["score"]
    label = records.table.set_index("sample_id")["label"].astype(object)
    rows, strata = [], []
    for reviewer, scores in given.items():
        ids = [sample_id for sample_id in scores if sample_id in model.index]
        human = np.array([np.nan if scores[each] is None else scores[each] for each in ids], float)
        labels = [str(label.get(each)) for each in ids]
        found = agreement.figures(model.loc[ids].to_numpy(float, na_value=np.nan), human, labels)
        row = {"Reviewer": reviewer, "Both scored": found["n"]}
        rows.append(row | {title: _text(found[name]) for name, title in FIGURES.items()})
        by = {"All": found} | {f"label {name}": each for name, each in found["strata"].items()}
        strata += [
            {
                "Reviewer": reviewer,
                "Records": name,
                "Judge - person": _text(each["error"], sign=True),
                "Apart by": _text(each["absolute_error"]),
            }
            for name, each in by.items()
        ]
    left, right = st.columns([4, 3], gap="large")
    left.dataframe(rows, hide_index=True, height="content")
    right.dataframe(strata, hide_index=True, height="content")
    st.caption("With 95 % intervals. Kappa counts being two apart four times as much as one; 0 is agreement by chance.")


def _text(figure: Mapping, *, sign: bool = False) -> str:
    if figure["value"] is None:
        return figure["reason"]
    return estimate(figure["value"], figure["low"], figure["high"], sign=sign)


def _scorable(records: Records, said: Said) -> list[str]:
    """Return the records that have a picture and the judge's answer, those on which it could not tell too."""
    judged = set(said.table.loc[said.table["error"] == "", "sample_id"])
    answered = records.table.loc[records.table["status"] == "ok", "sample_id"]
    return [sample_id for sample_id in answered if sample_id in judged]


def _given(records: Records, said: Said) -> dict[str, dict[str, int | None]]:
    return _file().given(_key(records), view_of(said).name)


def _key(records: Records) -> str:
    return records.run.manifest["content_digest"]


def _file() -> PeopleScores:
    return PeopleScores(Path(FILE).absolute())

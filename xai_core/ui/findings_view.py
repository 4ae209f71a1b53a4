"""What judgements come to over a data set, on the page: sentences, groups, and labels to look at again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from xai_core.language import label_errors, matrix, sentences
from xai_core.language.groups import Group
from xai_core.language.groups import group as grouped
from xai_core.language.sentences import Found, Sentence
from xai_core.language.wording import percent
from xai_core.review.records import Records
from xai_core.ui import library, state
from xai_core.ui.judgement_view import pictures
from xai_core.ui.language_view import Said
from xai_core.ui.page import escaped

FIRST = 8
LEAST = 20
"""Labelled records from which flipping a tenth of the labels says something."""
TRIAL = {"judge": "the judge's", "plain": "the plain one, by 1 - probability of the label", "both": "both together"}


def sentence_section(records: Records, said: Said) -> None:
    """Draw what descriptions go with, sentence by sentence, and how sure that is."""
    st.subheader("What goes with what", anchor=False)
    found = _found(said.key)
    own = [sentence for sentence in found.sentences if sentence.kind == "judged"]
    others = [sentence for sentence in found.sentences if sentence.kind != "judged"]
    if not others:
        st.markdown("No description goes with label, call, outcome or metadata more than shuffled ones do.")
    _sentences(records, others[:FIRST], "sentence")
    if others[FIRST:]:
        with st.expander(f"{len(others) - FIRST} more", key="more_sentences"):
            _sentences(records, others[FIRST:], "more")
    if own:
        with st.expander(f"{len(own)} on the cells above", key="own_sentences"):
            st.caption("The same judge gave score and description: these show what it scores by, and are no finding.")
            _sentences(records, own, "own")
    st.caption(
        f"Figures are of the {found.held_out:,} held-out records. On the other {found.first:,}, {found.searched:,} "
        f"pairs of a term and a fact were looked at, and {found.tested:,} then tested here (Fisher's exact test, false "
        f"discoveries held to {percent(sentences.FALSE_DISCOVERIES)}). A sentence stays only where at most 1 of "
        f"{sentences.SHUFFLES} data sets with shuffled descriptions had anything as strong: {found.dropped:,} were "
        "dropped for that. What goes with something need not cause it."
    )


def _sentences(records: Records, found: Sequence[Sentence], key: str) -> None:
    chosen = st.session_state.get(f"shown_{key}")
    for place, sentence in enumerate(found):
        left, right = st.columns([1, 6], vertical_alignment="center")
        kind = "primary" if place == chosen else "secondary"
        name = f"{key}_{place}"
        left.button(f"Show {sentence.count}", key=name, type=kind, on_click=_show, args=(key, place), width="stretch")
        claim = escaped(f"{sentence.claim[0].upper()}{sentence.claim[1:]}")
        right.markdown(f"{claim}  \n:small[{sentence.evidence}]")
        if place == chosen:
            pictures(records, sentence.ids, f"{key}_pictures")


def _show(key: str, place: int) -> None:
    chosen = f"shown_{key}"
    st.session_state[chosen] = None if st.session_state.get(chosen) == place else place


def group_section(records: Records, said: Said) -> None:
    """Draw the groups of similar descriptions, and the pictures of one."""
    st.subheader("Groups of similar descriptions", anchor=False)
    groups = _groups(said.key[:2], said.judge)
    if not groups:
        st.caption("There is no description to sort.")
        return
    table = records.table.set_index("sample_id")[["outcome", "judge_score"]]
    words = said.table.set_index("sample_id")["description"]
    rows = []
    for each in groups:
        inside = table.loc[list(each.ids)]
        wrong = (inside["outcome"] == "wrong").sum() / max(1, inside["outcome"].isin(["right", "wrong"]).sum())
        score = inside["judge_score"].mean()
        rows.append(
            {
                "Told from the rest by": each.name,
                "Records": each.size,
                "Called wrong": percent(wrong),
                "Mean score": "none" if np.isnan(score) else f"{score:.1f}",
                "The most typical one": words[each.examples[0]],
            }
        )
    st.dataframe(rows, hide_index=True, height="content")
    names = {each.name: each for each in groups}
    if st.session_state.get("group") not in (None, *names):
        del st.session_state["group"]
    name = st.selectbox(
        "Pictures of", list(names), None, key="group", bind=state.BOUND, placeholder="choose a group", width=640
    )
    if name:
        typical = names[name].examples
        pictures(records, [*typical, *(i for i in names[name].ids if i not in typical)], "group_pictures")


def suspect_section(records: Records, said: Said) -> None:
    """Draw the records whose label may be wrong, and how well such a list finds labels that are."""
    st.subheader("Labels to look at again", anchor=False)
    suspects, trial = _suspects(said.key)
    ids = suspects.loc[suspects["high"], "sample_id"].tolist()
    st.markdown(
        f"**{len(ids):,}** records are called otherwise than labelled, on a map that was judged high: either the "
        "classifier errs on grounds that look good, or the label is wrong. The most suspicious come first."
    )
    if ids:
        pictures(records, ids, "suspects")
    if trial is None:
        return
    named = [f"{words} **{_figure(trial['rankings'][name])}**" for name, words in TRIAL.items()]
    st.markdown(
        f"**How far to trust this list.** With {trial['flipped']} of {trial['samples']:,} labels flipped at random, "
        f"average precision of the ranking is: {'; '.join(named)}. {label_errors.verdict(trial)}"
    )


def _figure(each: dict) -> str:
    return f"{each['value']:.2f} ({each['low']:.2f} to {each['high']:.2f})"


@st.cache_data(max_entries=24, show_spinner="Sorting descriptions ...")
def _groups(run: tuple[str, str], judge: str) -> list[Group]:
    table = library.judgements_of(library.run_of(run[0]), judge)[1]
    return grouped(table["sample_id"].tolist(), table["description"].fillna("").tolist())


@st.cache_data(max_entries=24, show_spinner="Looking for what goes with what ...")
def _found(key: tuple) -> Found:
    records, table = _of(key)
    names = records.run.settings["class_names"]
    return sentences.find(records.table, table, _groups(key[:2], key[4]), class_names=names)


@st.cache_data(max_entries=24, show_spinner="Ranking labels ...")
def _suspects(key: tuple):
    records, table = _of(key)
    found = label_errors.rank(records.table, table, _label_probability(records))
    classes = {name: place for place, name in enumerate(records.run.settings["class_names"])}
    rows = np.sort(records.index.get_indexer(found["sample_id"]))  # in record order, as `bench.label_errors` has them
    known = records.table.iloc[rows]
    label, called = (known[name].astype(object).map(classes).to_numpy(int) for name in ("label", "called"))
    score = matrix.scores_of(known, table)
    trial = len(found) >= LEAST and label_errors.experiment(label, called, records.probabilities[rows], score)
    return found, trial or None


def _label_probability(records: Records) -> np.ndarray:
    """Return the probability that each record's label got: (N,) float64, NaN without label or answer."""
    classes = {name: place for place, name in enumerate(records.run.settings["class_names"])}
    place = records.table["label"].astype(object).map(classes).to_numpy(float, na_value=np.nan)
    found = records.probabilities[np.arange(len(place)), np.nan_to_num(place).astype(int)]
    return np.where(np.isnan(place), np.nan, found)


def _of(key: tuple):
    run = library.run_of(key[0])
    return library.records_of(run, key[2], key[3], key[4]), library.judgements_of(run, key[4])[1]

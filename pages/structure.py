"""Structure: what a network learned to look at, when, and what it confuses."""

from __future__ import annotations

import streamlit as st

from xai_core.errors import BadInput
from xai_core.ui import structure_data
from xai_core.ui.page import page_foot
from xai_core.ui.structure_class import all_roles, choose_class, evolution_of, prototypes_of
from xai_core.ui.structure_data import Shown
from xai_core.ui.structure_pair import pair_explorer
from xai_core.ui.structure_sample import choose_sample
from xai_core.ui.structure_training import training
from xai_core.ui.structure_view import analyse, choose_track, opening, what_it_is


def page(shown: Shown) -> None:
    """Draw a track that is analysed."""
    opening(shown)
    what_it_is(shown)
    st.subheader("What each class is recognised by", anchor=False)
    name = choose_class(shown)
    prototypes_of(shown, name)
    evolution_of(shown, name)
    all_roles(shown)
    training(shown, name)
    pair_explorer(shown)
    choose_sample(shown)


track = None
try:
    track = choose_track()
    if track is not None:
        shown = structure_data.shown_of(track)
        if shown is None:
            analyse(track)
        else:
            page(shown)
except BadInput as error:
    st.error(str(error))
page_foot(synthetic=track is not None and track.settings.get("synthetic", False))

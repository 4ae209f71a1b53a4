"""The track on the screen: which one, what a prototype is, and what every class is recognised by."""

from __future__ import annotations

import streamlit as st

from xai_core import jobs
from xai_core.i2x.options import Options
from xai_core.i2x.store import Track
from xai_core.ui import components, state, structure_data
from xai_core.ui.job_card import job_card
from xai_core.ui.page import escaped
from xai_core.ui.structure_data import Shown
from xai_core.ui.structure_strips import carriers, open_sample


def choose_track() -> Track | None:
    """Return the track chosen; None, with how to make one, where there is none."""
    folders = structure_data.tracks()
    if not folders:
        st.info(
            "There is no track in tracks/ of this folder: a *track* is what a trained network tells apart in images, "
            "followed from checkpoint to checkpoint of its training, and `python -m xai_core i2x fit DATA "
            "--model MODEL --out tracks/NAME` makes one of a model that was trained with `--checkpoints`.",
            icon=":material/timeline:",
        )
        return None
    if st.session_state.get("track") not in (None, *folders):
        del st.session_state["track"]
    folder = st.selectbox("Track", folders, key="track", bind=state.BOUND, width=330)
    if begun := structure_data.unfinished():
        st.caption(f"Not finished: {escaped(', '.join(begun))}.", help="`i2x fit --resume` goes on with a track.")
    return structure_data.track_of(folder)


def analyse(track: Track) -> None:
    """Draw the button that starts the analysis of a track in the background, and how far it is."""
    arguments = ("i2x", "show", str(track.folder))

    def own() -> list[jobs.Job]:
        return [job for job in jobs.all() if job.arguments == arguments]

    def progress(polled: bool) -> None:
        found = own()
        if polled and not (found and found[0].state == "running"):
            st.rerun()
        for job in found[:1]:
            job_card(job)

    running = any(job.state == "running" for job in own())
    if not running:
        st.info(
            f"This track of {len(track):,} samples and {len(track.steps)} checkpoints has not been analysed. That "
            "takes seconds for a hundred samples, minutes for 60,000.",
            icon=":material/hourglass_empty:",
        )
        if st.button("Analyse", type="primary", icon=":material/play_arrow:", key="analyse"):
            jobs.start(arguments, f"Analysis of {track.folder.name}")
            st.rerun()
    st.fragment(progress, run_every="1s" if running else None)(running)


def opening(shown: Shown) -> None:
    """Draw in one sentence what the page is about."""
    first, last = shown.structure["checkpoints"][0], shown.structure["checkpoints"][-1]
    st.markdown(
        f"What **{escaped(shown.model)}** learned to look at, and when: {shown.structure['samples']:,} images, seen "
        f"with {len(shown.track.steps)} checkpoints of its training, from accuracy {first['accuracy']:.1%} on them "
        f"after {first['step']:,} updates to {last['accuracy']:.1%} after {last['step']:,}."
    )
    defaults = Options().as_dict()
    changed = {name: value for name, value in shown.structure["options"].items() if value != defaults[name]}
    if changed:
        said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in changed.items())
        st.caption(f":material/tune: Not analysed by the defaults: {escaped(said)}.")


def what_it_is(shown: Shown) -> None:
    """Draw what a prototype is, with one on the pictures that carry it."""
    prototype, label = _example(shown)
    height, width = shown.track.grid
    left, right = st.columns([4, 5], gap="large", vertical_alignment="center")
    with left:
        st.subheader("What is a prototype?", anchor=False)
        st.markdown(
            f"The network lays a grid of {height} × {width} **places** over every image. A **prototype** is a kind of "
            f"place: patches that the trained network answers alike, in whatever image and wherever in it they lie. It "
            f"was found by sorting the places of all images into {shown.track.prototypes} kinds; nobody named them. A "
            "prototype has a number, and what it shows you see on the images that carry it."
        )
        st.caption(
            "Its *intensity* in an image is the mean evidence for the image's class (Grad-CAM) over the places that "
            "carry it. Below: as which prototypes' intensity rose in a step of the training, which confidence moved."
        )
    with right:
        row = {
            "title": f"Prototype {prototype}",
            "text": "the places in yellow: the same kind of patch in each image",
            "badge": "",
            "claimed": True,
            "tiles": carriers(shown, prototype, label, own=4, others=1),
        }
        components.strips({"rows": [row], "scale": None}, key="example", on_open=open_sample)


def _example(shown: Shown) -> tuple[int, int]:
    """Return a prototype and a class to begin with: of those with a role, the one on which evidence is most dense.

    One that lies on more than a third of the places shows less well what it is: it comes last.
    """
    found = [
        (*_density(shown, role["prototype"], label), role["prototype"], label)
        for label, entry in enumerate(shown.structure["classes"])
        for role in entry["shared"] or entry["specialised"] or entry["supporting"]
    ]
    if found:
        return max(found)[2:]
    prototype = int(shown.share.mean(0).argmax())
    return prototype, int(shown.labels[shown.carried[:, prototype].argmax()])


def _density(shown: Shown, prototype: int, label: int) -> tuple[bool, float]:
    """Return whether a prototype is no more than a third of a class's carriers, and its mean intensity in them."""
    rows, intensity = shown.some_intensity
    own = shown.carried[rows, prototype] & (shown.labels[rows] == label)
    if not own.any():
        return False, 0.0
    return bool(shown.share[rows[own], prototype].mean() <= 1 / 3), float(intensity[own, prototype].mean())

"""The track on the screen: which one, what a prototype is, and what every class is recognised by."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from xai_core import jobs
from xai_core.i2x.options import Options
from xai_core.i2x.store import Track
from xai_core.ui import components, state, structure_data
from xai_core.ui.job_card import job_card
from xai_core.ui.page import escaped
from xai_core.ui.structure_charts import evolution
from xai_core.ui.structure_data import ROLES, Shown
from xai_core.ui.structure_strips import carriers, open_sample

UNITS = {"raw": "Raw", "normalised": "Divided by the mean"}
SKIPPED = "Grey: a step that is skipped, with no notable change or no groups of samples that changed alike."
WHAT_FIGURES_MEAN = """
* **Pull** of a prototype on a class in a step: how much confidence in the class moved with a usual rise of the
  prototype's intensity; by a ridge fit over groups of samples whose confidence changed alike. It says that the two went
  together, not that one made the other.
* **Support**: its pulls summed over the steps that are analysed, with the 95 % interval over resampled samples.
* **Consistent**: the share of all that it pulled, up and down, that was up.
* **Stable**: how often the pull has the same sign when one half of the samples is grouped anew.
* **Shared**: nearly all of the class carries it, and it supports the class surely and steadily. **Specialised**: the
  same in a part of the class that a second grouping finds. **Supporting**: neither, yet it supports the class.
* All is claimed only where it holds with raw Grad-CAM *and* with Grad-CAM divided by its mean at each checkpoint, for
  raw Grad-CAM grows with the network's sureness. What holds in one of them only is shown as not claimed.
"""


def choose_track() -> Track | None:
    """Return the track chosen; None, with how to make one, where there is none."""
    folders = structure_data.tracks()
    for folder in structure_data.unfinished():
        st.caption(f":material/info: {escaped(folder)} is not finished: `i2x fit --resume` goes on with it.")
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
            "How much of the evidence for an image's class (Grad-CAM) lies on a prototype is its *intensity*. Below: "
            "which prototypes' intensity rose, step by step of the training, as which confidence moved."
        )
    with right:
        row = {
            "title": f"Prototype {prototype}",
            "text": "outlined on whole images: the same kind of patch in each",
            "badge": "",
            "claimed": True,
            "tiles": carriers(shown, prototype, label, own=4, others=1),
        }
        components.strips({"rows": [row], "scale": None}, key="example", on_open=open_sample)


def choose_class(shown: Shown) -> str:
    """Return the class chosen."""
    names = list(shown.names)
    if st.session_state.get("class") not in (None, *names):
        del st.session_state["class"]
    with st.container(horizontal=True, vertical_alignment="bottom", key="class_controls"):
        name = st.selectbox("Class", names, key="class", bind=state.BOUND, width=330)
        st.segmented_control(
            "Grad-CAM",
            list(UNITS),
            format_func=UNITS.get,
            default="raw",
            required=True,
            key="unit",
            bind=state.BOUND,
            help="Raw Grad-CAM grows with the network's sureness; divided by its mean at each checkpoint it does not.",
        )
    return name


def prototypes_of(shown: Shown, name: str) -> None:
    """Draw the sentence on a class, and its prototypes by role on the images that carry them."""
    entry = shown.class_of(name)
    st.markdown(escaped(entry["sentence"]))
    rows = [_role_row(shown, name, ROLES[role], role_entry) for role in ROLES for role_entry in _strongest(entry[role])]
    rows += [_doubtful_row(shown, name, doubtful) for doubtful in entry["in_one_unit"]]
    if not entry["samples"]:
        return
    if not rows:
        st.info(f"No prototype has a role for {escaped(name)} under either unit of intensity: nothing is claimed.")
    else:
        components.strips({"rows": rows, "scale": None}, key="prototypes", on_open=open_sample)
        st.caption(
            "Carriers evenly spread over all of them, not picked; the last ones are of the other classes that carry it "
            "most. Press a picture: why does the network look there?"
        )
    with st.expander("What the figures mean", key="figures"):
        st.markdown(WHAT_FIGURES_MEAN)


def all_roles(shown: Shown) -> None:
    """Draw every role of every prototype as a table."""
    rows = []
    for entry in shown.structure["classes"]:
        for role in ROLES:
            for found in entry[role]:
                units = found["units"]
                rows.append(
                    {
                        "Class": entry["class"],
                        "Prototype": found["prototype"],
                        "Role": role,
                        "Share of the class that carries it": f"{found['coverage']:.1%}",
                        "Support, raw": _interval(units["raw"]),
                        "Support, normalised": _interval(units["normalised"]),
                        "Consistent, raw": f"{units['raw']['consistency']:.0%}",
                        "Consistent, normalised": f"{units['normalised']['consistency']:.0%}",
                        "Stable": _share(found["stability"]),
                    }
                )
    with st.expander(f"All {len(rows)} roles of all classes", key="roles"):
        st.dataframe(rows, hide_index=True, height="content" if len(rows) < 15 else 480)


def evolution_of(shown: Shown, name: str) -> None:
    """Draw how the key prototypes of a class pulled, step by step, and who lost when they gained."""
    entry, unit = shown.class_of(name), st.session_state["unit"]
    claimed = [each["prototype"] for each in entry["key"]]
    drawn = claimed or [each["prototype"] for each in entry["in_one_unit"]]
    rows = _pulls(shown, shown.names.index(name), drawn, unit)
    st.subheader(f"How the prototypes of {escaped(name)} evolved", anchor=False)
    if not rows:
        st.caption(f"No step is analysed, or no prototype has a role for {escaped(name)}.")
        return
    said = ", ".join(f"prototype {k}" for k in drawn)
    st.altair_chart(
        evolution(shown.structure, rows, f"pull on {name}"), alt=f"Pulls of {said} on {name} over the steps"
    )
    doubt = "" if claimed else " These prototypes support it in one unit only: nothing is claimed of them."
    st.caption(f"{SKIPPED} Bars: 95 % intervals over resampled samples, often too narrow to see.{doubt}")
    lines = [line for key in entry["key"] if (line := _competition(key))]
    if lines:
        st.markdown("\n".join(f"* {escaped(line)}" for line in lines))


def _example(shown: Shown) -> tuple[int, int]:
    """Return a prototype and a class: the strongest claim there is, else the most frequent kind of place."""
    found = [
        (role["units"]["raw"]["support"], role["prototype"], shown.names.index(entry["class"]))
        for entry in shown.structure["classes"]
        for role in entry["shared"] or entry["specialised"] or entry["supporting"]
    ]
    if found:
        return max(found)[1:]
    prototype = int(shown.share.mean(0).argmax())
    return prototype, int(shown.labels[shown.carried[:, prototype].argmax()])


def _strongest(found: list[dict]) -> list[dict]:
    return sorted(found, key=lambda role: -role["units"]["raw"]["support"])


def _role_row(shown: Shown, name: str, role: str, found: Mapping) -> dict:
    raw, other = found["units"]["raw"], found["units"]["normalised"]
    text = (
        f"in {found['coverage']:.0%} of {name} · support {_interval(raw)} raw, {_interval(other)} normalised · "
        f"consistent {raw['consistency']:.0%}, {other['consistency']:.0%} · stable {_share(found['stability'])}"
    )
    return _row(shown, name, found["prototype"], role, text, claimed=True)


def _doubtful_row(shown: Shown, name: str, found: Mapping) -> dict:
    coverage = shown.coverage[found["prototype"], shown.names.index(name)]
    text = f"in {coverage:.0%} of {name} · {found['role']} with {found['unit']} intensity only"
    return _row(shown, name, found["prototype"], "not claimed", text, claimed=False)


def _row(shown: Shown, name: str, prototype: int, badge: str, text: str, *, claimed: bool) -> dict:
    tiles = carriers(shown, prototype, shown.names.index(name))
    return {"title": f"Prototype {prototype}", "badge": badge, "claimed": claimed, "text": text, "tiles": tiles}


def _pulls(shown: Shown, label: int, prototypes: list[int], unit: str) -> list[dict]:
    rows = []
    for at, step in enumerate(shown.structure["steps"]):
        if step["skipped"]:
            continue
        figures = step["units"][unit]
        for k in prototypes:
            value, low, high = (figures[name][k][label] for name in ("pull", "low", "high"))
            said = f"{step['from']} to {step['to']}"
            rows.append({"at": at, "of": f"prototype {k}", "value": value, "low": low, "high": high, "step": said})
    return rows


def _competition(key: Mapping) -> str:
    parts = []
    for row in key["competition"]:
        loses = ", ".join(f"{each['class']} ({each['pull']:+.2f})" for each in row["loses"]) or "no class surely"
        parts.append(f"in steps {row['from']} to {row['to']} it gained {row['gain']:+.2f}, and {loses} lost")
    return f"Prototype {key['prototype']}: {'; '.join(parts)}." if parts else ""


def _interval(figures: Mapping) -> str:
    return f"{figures['support']:+.2f} [{figures['low']:+.2f}, {figures['high']:+.2f}]"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0%}"

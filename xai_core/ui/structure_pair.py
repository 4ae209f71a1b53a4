"""Two classes on the screen: the prototypes that they fight over, the samples that carry them, their maps over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from xai_core.errors import BadInput
from xai_core.i2x.patches import maps_of, spread
from xai_core.i2x.structure import pair_of
from xai_core.ui import components, state
from xai_core.ui.page import escaped
from xai_core.ui.structure_charts import evolution
from xai_core.ui.structure_class import pulls
from xai_core.ui.structure_data import Shown, picture_of
from xai_core.ui.structure_strips import open_sample, over_time

MOST, FOLLOWED = 24, 2
SWINGS = 6


def pair_explorer(shown: Shown) -> None:
    """Draw the confusion pair explorer."""
    st.subheader("Two classes, and what they fight over", anchor=False)
    entry = _choose_pair(shown)
    if entry is None:
        return
    one, other = entry["classes"]
    st.markdown(
        f"The final network calls **{entry['confused']:,}** images of {escaped(one)} and {escaped(other)} the other. "
        "A prototype is *uncertain* between them where it spoke now for the one and now for the other, more than it "
        "would if images were paired with the change of another image."
    )
    if not entry["prototypes"]:
        st.info("No prototype swings between them.", icon=":material/balance:")
        return
    first = entry is shown.structure["pairs"][0]
    st.dataframe([_row(shown, entry, row, first) for row in entry["prototypes"]], hide_index=True, height="content")
    st.caption(
        f"Swing: how far it spoke for both sides, the smaller one. p: corrected for all {shown.track.prototypes} "
        f"prototypes; among pairs: for the {len(shown.structure['pairs'])} pairs that were looked at too. "
        "All in the unit of intensity in which it is less sure."
    )
    _sides(shown, entry)
    prototype = _choose_prototype(entry)
    _samples(shown, entry, prototype)


def _choose_pair(shown: Shown) -> Mapping | None:
    """Return what was found between the two classes chosen, at first the most confused; None where nothing was."""
    names, pairs = list(shown.names), shown.structure["pairs"]
    if not pairs:
        st.info("No two classes have samples.")
        return None
    keys = ("one", "other")
    for key in keys:
        if st.session_state.get(key) not in (None, *names):
            del st.session_state[key]
    with st.container(horizontal=True, vertical_alignment="bottom", key="pair_controls"):
        chosen = [
            st.selectbox(title, names, names.index(name), key=key, bind=state.BOUND, width=260)
            for key, title, name in zip(keys, ("One class", "The other"), pairs[0]["classes"], strict=True)
        ]
    confused = [f"{p['classes'][0]} and {p['classes'][1]} ({p['confused']})" for p in pairs[:5] if p["confused"]]
    if confused:
        st.caption(escaped(f"Confused most: {', '.join(confused)}."))
    if chosen[0] == chosen[1]:
        st.info("Choose two different classes.")
        return None
    try:
        return pair_of(shown.structure, chosen)
    except BadInput:
        st.info(
            "This pair was not looked at: it is not among the most confused. `i2x show TRACK --pairs N` looks at more."
        )
        return None


def _row(shown: Shown, entry: Mapping, row: Mapping, first: bool) -> dict:
    one, other = entry["classes"]
    return {
        "Prototype": str(row["prototype"]),
        "Found": _verdict(shown, row, first),
        "Changes of side": str(row["units"]["raw"]["changes"]),
        "Swing": f"{row['score']:.3f}",
        "p": f"{row['p']:.3f}",
        "p among pairs": f"{row['p_of_pairs']:.3f}",
        f"In {one}": f"{row['coverage'][0]:.0%}",
        f"In {other}": f"{row['coverage'][1]:.0%}",
    }


def _verdict(shown: Shown, row: Mapping, first: bool) -> str:
    """Return what may be said: pairs but the most confused one are chosen among many, and corrected for that."""
    level = shown.structure["options"]["level"]
    if row["p"] > level:
        return "not surely"
    if first or row["p_of_pairs"] <= level:
        return "uncertain"
    return "uncertain, had this pair been chosen beforehand"


def _sides(shown: Shown, entry: Mapping) -> None:
    one, other = (shown.names.index(name) for name in entry["classes"])
    prototypes = [row["prototype"] for row in entry["prototypes"][:SWINGS]]
    rows = pulls(shown, prototypes, st.session_state["unit"], one, other)
    title = f"for {entry['classes'][1]}  ←  side  →  for {entry['classes'][0]}"
    st.altair_chart(
        evolution(shown.structure, rows, title),
        alt=f"For which of {entry['classes'][0]} and {entry['classes'][1]} each prototype spoke in each step",
    )
    more = len(entry["prototypes"]) - SWINGS
    st.caption(
        "The pull on the one class less the pull on the other: above 0 a step's rise of the prototype went with the "
        "one, below with the other." + (f" The {SWINGS} surest; {more} more in the table." if more > 0 else "")
    )


def _choose_prototype(entry: Mapping) -> int:
    options = [row["prototype"] for row in entry["prototypes"]]
    if st.session_state.get("prototype") not in (None, *options):
        del st.session_state["prototype"]
    return st.selectbox(
        "Prototype", options, format_func=lambda k: f"Prototype {k}", key="prototype", bind=state.BOUND, width=260
    )


def _samples(shown: Shown, entry: Mapping, prototype: int) -> None:
    """Draw the samples of both classes that carry a prototype, and the maps of a few at every checkpoint."""
    labels = [shown.names.index(name) for name in entry["classes"]]
    lists = [_carriers(shown, prototype, label, labels[1 - k]) for k, label in enumerate(labels)]
    counts = [int((shown.carried[:, prototype] & (shown.labels == label)).sum()) for label in labels]
    rows = [row for found in lists for row in found]
    carried = " and ".join(f"{n:,} of {escaped(c)}" for n, c in zip(counts, entry["classes"], strict=True))
    st.markdown(f"**Images that carry prototype {prototype}**: {carried}. Those called the other come first.")
    components.gallery(
        _items(shown, prototype, rows),
        key="carriers",
        on_open=open_sample,
        legend=(f"Places of prototype {prototype}", "Final Grad-CAM, half its peak and more"),
    )
    followed = [row for found in lists for row in found[:FOLLOWED]]
    if followed:
        st.markdown(f"**Their Grad-CAM over the training**, prototype {prototype} outlined")
        titles = [(row, str(shown.ids[row]), _called(shown, row)) for row in followed]
        st.caption("Below each picture: updates of the network so far, and its confidence in the label then.")
        over_time(shown, titles, st.session_state["unit"], None, prototype, "pair_maps")


def _carriers(shown: Shown, prototype: int, label: int, against: int) -> list[int]:
    """Return rows of a class that carry a prototype: those called the other first, then evenly spread over the rest."""
    found = np.flatnonzero(shown.carried[:, prototype] & (shown.labels == label))
    wrong = shown.final[found].argmax(1) == against
    first = spread(found[wrong], MOST // 4)
    return [*first.tolist(), *spread(found[~wrong], MOST // 2 - len(first)).tolist()]


def _items(shown: Shown, prototype: int, rows: list[int]) -> list[dict]:
    last = maps_of(shown.track, shown.track.steps[-1], rows) if rows else []
    items = []
    for row, heat in zip(rows, last, strict=True):
        picture, cells = picture_of(shown, row), shown.cells(row, prototype)
        label, called = shown.names[shown.labels[row]], shown.names[shown.final[row].argmax()]
        peak = heat.max()
        items.append(
            {
                "id": str(shown.ids[row]),
                "src": picture.src,
                "width": picture.width,
                "height": picture.height,
                "truth": picture.outline(cells),
                "explanation": picture.outline(heat >= peak / 2) if peak > 0 else "",
                "label": label,
                "called": called,
                "outcome": "right" if label == called else "wrong",
                "score": f"{cells.mean():.0%} of places",
                "verdict": "",
                "alt": f"{shown.ids[row]}: label {label}, called {called}; prototype {prototype} on {cells.mean():.0%} "
                "of its places" + ("" if picture.placement else "; the image cannot be shown"),
            }
        )
    return items


def _called(shown: Shown, row: int) -> str:
    label, called = shown.labels[row], int(shown.final[row].argmax())
    return f"label {shown.names[label]}, called {shown.names[called]} ({shown.final[row, called]:.2f})"

"""One class on the screen: the prototypes that it is recognised by, with their figures, and how they evolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from xai_core.ui import components, state
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
                        "Prototype": str(found["prototype"]),
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
    rows = pulls(shown, drawn, unit, shown.names.index(name))
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


def pulls(shown: Shown, prototypes: Sequence[int], unit: str, label: int, against: int | None = None) -> list[dict]:
    """Return the pull of each prototype on a class in each step, None in a skipped one; less that on another class."""
    rows = []
    for at, step in enumerate(shown.structure["steps"]):
        for k in prototypes:
            row = {"at": at, "of": f"prototype {k}", "step": f"{step['from']} to {step['to']}"}
            if not step["skipped"]:
                row |= _pull(step["units"][unit], k, label, against)
            rows.append(row)
    return rows if any("value" in row for row in rows) else []


def _pull(figures: Mapping, prototype: int, label: int, against: int | None) -> dict[str, float]:
    """Return a pull with its interval; a difference of two has none."""
    value, low, high = (figures[name][prototype] for name in ("pull", "low", "high"))
    if against is None:
        return {"value": value[label], "low": low[label], "high": high[label]}
    return {"value": value[label] - value[against]}


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

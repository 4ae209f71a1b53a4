"""Whether a run's explanations themselves are to be trusted: what probing them gave, on the page."""

from __future__ import annotations

import shlex

import streamlit as st

from xai_core.review.records import Records
from xai_core.review.words import estimate
from xai_core.ui import library

CURVES = {
    "deletion": ("Deletion", "what the heatmap points at is taken out first, so the probability should fall sooner"),
    "insertion": ("Insertion", "it is put in first, so the probability should rise sooner"),
}
VERDICTS = {True: "passed", False: "**failed**", None: "undecided"}


def trust_section(records: Records) -> None:
    """Draw deletion and insertion against a random order, the randomisation check and repeatability."""
    st.subheader("Is the explanation itself to be trusted?", anchor=False)
    found = library.trust_of(records.run)
    if found is None:
        folder = shlex.quote(library.shorten(records.run.folder))
        st.caption(f"Not probed yet: `python -m xai_core probe {folder}`")
        return
    rows = []
    for name, (title, _) in CURVES.items():
        own, random, difference = (found[key] for key in (name, f"random_{name}", f"{name}_difference"))
        rows.append(
            {
                "Area under the curve": title,
                "By the heatmap (95 %)": _figure(own),
                "In a random order": _figure(random),
                "Difference": _figure(difference, sign=True),
                "Records": f"{own['n']:,}",
            }
        )
    st.dataframe(rows, hide_index=True, height="content")
    check, repeated = found["randomisation"], found["repeatability"]
    st.markdown("  \n".join(f"**{CURVES[name][0]}**: {_finding(name, found)}" for name in CURVES))
    st.markdown(
        f"**Randomisation check** {VERDICTS[check['passed']]}: {check['finding']}.  \n"
        f"**Repeatability**: {repeated['finding']}"
    )
    with st.expander("Layer by layer"):
        st.dataframe([_level(level) for level in check["layers"]], hide_index=True, height="content")
        st.caption(check["rule"])


def _finding(name: str, found: dict) -> str:
    """Return one sentence: what should happen, and whether the interval of the difference says it does."""
    low, high = found[f"{name}_difference"]["low"], found[f"{name}_difference"]["high"]
    if low is None:
        said = "too few records to say"
    elif low <= 0 <= high:
        said = "it cannot be told from a random order"
    else:
        said = "it does" if (high < 0) == (name == "deletion") else "the opposite happens"
    return f"{CURVES[name][1]}; {said}."


def _figure(figure: dict, *, sign: bool = False) -> str:
    return estimate(figure["mean"], figure["low"], figure["high"], sign=sign)


def _level(level: dict) -> dict:
    return {
        "Weights drawn anew from the output down to": level["layer"],
        "Spearman (95 %)": estimate(level["spearman"], level["spearman_low"], level["spearman_high"]),
        "SSIM (95 %)": estimate(level["ssim"], level["ssim_low"], level["ssim_high"]),
        "Records": f"{level['n']:,}",
        "Constant heatmaps": f"{level['undefined'].get('constant_heatmap', 0):,}",
    }

"""Whether a run's explanations themselves are to be trusted: what probing them gave, on the page."""

from __future__ import annotations

import shlex

import streamlit as st

from xai_core.probes.causal import FILLS
from xai_core.release.reliance import ROWS, UNCHANGED
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


def reliance_section(records: Records) -> None:
    """Draw how well the classifier calls by the outlined region alone, and by its surroundings alone."""
    st.subheader("Do the calls rest on the outlined region?", anchor=False)
    found = library.reliance_of(records.run)
    if found is None:
        folder = shlex.quote(library.shorten(records.run.folder))
        st.caption(f"Not measured yet: `python -m xai_core reliance {folder}`")
        return
    rows = [{"": UNCHANGED, **dict.fromkeys(FILLS, _auc(found["unchanged"]))}]
    for key, title in ROWS.items():
        rows.append({"": title} | {fill: _auc(of[key], sign=key == "reliance") for fill, of in found["fills"].items()})
    titles = {fill: f"What is hidden is {filled} (95 %)" for fill, filled in FILLS.items()}
    st.table([{titles.get(key, key): value for key, value in row.items()} for row in rows], hide_index=True)
    st.caption(
        f"{found['samples']['n']:,} records. Below 0 the surroundings say more of the class than the region does. "
        "A picture with a part hidden is none that a camera took: only figures that agree under both fills speak."
    )


def _auc(figure: dict, *, sign: bool = False) -> str:
    return estimate(figure["value"], figure["low"], figure["high"], sign=sign)


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

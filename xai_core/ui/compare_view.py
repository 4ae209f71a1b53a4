"""The comparison on the screen: which runs, and what differs between them in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from xai_core.release import review_set
from xai_core.release.compare import compare
from xai_core.release.paired import names_of
from xai_core.review.records import Records
from xai_core.review.words import METRICS, estimate, reasons, title_of
from xai_core.runs.store import Run
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.ui import library, state
from xai_core.ui.release_files import review_sets
from xai_core.ui.top_bar import SENSITIVITY_95

DIFFERS, ALIKE = "◆ differs", "no clear difference"
CONFIDENCE = {"top": "Confidence, any class", "label": "Probability of the label"}


@dataclass(frozen=True)
class Chosen:
    """What is compared with the run of the top bar.

    Attributes
    ----------
    others : tuple of str
        Folders of runs.
    items : str or None
        File of a review set.
    names : tuple of str
        Of the baseline and the others.
    """

    others: tuple[str, ...]
    items: str | None
    names: tuple[str, ...]


def choose(records: Records) -> Chosen:
    """Return what was chosen to compare with: at first, the first run of another classifier by the same explainer."""
    options = _comparable(records.run)
    with st.container(horizontal=True, vertical_alignment="bottom", key="compare_controls"):
        state.keep_known("with", options)
        others = st.multiselect(
            "Compared with",
            options,
            default=_first(records.run, options),
            format_func=_named,
            key="with",
            bind=state.BOUND,
            placeholder="runs over the same data" if options else "none found",
            help="Runs that explain the same target of the same classes. The run above is the baseline.",
        )
        files = review_sets()
        if st.session_state.get("items") not in (None, *files):
            del st.session_state["items"]
        items = st.selectbox(
            "Review set",
            files,
            index=None,
            key="items",
            bind=state.BOUND,
            placeholder="none",
            width=330,
            help="Frozen items, from `review-set`: easy, borderline and failed cases, side by side below.",
        )
    runs = [records.run, *(library.run_of(folder) for folder in others)]
    return Chosen(tuple(others), items, tuple(names_of(runs)))


def compared(records: Records, chosen: Chosen) -> dict:
    """Return the comparison at the operating point of the top bar, kept while nothing of it changes."""
    folders = (library.shorten(records.run.folder), *chosen.others)
    digests = tuple(library.run_of(folder).manifest["content_digest"] for folder in folders)
    points = thresholds_of(records, folders)
    stamp = Path(chosen.items).stat().st_mtime_ns if chosen.items else 0
    return _compared(folders, digests, chosen.names, rule_of(records), points, chosen.items, stamp)


def remarks(found: dict) -> None:
    """Draw what stands between the runs beside the classifier, and the items that a run does not have as they were."""
    for remark in found["remarks"]:
        st.caption(f":material/info: {remark[0].upper()}{remark[1:]}.")
    for name, problems in (found["review_set"] or {"problems": {}})["problems"].items():
        if problems:
            st.warning(f"{name} does not fit the review set in {len(problems)} places, the first: {problems[0]}.")


def difference_tables(found: dict) -> None:
    """Draw metrics, and scores above chance, of each run with their paired differences to the baseline."""
    grid = st.grid(2, min_column_width=560, gap="large")
    named = [name for name in METRICS if found["runs"][0]["metrics"][name]["value"] is not None]
    with grid.cell():
        st.subheader("Metrics", anchor=False)
        st.dataframe(
            [_row(found, "metrics", "value", name, METRICS[name][0]) for name in named],
            hide_index=True,
            height="content",
        )
    with grid.cell():
        st.subheader("Alignment above chance, confidence", anchor=False)
        st.dataframe(
            [_row(found, "alignment", "excess", name, title_of(name)) for name in SCORE_NAMES]
            + [_row(found, "confidence", "mean", name, title) for name, title in CONFIDENCE.items()],
            hide_index=True,
            height="content",
        )
        for entry in found["runs"]:
            if undefined := entry["alignment"][SCORE_NAMES[0]]["undefined"]:
                st.caption(f"{entry['name']}: {reasons(undefined)} without explanation coverage, in no mean.")
    st.caption(
        f"Over the {found['samples']:,} samples that all runs share. Differences are paired: both runs on the same "
        f"resamples. **{DIFFERS}**: the 95 % interval holds no 0; of twenty such intervals one would do so by chance."
    )


def stratum_table(found: dict) -> None:
    """Draw how each run does on the easy, borderline and failed items of the review set, where one is chosen."""
    if not found["review_set"]:
        return
    st.subheader("On the review set", anchor=False)
    rows = []
    for stratum, entries in found["review_set"]["strata"].items():
        row = {"Stratum": stratum.capitalize(), "Items": max(entry["items"] for entry in entries.values())}
        for name, entry in entries.items():
            mean = entry["excess_explanation_coverage"]
            row[f"Right, {name}"] = entry["right"]
            row[f"Coverage above chance, {name}"] = estimate(mean["mean"], mean["low"], mean["high"], sign=True)
        rows.append(row)
    st.dataframe(rows, hide_index=True, height="content")
    st.caption("Strata are those of the runs it was chosen from: where a reference failed, another may be right.")


def error_table(found: dict) -> None:
    """Draw the errors of each class in each run, and which way they went."""
    st.subheader("Errors by class", anchor=False)
    rows = []
    for label, first in found["runs"][0]["by_class"].items():
        row = {"Label": label, "Samples": first["n"]}
        row |= {f"Wrong, {entry['name']}": entry["by_class"][label]["wrong"] for entry in found["runs"]}
        for entry in found["against"]:
            trend = entry["by_class"][label]
            row[f"Newly wrong, {entry['name']}"], row[f"Newly right, {entry['name']}"] = trend["lost"], trend["won"]
            row[f"Share of errors, {entry['name']} - baseline"] = _difference(trend)
        rows.append(row)
    st.dataframe(rows, hide_index=True, height="content")


def _comparable(run: Run) -> list[str]:
    """Return the folders of runs over the same data that answer the same question."""
    own, here = run.settings, library.shorten(run.folder)
    same = ("class_names", "positive", "target", "dataset", "split")
    others = {folder: library.run_of(folder).settings for folder in library.folders() if folder != here}
    return [folder for folder, settings in others.items() if all(settings[key] == own[key] for key in same)]


def _first(run: Run, options: list[str]) -> list[str]:
    def differs(folder: str) -> tuple[bool, bool]:
        settings = library.run_of(folder).settings
        another = settings["classifier_digest"] != run.settings["classifier_digest"]
        return not another, settings["method"] != run.settings["method"]

    return sorted(options, key=differs)[:1]


def _named(folder: str) -> str:
    """Return what a run is called in the list; the folder tells apart two runs by one classifier."""
    run = library.run_of(folder)
    return f"{library.subject_of_run(run)} · {library.title_of_run(run)} · {folder}"


def thresholds_of(records: Records, folders: tuple[str, ...]) -> tuple[float | None, ...]:
    """Return the operating point of each run: its own where the top bar names one that validation data gave it."""
    if st.session_state.get("at") != SENSITIVITY_95:
        return (records.threshold,) * len(folders)
    points = (library.run_of(folder).settings["operating_points"] for folder in folders)
    return tuple(found.get("sensitivity_95", records.threshold) for found in points)


def rule_of(records: Records) -> str | None:
    """Return the region rule that the URL asks for, None for each run's own."""
    return records.rule if records.rule != records.run.settings["region_rule"] else None


@st.cache_data(max_entries=30, show_spinner="Comparing ...")
def _compared(
    folders: tuple[str, ...],
    digests: tuple[str, ...],
    names: tuple[str, ...],
    rule: str | None,
    thresholds: tuple[float | None, ...],
    items: str | None,
    stamp: int,
) -> dict:
    chosen = review_set.read(items) if items else None
    return compare([library.run_of(folder) for folder in folders], names, chosen, rule=rule, thresholds=thresholds)


def _row(found: dict, part: str, value: str, name: str, title: str) -> dict:
    row = {"": title}
    for entry in found["runs"]:
        figures = entry[part][name]
        ends = ("excess_low", "excess_high") if value == "excess" else ("low", "high")
        row[entry["name"]] = estimate(figures[value], *(figures[end] for end in ends), sign=value == "excess")
    for entry in found["against"]:
        row[f"{entry['name']} - baseline"] = _difference(entry[part][name])
    return row


def _difference(entry: dict) -> str:
    text = estimate(entry["difference"], entry["low"], entry["high"], sign=True)
    return f"{text}  {DIFFERS if entry['excludes_zero'] else ALIKE}" if entry["low"] is not None else text

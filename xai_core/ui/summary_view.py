"""A run in numbers on the page: where to look first, metrics, scores against chance, subgroups."""

from __future__ import annotations

import streamlit as st

from xai_core.review.records import Records
from xai_core.review.subgroups import subgroups
from xai_core.review.words import HELP, LEVELS, METRICS, estimate, help_of, reasons, title_of
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.ui import library, state
from xai_core.ui.page import EXPLORE


def look_first(records: Records) -> None:
    """Draw the sentences that say where to look first, each with its link."""
    st.subheader("Where to look first", anchor=False)
    found = library.leads_of(records)
    if not found:
        st.caption("Nothing stands out: no wrong call, no empty explanation.")
    for number, lead in enumerate(found):
        link, sentence = st.columns([1, 6], vertical_alignment="center")
        parameters = state.parameters_of(records, lead.query)
        with link.container(key=f"lead_{number}"):
            st.page_link(EXPLORE, label=f"Show {lead.count}", query_params=parameters, width="stretch")
        sentence.markdown(lead.sentence)


def metric_row(summary: dict, positive: str | None) -> None:
    """Draw the metrics of the run at the operating point, with their intervals."""
    st.subheader("Metrics", anchor=False)
    names = ["auc", "average_precision", "sensitivity", "specificity", "ece"] if positive else ["accuracy", "ece"]
    rows = []
    for name in names:
        entry = summary["metrics"][name]
        value = estimate(entry["value"], entry["low"], entry["high"])
        rows.append({"Metric": METRICS[name][0], "Value (95 %)": value})
    st.dataframe(rows, hide_index=True, height="content")
    st.caption(" ".join(f"**{METRICS[name][0]}**: {METRICS[name][1]}" for name in names))


def score_table(summary: dict) -> None:
    """Draw the mean scores with interval, chance levels and what has no score."""
    st.subheader("Agreement with the outlines", help=HELP["chance"], anchor=False)
    rows = []
    for name in SCORE_NAMES:
        entry = summary["scores"][name]
        row = {"Score": title_of(name), "Mean (95 %)": estimate(entry["mean"], entry["low"], entry["high"])}
        for level, title in LEVELS.items():
            chance = entry["chance"][level]
            excess = estimate(chance["excess"], chance["low"], chance["high"], sign=True)
            row[f"Above {title}"] = excess
        row["Records"] = f"{entry['n']:,}"
        row["Without this score"] = reasons(entry["undefined"])
        rows.append(row)
    helps = {row["Score"]: help_of(name) for name, row in zip(SCORE_NAMES, rows, strict=True)}
    st.dataframe(rows, hide_index=True, height="content")
    st.caption(" ".join(f"**{title}**: {text}" for title, text in helps.items()) + " " + HELP["excess"])
    if summary["left_out"]:
        said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in summary["left_out"].items())
        st.caption(f"Rows of the data set's lists that have no record: {said}.")


def subgroup_tables(records: Records) -> None:
    """Draw metrics by age, sex and lesion size."""
    tables = _subgroups(
        str(records.run.folder), records.run.manifest["content_digest"], records.rule, records.threshold
    )
    if not tables:
        return
    st.subheader("By group", anchor=False)
    st.caption(
        "A metric that differs between groups by more than the intervals allow is a reason to look. Larger regions are "
        "easier to hit: the last column is explanation coverage above a random place."
    )
    rows = [{"By": name} | row for name, table in tables.items() for row in _readable(table)]
    st.dataframe(rows, hide_index=True, height="content")


@st.cache_data(max_entries=50, show_spinner=False)
def _subgroups(folder: str, digest: str, rule: str, threshold: float | None) -> dict:
    return subgroups(library.records_of(library.run_of(folder), rule, threshold))


def _readable(table) -> list[dict]:
    titles = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity", "accuracy": "Accuracy"}
    rows = []
    for row in table.to_dict(orient="records"):
        shown = {"Group": row["group"], "Records": row["records"]}
        for name, title in (*titles.items(), ("excess", "Above chance")):
            if name in row:
                shown[title] = estimate(row[name], row[f"{name}_low"], row[f"{name}_high"], sign=name == "excess")
        rows.append(shown)
    return rows

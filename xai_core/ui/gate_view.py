"""The gate on the screen: what is held against what, the verdict, each rule, and the items that broke it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from xai_core.errors import BadInput
from xai_core.release import policy, review_set
from xai_core.release.gate import gate_folders
from xai_core.report.gate_page import PASSED, TITLES, agreement_text, asked_of, figure_of, html_of
from xai_core.review.records import Records
from xai_core.review.tiles import tiles
from xai_core.runs.store import Run
from xai_core.ui import components, library
from xai_core.ui.gallery_view import tile_item
from xai_core.ui.page import EXPLORE
from xai_core.ui.release_files import policies, review_sets
from xai_core.ui.state import BOUND

MOST = 60
FIRST = 8
ICONS = {True: "✓", False: "✗", None: "?"}
SHOWN = {"pass": (st.success, ":material/check_circle:"), "incomplete": (st.warning, ":material/help:")}
FAILED = (st.error, ":material/block:")


def choose(run: Run) -> tuple[str | None, str | None, str | None]:
    """Return review set, policy and baseline that were chosen, None where there is none."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="gate_controls"):
        chosen = [
            _file("Review set", "review_set", review_sets(), "Frozen items, from `review-set`."),
            _file("Policy", "policy", policies(), "The rules; sample_data/policy.toml explains each."),
        ]
        others = [folder for folder in library.folders() if folder != library.shorten(run.folder)]
        _keep("baseline", others)
        help_ = "The run of the classifier in use: rules of non-inferiority compare with it."
        baseline = st.selectbox(
            "Baseline", others, index=None, key="baseline", bind=BOUND, placeholder="none", help=help_, width=300
        )
    return (*chosen, baseline)


def _file(label: str, key: str, options: list[str], help_: str) -> str | None:
    _keep(key, options)
    return st.selectbox(label, options, key=key, bind=BOUND, placeholder="none found", help=help_, width=300)


def _keep(key: str, options: list[str]) -> None:
    """Drop a choice that is no more, before its widget is drawn."""
    if st.session_state.get(key) not in (None, *options):
        del st.session_state[key]


def judged(run: Run, items: str, rules: str, baseline: str | None) -> dict | None:
    """Return the gate's result, None where the review set or the policy cannot be read: the page then says why."""
    here, verdicts = library.shorten(run.folder), library.verdicts()
    try:
        stamps = [_stamp(folder) for folder in (here, baseline) if folder]
        digests = (policy.read(rules).sha256, review_set.read(items).sha256)
        return _judged(
            here, items, rules, baseline, (*digests, *stamps, verdicts.version(run.manifest["content_digest"]))
        )
    except BadInput as error:
        st.error(str(error))
        return None


@st.cache_data(max_entries=50, show_spinner="Judging ...")
def _judged(run: str, items: str, rules: str, baseline: str | None, changed: tuple) -> dict:
    """Return the gate's result; `changed` tells what is cached from what has changed since."""
    return gate_folders(run, review_set.read(items), policy.read(rules), baseline=baseline, verdicts=library.verdicts())


def _stamp(folder: str) -> tuple:
    files = (file for pattern in ("*.json", "*.parquet", "*/*.parquet") for file in Path(folder).glob(pattern))
    return tuple(sorted((str(file), (found := file.stat()).st_mtime_ns, found.st_size) for file in files))


def verdict_view(result: dict) -> None:
    """Draw the verdict, what is missing, and what to know."""
    draw, icon = SHOWN.get(result["verdict"], FAILED)
    failed = sum(rule["passed"] is False for rule in result["rules"])
    undecided = sum(rule["passed"] is None for rule in result["rules"])
    counts = f"{len(result['rules'])} rules, {failed} failed, {undecided} not decided"
    draw(f"## {TITLES[result['verdict']]}\n{counts}; {result['review_set']['items']} items", icon=icon)
    if result["missing"]:
        _lines("Missing", result["missing"])
    for warning in result["warnings"]:
        st.caption(f":material/warning: {_plain(warning)}")


def rules_view(result: dict) -> None:
    """Draw each rule with its figure, interval and threshold."""
    rows = [
        {
            "": ICONS[rule["passed"]],
            "Outcome": PASSED[rule["passed"]],
            "Rule": _plain(rule["name"]),
            "Figure, 95 % interval": _plain(figure_of(rule)),
            "Asked": asked_of(rule),
            "Items that broke it": str(len(rule["items"]) or ""),
            "Remark": _plain(rule["message"]),
        }
        for rule in result["rules"]
    ]
    st.table(rows, border="horizontal", hide_index=True, alt="Each rule of the policy and what became of it")
    for pair in result["people"]["agreement"] if result["people"] else []:
        st.caption(_plain(agreement_text(pair)))


def broken_items(records: Records, result: dict) -> None:
    """Draw the items that broke the rule chosen; one that is opened is shown in Explore."""
    broken = {rule["name"]: rule["items"] for rule in result["rules"] if rule["items"]}
    if not broken:
        return
    st.subheader("Items that broke a rule", anchor=False)
    _keep("rule_broken", list(broken))
    name = st.selectbox("Rule", list(broken), key="rule_broken", bind=BOUND, width=640)
    ids = [sample_id for sample_id in broken[name] if records.position(sample_id) is not None]
    shown = ids[:MOST]
    st.caption(f"{len(ids)} items, the worst first" + (f"; the first {MOST} are shown" if len(ids) > MOST else ""))
    pictures = {tile.sample_id: tile for tile in tiles(records.run, records.rule, shown)}
    rows = [records.table.iloc[records.position(sample_id)].to_dict() for sample_id in shown]
    items = [tile_item(row, pictures[row["sample_id"]], "excess_explanation_coverage", None) for row in rows]
    components.gallery(items, key="broken", on_open=lambda sample_id: st.session_state.update(to_explore=sample_id))
    if sample_id := st.session_state.pop("to_explore", None):
        st.switch_page(EXPLORE, query_params={"run": library.shorten(records.run.folder), "case": sample_id})


def downloads(result: dict) -> None:
    """Draw the buttons that hand out the result."""
    import json

    with st.container(horizontal=True):
        text = json.dumps(result, indent=1, ensure_ascii=False)
        st.download_button("Result as JSON", text, "gate.json", "application/json", on_click="ignore")
        st.download_button("Result as HTML", html_of(result), "gate.html", "text/html", on_click="ignore")


def _lines(title: str, lines: list[str]) -> None:
    st.markdown("\n".join([f"**{title}**", "", *(f"- {_plain(line)}" for line in lines[:FIRST])]))
    if len(lines) > FIRST:
        with st.expander(f"{len(lines) - FIRST} more"):
            st.markdown("\n".join(f"- {_plain(line)}" for line in lines[FIRST:]))


def _plain(text: str) -> str:
    """Return text as Markdown that shows it as it is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-!|~$:" else c for c in text)

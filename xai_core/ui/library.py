"""What is loaded: runs, their records at an operating point, their summaries; each read once and shared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from xai_core.errors import BadInput
from xai_core.language import matrix
from xai_core.language.store import MANIFEST, Judgements, folder_of, names, open_judgements
from xai_core.release import reliance, trust
from xai_core.review import words
from xai_core.review.leads import Lead, leads
from xai_core.review.records import Joined, Records, join
from xai_core.review.verdicts import Verdicts
from xai_core.review.words import subject_of_run as subject_of_run
from xai_core.runs.store import Run, open_run

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data" / "runs"
HOME = Path("runs")
DEPTH = 3
MEASURED = "measured"


@st.cache_resource(ttl=5, show_spinner=False)
def folders() -> tuple[str, ...]:
    """Return the folders of all finished runs under runs/ and of the sample, relative to here where they can be.

    One that cannot be opened is left out: asked for by name, it says why.
    """
    found = dict.fromkeys(shorten(manifest.parent) for root in (HOME, SAMPLE) for manifest in _manifests(root))
    return tuple(folder for folder in found if _opens(folder))


def runs_in(folder: str) -> tuple[str, ...]:
    """Return the runs in a folder that a person named: itself, or those below it.

    Raises
    ------
    BadInput
        Where there is none.
    """
    found = tuple(shorten(manifest.parent) for manifest in _manifests(Path(folder).expanduser()))
    if not found:
        open_run(Path(folder).expanduser())
    return found


def shorten(folder: Path) -> str:
    """Return a folder as text, relative to here where it lies below."""
    folder, here = folder.resolve(), Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def run_of(folder: str) -> Run:
    """Return a run; BadInput where there is none."""
    manifest = Path(folder) / "run.json"
    return _open(folder, manifest.stat().st_mtime_ns if manifest.exists() else 0)


def records_of(run: Run, rule: str | None, threshold: float | None, judge: str | None = None) -> Records:
    """Return a run's records under a region rule at an operating point.

    Where a judge is named they have what it said as columns more: ``judged`` and ``judge_score``.
    """
    own = (str(run.folder), run.manifest["content_digest"], rule or run.settings["region_rule"], threshold)
    return _records(*own) if judge is None else _judged(*own, judge, _stamp(run, judge))


def judges_of(run: Run) -> list[str]:
    """Return the names of a run's judgements that can be read, the measured ones first."""
    return sorted((name for name in names(run) if not _fault(run, name)), key=lambda name: (name != MEASURED, name))


def damaged_judges(run: Run) -> dict[str, str]:
    """Return why finished judgements of a run cannot be read, by their name."""
    return {name: fault for name in names(run) if (fault := _fault(run, name))}


def judge_of(run: Run) -> str | None:
    """Return whose judgements the URL, or else the session, names; the first there are where neither does."""
    known = judges_of(run)
    asked = st.query_params.get("judge") or st.session_state.get("judge_name")
    return asked if asked in known else next(iter(known), None)


def judgements_of(run: Run, judge: str) -> tuple[Judgements, pd.DataFrame]:
    """Return a run's judgements under a name, and their table."""
    return _judgements(str(run.folder), run.manifest["content_digest"], judge, _stamp(run, judge))


def leads_of(records: Records) -> list[Lead]:
    """Return where to look first in a run."""
    run = records.run
    return _leads(str(run.folder), run.manifest["content_digest"], records.rule, records.threshold)


def summary_of(records: Records) -> dict:
    """Return a run's summary under the region rule and at the operating point of its records."""
    run = records.run
    return _summary(str(run.folder), run.manifest["content_digest"], records.rule, records.threshold)


def title_of_run(run: Run) -> str:
    """Return what a run is called: explainer and target, and in brackets what has to be known before it is believed."""
    title, caveat = words.title_of_run(run), mark_of(run).partition(":")[0]
    return f"{title} ({caveat})" if caveat else title


def mark_of(run: Run) -> str:
    """Return what has to stand beside a run's name (`trust.mark`), '' where nothing has."""
    return _mark(str(run.folder), run.manifest["content_digest"], _probed(run))


def trust_of(run: Run) -> dict | None:
    """Return what probing a run gave, None where it was not probed or the figures do not fit it."""
    return _trust(str(run.folder), run.manifest["content_digest"], _probed(run))


def siblings_of(run: Run) -> dict[str, Run]:
    """Return the other runs over the same data by the same classifier, by their folder."""
    same = ("dataset", "classifier_digest", "split")
    found = {folder: run_of(folder) for folder in folders() if folder != shorten(run.folder)}
    return {
        folder: other
        for folder, other in found.items()
        if all(other.settings[key] == run.settings[key] for key in same)
    }


def verdicts() -> Verdicts:
    """Return the verdicts of this working directory."""
    return _verdicts(str(Path("verdicts.sqlite").absolute()))


def _opens(folder: str) -> bool:
    try:
        run_of(folder)
    except (BadInput, OSError):
        return False
    return True


def _manifests(root: Path) -> list[Path]:
    found = (manifest for depth in range(DEPTH) for manifest in root.glob("*/" * depth + "run.json"))
    return sorted(found, key=lambda path: (path.parent.parent, path.parent.name != "predicted", path.parent.name))


@st.cache_resource(max_entries=200, show_spinner=False)
def _open(folder: str, changed: int) -> Run:
    return open_run(folder)


@st.cache_resource(max_entries=6, show_spinner="Reading the run ...")
def _joined(folder: str, digest: str, rule: str) -> Joined:
    return join(open_run(folder), rule)


@st.cache_resource(max_entries=24, show_spinner=False)
def _records(folder: str, digest: str, rule: str, threshold: float | None) -> Records:
    return Records(_joined(folder, digest, rule), threshold)


@st.cache_resource(max_entries=12, show_spinner=False)
def _judged(folder: str, digest: str, rule: str, threshold: float | None, judge: str, stamp: int) -> Records:
    records = Records(_joined(folder, digest, rule), threshold)
    records.table = matrix.joined(records.table, _judgements(folder, digest, judge, stamp)[1])
    return records


@st.cache_resource(max_entries=24, show_spinner=False)
def _judgements(folder: str, digest: str, judge: str, stamp: int) -> tuple[Judgements, pd.DataFrame]:
    found = open_judgements(open_run(folder), judge)
    return found, found.table()


def _fault(run: Run, judge: str) -> str:
    """Return why judgements cannot be read, '' where they can."""
    try:
        judgements_of(run, judge)
    except (BadInput, OSError) as error:
        return str(error)
    return ""


def _stamp(run: Run, judge: str) -> int:
    return (folder_of(run, judge) / MANIFEST).stat().st_mtime_ns


@st.cache_data(max_entries=100, show_spinner=False)
def _leads(folder: str, digest: str, rule: str, threshold: float | None) -> list[Lead]:
    return leads(_records(folder, digest, rule, threshold))


@st.cache_data(max_entries=100, show_spinner="Summing up ...")
def _summary(folder: str, digest: str, rule: str, threshold: float | None) -> dict:
    from xai_core.runs.summary import summarise

    return summarise(open_run(folder), rule=rule, threshold=threshold)


def _probed(run: Run) -> int:
    path = run.folder / trust.FILE
    return path.stat().st_mtime_ns if path.exists() else 0


@st.cache_data(max_entries=200, show_spinner=False)
def _mark(folder: str, digest: str, probed: int) -> str:
    return trust.mark(open_run(folder))


@st.cache_data(max_entries=20, show_spinner=False)
def _trust(folder: str, digest: str, probed: int) -> dict | None:
    try:
        return trust.read(open_run(folder))
    except BadInput:
        return None


def reliance_of(run: Run) -> dict | None:
    """Return on what a run's classifier relies, None where it was not measured or the figures do not fit it."""
    try:
        return reliance.read(run)
    except BadInput:
        return None


@st.cache_resource(show_spinner=False)
def _verdicts(path: str) -> Verdicts:
    return Verdicts(path)

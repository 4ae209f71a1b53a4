"""A report in one file: what runs say of a classifier, with every case, for readers who have nothing but a browser.

The file loads nothing and asks nobody: its policy forbids both. Data stand in it as JSON, and its script makes text of
them, never markup. The same input gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.files import write_atomic
from xai_core.report import page_cases, page_sections
from xai_core.review.records import Records, join
from xai_core.review.verdicts import Verdicts
from xai_core.review.words import NO_DIAGNOSIS, SYNTHETIC
from xai_core.runs.store import Run

HERE = Path(__file__).parent
MOST_CASES = 500


def write(
    runs: Sequence[Run],
    out: str | Path,
    gate: dict | None = None,
    cases: int = MOST_CASES,
    *,
    threshold: float | None = None,
    verdicts: Verdicts | None = None,
) -> Path:
    """Return `out` after writing the report of runs to it, one HTML file; parameters as in `text_of`."""
    text = text_of(runs, gate, cases, threshold=threshold, verdicts=verdicts)
    return write_atomic(Path(out), lambda temporary: temporary.write_text(text, encoding="utf-8"))


def text_of(
    runs: Sequence[Run],
    gate: dict | None = None,
    cases: int = MOST_CASES,
    *,
    threshold: float | None = None,
    verdicts: Verdicts | None = None,
) -> str:
    """Return the report of runs as HTML.

    Parameters
    ----------
    runs : sequence of Run
        The first gives the cases and their order; others stand beside it where they have the same images.
    gate : dict, optional
        What `release.gate` decided.
    cases : int
        At most so many, the worst first: wrong calls, then the lowest explanation coverage.
    threshold : float, optional
        Operating point; each run's own by default.
    verdicts : Verdicts, optional
        What people said about the records.

    Raises
    ------
    BadInput
        Where there is no run, or `gate` is no gate's result.
    """
    if not runs:
        raise BadInput(where="report", expected="a run", found="none", remedy="name one or more runs")
    records = [Records(join(run), threshold) for run in runs]
    names = page_sections.names_of(runs)
    shown = page_cases.cases_of(records, cases, verdicts)
    left = len(records[0]) - len(shown)
    data = {
        "title": page_sections.title_of_report(runs),
        "sentence": page_sections.sentence_of(records),
        "sections": page_sections.sections_of(records, names, gate),
        "runs": [
            {"name": name, **page_cases.drawing_of(record.run)} for name, record in zip(names, records, strict=True)
        ],
        "sorts": page_cases.SORTS,
        "choices": page_cases.choices_of(records, shown),
        "cases": shown,
        "left_out": _left_out(len(shown), left),
        "hint": page_cases.HINT.format(side=page_cases.side_of(len(runs))),
        "foot": f"{SYNTHETIC} {NO_DIAGNOSIS}" if runs[0].settings["synthetic"] else NO_DIAGNOSIS,
    }
    return _filled(data)


def _left_out(shown: int, left: int) -> str:
    order = "The worst first: wrong calls, then the lowest explanation coverage; cases without a score last of each."
    if not left:
        return f"All {shown} records. {order}"
    return f"{order} {shown} of {shown + left} records are in this file; the {left} last in that order were left out."


def _filled(data: dict) -> str:
    """Return the page around its data; its policy allows this very script and style, and nothing else."""
    style, script, page = ((HERE / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js", "html"))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_fingerprint(style)}'; script-src '{_fingerprint(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    pieces = {
        "policy": policy,
        "title": html.escape(data["title"]),
        "style": style,
        "data": _as_json(data),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: pieces[mark[1]], page)


def _as_json(data: dict) -> str:
    """Return data as JSON in ASCII without a character that could end or begin markup."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _fingerprint(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"

"""What a search over pathways found, as a row for each pathway: means over seeds with their intervals."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence

from xai_core.files import sealed
from xai_core.scores import intervals
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.training import PATHWAYS

FORMAT = "right-reasons pathways 1"
METRICS = ("auc", "balanced_accuracy", "accuracy")
INTERVAL = "Student's t over the seeds, 95 %"


def outcome(settings: Mapping, judged_by: str, padding: Mapping, cells: Mapping[str, Sequence[dict]]) -> dict:
    """Return the outcome of a search as plain JSON values, with a sha256 over the rest.

    Parameters
    ----------
    settings : mapping
        What was asked for.
    judged_by : str
        One of `METRICS`.
    padding : mapping
        ``chosen`` and what it was chosen by.
    cells : mapping
        {pathway: [{``seed``, ``stages``: [{``found``: {validation, test: {a, b: {metric: value or None}}}}],
        ``scores``: {a, b: {score: {mean, excess}}}}]}.
    """
    rows = {pathway: _row(pathway, found) for pathway, found in cells.items()}
    means = {name: row["validation"][judged_by]["both"]["value"] for name, row in rows.items()}
    known = {name: mean for name, mean in means.items() if mean is not None}
    content = {
        "format": FORMAT,
        "settings": dict(settings),
        "judged_by": judged_by,
        "interval": INTERVAL,
        "padding": dict(padding),
        "pathways": rows,
        "best": max(known, key=known.get) if known else None,
    }
    return sealed(content)


def _row(pathway: str, cells: Sequence[dict]) -> dict:
    """Return a pathway's means over seeds.

    ``validation`` and ``test``: {metric: {a, b, both}}, of the last model. ``forgetting``: {metric: {a, b}}, on the
    test parts: the last model minus the one after the first stage on that data set; negative where it forgot. None
    where the pathway ends with that stage, or never had it alone.
    """
    lasts = [cell["stages"][-1]["found"] for cell in cells]
    return {
        "seeds": [cell["seed"] for cell in cells],
        **{
            split: {m: _on_both([last[split] for last in lasts], m) for m in METRICS}
            for split in ("validation", "test")
        },
        "forgetting": {m: {name: _forgetting(pathway, cells, name, m) for name in "ab"} for m in METRICS},
        "scores": {name: {score: _scores(cells, name, score) for score in SCORE_NAMES} for name in "ab"},
    }


def _on_both(found: Sequence[dict], metric: str) -> dict:
    a, b = ([each[name][metric] for each in found] for name in "ab")
    both = [None if None in pair else sum(pair) / 2 for pair in zip(a, b, strict=True)]
    return {"a": _over_seeds(a), "b": _over_seeds(b), "both": _over_seeds(both)}


def _forgetting(pathway: str, cells: Sequence[dict], name: str, metric: str) -> dict | None:
    trail = PATHWAYS[pathway]
    if name not in trail[:-1]:
        return None
    first = trail.index(name)

    def of_stage(cell: dict, stage: int) -> float | None:
        return cell["stages"][stage]["found"]["test"][name][metric]

    pairs = [(of_stage(cell, -1), of_stage(cell, first)) for cell in cells]
    return _over_seeds([None if None in pair else pair[0] - pair[1] for pair in pairs])


def _scores(cells: Sequence[dict], name: str, score: str) -> dict:
    return {part: _over_seeds([cell["scores"][name][score][part] for cell in cells]) for part in ("mean", "excess")}


def _over_seeds(values: Sequence[float | None]) -> dict:
    import numpy as np

    return intervals.student(np.array(values, float)).as_dict()


def columns(judged_by: str) -> dict[str, Callable[[dict], dict | None]]:
    """Return the columns of the table: heading -> what finds its estimate in a row."""
    named = {
        f"{judged_by} on A": lambda row: row["test"][judged_by]["a"],
        f"{judged_by} on B": lambda row: row["test"][judged_by]["b"],
        f"mean {judged_by}": lambda row: row["test"][judged_by]["both"],
        "mean accuracy": lambda row: row["test"]["accuracy"]["both"],
        "forgetting on A": lambda row: row["forgetting"][judged_by]["a"],
        "forgetting on B": lambda row: row["forgetting"][judged_by]["b"],
    }
    for name in "ab":
        found = (lambda row, n=name: row["scores"][n]["explanation_coverage"]["mean"],
                 lambda row, n=name: row["scores"][n]["explanation_coverage"]["excess"])  # fmt: skip
        named |= {f"explanation coverage on {name.upper()}": found[0], f"its excess on {name.upper()}": found[1]}
    return named


def as_csv(found: Mapping) -> str:
    """Return the table as CSV: for each column the mean over seeds and the ends of its interval."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    named = columns(found["judged_by"])
    table.writerow(
        ["pathway", "padding", "seeds", *(f"{name}{end}" for name in named for end in ("", ", low", ", high"))]
    )
    for pathway, row in found["pathways"].items():
        cells = [cell for find in named.values() for cell in _ends(find(row))]
        table.writerow([pathway, found["padding"]["chosen"], len(row["seeds"]), *cells])
    return file.getvalue()


def _ends(estimate: dict | None) -> Iterator[float | str]:
    for key in ("value", "low", "high"):
        yield "" if estimate is None or estimate[key] is None else estimate[key]

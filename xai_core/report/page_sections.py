"""What a report says beside its cases: limits, where to look, metrics, scores, patterns, groups, gate, settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from xai_core.report.page_card import cards_of
from xai_core.report.page_gate import gate_section
from xai_core.report.page_trust import trust_parts
from xai_core.review.leads import leads
from xai_core.review.records import Records
from xai_core.review.subgroups import subgroups
from xai_core.review.words import (
    HELP,
    LEVELS,
    METRICS,
    NO_DIAGNOSIS,
    PATTERN_TITLES,
    SYNTHETIC,
    estimate,
    reasons,
    subject_of_run,
    title_of,
    title_of_run,
)
from xai_core.runs.store import Run
from xai_core.runs.summary import summarise
from xai_core.scores import intervals
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.scores.patterns import MEANING

GROUP_FIGURES = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity", "accuracy": "Accuracy"}


def names_of(runs: Sequence[Run]) -> list[str]:
    """Return a name for each run, all different: explainer and target, and as much more as that takes."""
    titles = [title_of_run(run) for run in runs]
    classifiers = [run.settings["classifier"].partition("?")[0].rstrip("/").rpartition("/")[2] for run in runs]
    whose = [f"{of}: {title}" for of, title in zip(classifiers, titles, strict=True)]
    numbered = [f"{name} ({number})" for number, name in enumerate(whose, 1)]
    return next(names for names in (titles, whose, numbered) if len(set(names)) == len(names))


def title_of_report(runs: Sequence[Run]) -> str:
    """Return what a report is called."""
    return f"Right Reasons: {subject_of_run(runs[0])}"


def sentence_of(records: Sequence[Records]) -> str:
    """Return what a reader looks at."""
    first = records[0]
    kind = "synthetic images" if first.run.settings["synthetic"] else "images"
    beside = "" if len(records) == 1 else f" {len(records)} runs stand side by side."
    return (
        "How far the explanations of a classifier's answers agree with the outlines that people drew on "
        f"{len(first):,} {kind}.{beside}"
    )


def sections_of(records: Sequence[Records], names: Sequence[str], gate: dict | None) -> list[dict]:
    """Return the sections around the cases: ``id``, ``title``, ``parts`` (page.js, `drawPart`), ``after`` the cases."""
    summaries = [summarise(one.run, rule=one.rule, threshold=one.threshold) for one in records]
    runs = [one.run for one in records]
    sections = [
        _section("limits", "What this is, and what it is not", _limits(records)),
        *([gate_section(gate, runs, names)] if gate is not None else []),
        _section("look-first", "Where to look first", _look_first(records, names)),
        _section("metrics", "Metrics", _metrics(summaries, names)),
        _section("scores", "Agreement with the outlines", _scores(summaries, names)),
        _section("patterns", "Patterns", [_patterns(summaries, names)]),
        _section("trust", "Is the explanation itself to be trusted?", trust_parts(runs, names)),
        _section("groups", "By group", _groups(records, names)),
        _section("card", "Model card", cards_of(runs)) | {"after": True},
        _section("settings", "Settings and digests", list(_settings(records, names))) | {"after": True},
    ]
    return [section for section in sections if section["parts"]]


def _section(key: str, title: str, parts: list[dict]) -> dict:
    return {"id": key, "title": title, "parts": parts}


def _limits(records: Sequence[Records]) -> list[dict]:
    settings = [one.run.settings for one in records]
    points = [
        NO_DIAGNOSIS,
        "Scores say how far an explanation lies inside a region that a person outlined. They do not say that the "
        "person was right, nor that the classifier would answer otherwise without that region.",
        "A score says something only above what chance would give: a large region is easily hit.",
        "Intervals are of 95 %, over these records. They do not cover other cameras, clinics or people.",
        "The figures hold at one operating point, one rule that takes regions from maps, and the settings at the end.",
        "This file holds the images and whatever people noted about them: treat it with the care that the data need.",
    ]
    if any(one["synthetic"] for one in settings):
        points.insert(0, SYNTHETIC)
    return [{"list": points}]


def _look_first(records: Sequence[Records], names: Sequence[str]) -> list[dict]:
    parts = []
    for one, name in zip(records, names, strict=True):
        found = [lead.sentence for lead in leads(one)] or ["Nothing stands out: no wrong call, no empty explanation."]
        parts += [{"heading": name}, {"list": found}]
    return parts


def _metrics(summaries: Sequence[dict], names: Sequence[str]) -> list[dict]:
    """Return one column for all runs with the same answers."""
    there = [name for name in METRICS if any(s["metrics"].get(name, {}).get("value") is not None for s in summaries)]
    columns: dict[tuple, list[str]] = {}
    for summary, name in zip(summaries, names, strict=True):
        entries = [summary["metrics"].get(metric, {}) for metric in there]
        cells = [estimate(entry.get("value"), entry.get("low"), entry.get("high")) for entry in entries]
        columns.setdefault((*cells, _point(summary), f"{summary['samples']:,}"), []).append(name)
    titles = ["All runs"] if len(columns) == 1 else [", ".join(of) for of in columns.values()]
    rows = [[METRICS[name][0], *(cells[k] for cells in columns), METRICS[name][1]] for k, name in enumerate(there)]
    rows.append(["Operating point", *(cells[-2] for cells in columns), HELP["operating_point"]])
    rows.append(["Records", *(cells[-1] for cells in columns), "Without an answer or a label: left out above."])
    return [_table("Metrics with 95 % intervals", ["Metric", *titles, "What it says"], rows)]


def _point(summary: dict) -> str:
    if summary["positive"] is None:
        return "the largest probability"
    return f"{summary['positive']} from {summary['threshold']:.3g}"


def _scores(summaries: Sequence[dict], names: Sequence[str]) -> list[dict]:
    parts: list[dict] = [{"text": HELP["chance"]}, {"list": [f"{title_of(n)}: {HELP[n]}" for n in SCORE_NAMES]}]
    levels = (f"Chance, {title}; excess" for title in LEVELS.values())
    head = ["Score", "Mean (95 %)", *levels, "Records", "Without this score"]
    for summary, name in zip(summaries, names, strict=True):
        rows = [[title_of(score), *_score_cells(summary["scores"][score])] for score in SCORE_NAMES]
        parts += [{"heading": name}, _table(f"{name}: scores, chance levels and excess over them", head, rows)]
        entry = summary["stability"]
        if entry["mean"] is not None:
            stability = estimate(entry["mean"], entry["low"], entry["high"])
            parts.append({"text": f"Stability {stability}. {HELP['stability']}"})
    return parts


def _score_cells(entry: dict) -> list[str]:
    cells = [estimate(entry["mean"], entry["low"], entry["high"])]
    for level in LEVELS:
        chance = entry["chance"][level]
        mean = "undefined" if chance["mean"] is None else f"{chance['mean']:.3f}"
        cells.append(f"{mean}; {estimate(chance['excess'], chance['low'], chance['high'], sign=True)}")
    return [*cells, f"{entry['n']:,}", reasons(entry["undefined"]) or "none"]


def _patterns(summaries: Sequence[dict], names: Sequence[str]) -> dict:
    rows = []
    for key in summaries[0]["patterns"]:
        counts = [_share(summary["patterns"][key], sum(summary["patterns"].values())) for summary in summaries]
        rows.append([PATTERN_TITLES[key], *counts, MEANING[key]])
    without = (f"{summary['without_pattern']:,}" for summary in summaries)
    rows.append([PATTERN_TITLES[""], *without, "Without an outline or without a label."])
    return _table("Records by pattern, share with 95 % interval", ["Pattern", *names, "What it says"], rows)


def _share(count: int, total: int) -> str:
    interval = intervals.wilson(count, total)
    return f"{count:,}" if interval is None else f"{count:,}, {estimate(count / total, *interval)}"


def _groups(records: Sequence[Records], names: Sequence[str]) -> list[dict]:
    parts = []
    for one, name in zip(records, names, strict=True):
        tables = subgroups(one)
        rows = [[f"{by}: {row['group']}", *_group_cells(row)] for by, table in tables.items() for row in _rows(table)]
        if rows:
            figures = [title for key, title in GROUP_FIGURES.items() if key in _rows(next(iter(tables.values())))[0]]
            head = ["Group", "Records", *figures, "Explanation coverage above chance"]
            parts += [{"heading": name}, _table(f"{name}: metrics and excess by group", head, rows)]
    return parts


def _rows(table) -> list[dict]:
    return table.to_dict(orient="records")


def _group_cells(row: dict) -> list[str]:
    figures = [estimate(row[key], row[f"{key}_low"], row[f"{key}_high"]) for key in GROUP_FIGURES if key in row]
    return [f"{row['records']:,}", *figures, estimate(row["excess"], row["excess_low"], row["excess_high"], sign=True)]


def _settings(records: Sequence[Records], names: Sequence[str]) -> Iterator[dict]:
    for one, name in zip(records, names, strict=True):
        manifest = one.run.manifest
        stated = {
            "content_digest": manifest["content_digest"],
            "records_sha256": manifest["records"]["sha256"],
            "created": manifest["created"],
            "samples": manifest["samples"],
            "errors": manifest["errors"],
            "left_out": manifest.get("left_out", {}),
            "region_rule_of_this_report": one.rule,
            "threshold_of_this_report": one.threshold,
            **one.run.settings,
        }
        rows = [[key, value if isinstance(value, str) else json.dumps(value)] for key, value in stated.items()]
        yield {"folded": name, "parts": [_table(f"{name}: settings and digests", ["Setting", "Value"], rows)]}


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> dict:
    return {"table": {"caption": caption, "head": list(head), "rows": [list(row) for row in rows]}}

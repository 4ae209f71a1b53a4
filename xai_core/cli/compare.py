"""``compare RUN RUN ...``: how classifiers differ on the same samples, each against the first, the baseline."""

from __future__ import annotations

import argparse

from xai_core.cli.output import interval, number, print_json, table
from xai_core.errors import BadInput

SHOWN = 10
MOST_CLASSES = 12
MARK = {True: "*", False: ""}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="two or more runs' folders, the baseline first")
    parser.add_argument("--names", help="what to call the runs, separated by commas; their classifiers' names without")
    parser.add_argument("--review-set", metavar="FILE", help="a file of `review-set`: its items by stratum as well")
    parser.add_argument("--rule", help="region rule for all; each explainer's own without")
    parser.add_argument("--drift", action="store_true", help="also how alike the maps are to the baseline's")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the comparison is printed."""
    from xai_core.release import review_set
    from xai_core.release.compare import compare
    from xai_core.runs import open_run

    chosen = review_set.read(options.review_set) if options.review_set else None
    names = options.names.split(",") if options.names else None
    if names and len(names) != len(options.runs):
        raise BadInput(
            where="--names", expected=f"{len(options.runs)} names", found=str(len(names)), remedy="name each run once"
        )
    found = compare(
        [open_run(each) for each in options.runs], names, chosen, rule=options.rule, with_drift=options.drift
    )
    if options.json:
        print_json(found)
    else:
        print(as_text(found))
    return 0


def as_text(found: dict) -> str:
    """Return a comparison as a page of text."""
    lines = [
        f"{found['samples']} samples that all runs share; each run against {found['baseline']}; "
        "* marks a 95 % interval without 0",
        *(f"  note: {remark}" for remark in found["remarks"]),
    ]
    names = [entry["name"] for entry in found["runs"]]
    for title, part, value in (("metrics", "metrics", "value"), ("scores above a random place", "alignment", "excess")):
        lines += ["", title, _table(found, part, value, names)]
    lines += ["", "confidence, mean", _table(found, "confidence", "mean", names)]
    lines += ["", "errors by class", *_errors(found)]
    for entry in found["against"]:
        lines += [
            "",
            f"{entry['name']} against {found['baseline']}",
            *_movers(entry["movers"], found["moved"]),
            *_drift(entry),
        ]
    if found["review_set"]:
        lines += ["", *_review_set(found["review_set"], names)]
    return "\n".join(lines)


def _table(found: dict, part: str, value: str, names: list[str]) -> str:
    rows = []
    many = len(found["runs"][0]["by_class"]) > MOST_CLASSES
    for name in found["runs"][0][part]:
        if many and name.startswith("label "):
            continue
        row = [name, *(number(entry[part][name][value]) for entry in found["runs"])]
        rows.append(row + [_difference(entry[part][name]) for entry in found["against"]])
    return table(("", *names, *(f"{name} - {names[0]}" for name in names[1:])), rows)


def _difference(entry: dict) -> str:
    if entry["difference"] is None:
        return "-"
    within = interval(entry["low"], entry["high"])
    text = f"{entry['difference']:+.3f}" + (f" ({within})" if within else "") + MARK[entry["excludes_zero"]]
    return text + (f", {entry['left_out']} pairs undefined" if entry.get("left_out") else "")


def _errors(found: dict) -> list[str]:
    rows = []
    for label, first in found["runs"][0]["by_class"].items():
        counts = [entry["by_class"][label]["wrong"] for entry in found["runs"]]
        changes = [entry["by_class"][label] for entry in found["against"]]
        shifts = [f"{each['lost']} lost, {each['won']} won: {_difference(each)}" for each in changes]
        rows.append((label, first["n"], *counts, *shifts))
    names = [entry["name"] for entry in found["runs"]]
    if len(rows) > MOST_CLASSES:
        return [f"  {len(rows)} classes: --json has each"]
    return [table(("", "samples", *names, *(f"{name}, share of errors" for name in names[1:])), rows)]


def _movers(movers: dict, moved: float) -> list[str]:
    from xai_core.release.movers import LISTS

    lines = []
    for name, title in LISTS.items():
        entries = movers[name]
        ids = [f"{e['id']} {'-' if e['change'] is None else format(e['change'], '+.2f')}" for e in entries[:SHOWN]]
        more = f", and {len(entries) - SHOWN} more" if len(entries) > SHOWN else ""
        lines.append(f"  {title.lower()}: {len(entries)}" + (f": {', '.join(ids)}{more}" if ids else ""))
    undefined = ", ".join(f"{n} {reason}" for reason, n in movers["undefined"].items())
    lines.append(
        f"  right in both and moved by less than {moved:g}: {movers['stayed']}; no change to speak of: "
        f"{undefined or 'none'} (moved: explanation coverage above chance changed by {moved:g} or more)"
    )
    return lines


def _drift(entry: dict) -> list[str]:
    from xai_core.release.drift import MEASURES

    if "drift" not in entry:
        return []
    means = ((name, entry["drift"][name]) for name in MEASURES)
    said = (f"{name} {number(mean['mean'])} ({interval(mean['low'], mean['high'])})" for name, mean in means)
    return [f"  likeness of the maps, mean: {', '.join(said)}"]


def _review_set(found: dict, names: list[str]) -> list[str]:
    rows = []
    for stratum, entries in found["strata"].items():
        cells = [
            f"{entries[name]['right']} of {entries[name]['items']} right, {_excess(entries[name])}" for name in names
        ]
        rows.append((stratum, *cells))
    problems = [
        f"  {name}: {len(lines)} problems, the first: {lines[0]}" for name, lines in found["problems"].items() if lines
    ]
    return [f"review set, {found['items']} items", table(("", *names), rows), *problems]


def _excess(entry: dict) -> str:
    mean = entry["excess_explanation_coverage"]["mean"]
    return "no score" if mean is None else f"coverage above chance {mean:+.3f}"

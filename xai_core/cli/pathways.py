"""``pathways A B``: which padding, and which order of two data sets, gives a classifier that serves both."""

from __future__ import annotations

import argparse
from pathlib import Path

from xai_core.cli.data import add_data, folder, positive_int, workers
from xai_core.cli.output import Progress, number, print_json, say, table
from xai_core.cli.train import add_recipe, recipe_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command: those of a recipe, but for what is searched for."""
    from xai_core.training import PATHWAYS

    add_data(parser)
    add = parser.add_argument
    add("then", metavar="DATA_B", help="the data set B; DATA is A")
    add("--out", required=True, type=folder, metavar="DIR", help="the search's folder")
    add("--seeds", type=positive_int, default=3, metavar="N", help="trainings along each pathway: seeds 0 to N - 1 (3)")
    add("--pathway", action="append", choices=PATHWAYS, metavar="NAME", help=f"one of {', '.join(PATHWAYS)} (all)")
    add("--limit", type=positive_int, metavar="N", help="explain at most N samples of each test part")
    add("--workers", type=workers, default=2, help="processes that prepare images (2)")
    add_recipe(parser, leave_out=("pathway", "seed"))
    add("--resume", action="store_true", help="go on with a search that was cut off")
    add("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the search has ended and its table and plot are written."""
    from xai_core.datasets import open_dataset
    from xai_core.release.pathways import search
    from xai_core.report.pathways import draw_pathways

    start = "scratch" if options.weights == "none" else "fine-tune"
    found = search(
        open_dataset(options.data),
        open_dataset(options.then),
        recipe_of(options, pathway=start, seed=0),
        options.out,
        seeds=range(options.seeds),
        pathways=options.pathway or (),
        limit=options.limit,
        workers=options.workers,
        resume=options.resume,
        progress=Progress("cells (a pathway with a seed)"),
        say=say,
    )
    plot = draw_pathways(found, Path(options.out) / "pathways.png")
    if options.json:
        print_json(found)
    else:
        print(as_text(found))
        say(f"written: {plot.parent / 'search.json'}, table.csv and {plot.name}")
    return 0


def as_text(found: dict) -> str:
    """Return the outcome of a search as a page of text."""
    from xai_core.release.pathway_table import columns

    judged_by, padding, named = found["judged_by"], found["padding"], columns(found["judged_by"])
    rows = [(name, *(_cell(find(row)) for find in named.values())) for name, row in found["pathways"].items()]
    means = padding.get("means", {})
    lines = [f"A: {found['settings']['a']['spec']}", f"B: {found['settings']['b']['spec']}", ""]
    lines += [f"padding: {padding['chosen']} ({padding['why']})"]
    lines += [table(("", f"mean {judged_by}"), [(fit, number(mean)) for fit, mean in means.items()])] if means else []
    lines += ["", f"pathways, on the test parts: mean over seeds (half of the interval; {found['interval']})"]
    lines += [table(("", *(name.replace("explanation coverage", "EC") for name in named)), rows)]
    lines += ["EC: explanation coverage, and its excess over a random place", ""]
    lines += [f"best by {judged_by} on the validation parts: {found['best'] or 'none can be told'}"]
    return "\n".join(lines)


def _cell(estimate: dict | None) -> str:
    if estimate is None or estimate["value"] is None:
        return "-"
    if estimate["low"] is None:
        return number(estimate["value"])
    return f"{number(estimate['value'])} ({(estimate['high'] - estimate['low']) / 2:.3f})"

"""``probe RUN ...``: are the explanations themselves to be trusted? Kept with the run, shown beside it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from xai_core.cli.data import positive_int, seed
from xai_core.cli.output import Progress, interval, number, print_json, say, table

if TYPE_CHECKING:
    from xai_core.runs import Run

ROWS = {
    "deletion": "deletion, area under the curve",
    "random_deletion": "  in a random order",
    "deletion_difference": "  difference (faithful: below 0)",
    "insertion": "insertion, area under the curve",
    "random_insertion": "  in a random order",
    "insertion_difference": "  difference (faithful: above 0)",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder")
    parser.add_argument("--limit", type=positive_int, default=60, help="records that are probed, drawn by hash (60)")
    parser.add_argument("--steps", type=positive_int, default=20, help="portions in deletion and insertion (20)")
    parser.add_argument("--seed", type=seed, default=0, help="of the draw, the random orders and the new weights (0)")
    parser.add_argument("--model", default="", help="the runs' classifier, where it is not where they name it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when every run has been probed, whatever came out: the gate decides."""
    from xai_core.runs import open_run

    runs = [open_run(folder) for folder in options.runs]
    found = {str(each.folder): _probed(each, options) for each in runs}
    if options.json:
        print_json({"runs": [{"run": folder} | one for folder, one in found.items()]})
    else:
        print("\n\n".join(_text(folder, one) for folder, one in found.items()))
    return 0


def _probed(run: Run, options: argparse.Namespace) -> dict:
    from xai_core.release import trust
    from xai_core.review.again import classifier_of

    found = trust.probe(
        run,
        classifier_of(run, options.model),
        options.limit,
        options.seed,
        Progress(f"steps of probing {run.folder}"),
        steps=options.steps,
    )
    for reason, count in found["samples"]["left_out"].items():
        say(f"{run.folder}: {count} left out: {reason}")
    return found


def _text(folder: str, found: dict) -> str:
    lines = [[title, *_figures(found[name])] for name, title in ROWS.items()]
    areas = table(["", "mean", "95 %"], lines)
    header = ["weights drawn anew down to", "Spearman", "95 %", "SSIM", "images"]
    levels = [
        [
            level["layer"],
            number(level["spearman"]),
            interval(level["spearman_low"], level["spearman_high"]),
            number(level["ssim"]),
            level["n"],
        ]
        for level in found["randomisation"]["layers"]
    ]
    check, repeated = found["randomisation"], found["repeatability"]
    verdict = {True: "passed", False: "FAILED", None: "undecided"}[check["passed"]]
    return "\n".join(
        [
            f"{folder}: {found['samples']['n']} records",
            areas,
            table(header, levels),
            f"  randomisation check {verdict}: {check['finding']}",
            f"  repeatability: {repeated['finding']}",
        ]
    )


def _figures(estimate: dict) -> list[str]:
    return [number(estimate["mean"]), interval(estimate["low"], estimate["high"])]

"""``reliance RUN ...``: do the calls rest on the outlined region or on its surroundings? Kept beside each run."""

from __future__ import annotations

import argparse

from xai_core.cli.data import positive_int, seed
from xai_core.cli.output import Progress, interval, number, print_json, say, table


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder")
    parser.add_argument("--limit", type=positive_int, default=1000, help="records of each run, drawn by hash (1000)")
    parser.add_argument("--seed", type=seed, default=0, help="of the draw and of the intervals (0)")
    parser.add_argument("--model", default="", help="the runs' classifier, where it is not where they name it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when every run has been measured, whatever came out: the gate decides."""
    from xai_core.release import reliance
    from xai_core.review.again import classifier_of
    from xai_core.runs import open_run

    found = {}
    for each in map(open_run, options.runs):
        classifier, progress = classifier_of(each, options.model), Progress(f"images of {each.folder}")
        found[str(each.folder)] = reliance.measure(each, classifier, options.limit, options.seed, progress)
    if options.json:
        print_json({"runs": [{"run": folder} | one for folder, one in found.items()]})
    else:
        print("\n\n".join(_text(folder, one) for folder, one in found.items()))
    return 0


def _text(folder: str, found: dict) -> str:
    from xai_core.release.reliance import ROWS, UNCHANGED

    samples = found["samples"]
    for reason, count in (samples["left_out"] | samples["unusable"]).items():
        say(f"{folder}: {count} left out: {reason}")
    lines = [[UNCHANGED, *(_figures(found["unchanged"]) * len(found["fills"]))]]
    lines += [
        [title, *(f for of in found["fills"].values() for f in _figures(of[name]))] for name, title in ROWS.items()
    ]
    heads = [head for fill in found["fills"] for head in (f"hidden: {fill}", "95 %")]
    return f"{folder}: {samples['n']} records, {found['positive']} against the rest\n{table(['', *heads], lines)}"


def _figures(estimate: dict) -> list[str]:
    return [number(estimate["value"]), interval(estimate["low"], estimate["high"])]

"""``robustness RUN ...``: how much worse each run's classifier calls on worse images, kept beside the run."""

from __future__ import annotations

import argparse

from xai_core.cli.output import Progress, interval, number, print_json, table


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="runs' folders")
    parser.add_argument("--limit", type=int, default=200, help="records of each run (200)")
    parser.add_argument("--seed", type=int, default=0, help="of the records drawn and of the intervals (0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when every run is measured."""
    from xai_core.release import robustness
    from xai_core.runs import open_run

    runs = [open_run(each) for each in options.runs]
    found = {}
    for each in runs:
        progress = Progress(f"conditions of {each.folder}")
        found[str(each.folder)] = robustness.measure(each, None, options.limit, options.seed, progress)
    association = robustness.association(runs, seed=options.seed)
    if options.json:
        print_json({"runs": found, "association": association})
    else:
        print("\n\n".join([*(_as_text(name, entry) for name, entry in found.items()), association["finding"]]))
    return 0


def _as_text(name: str, entry: dict) -> str:
    rows = [
        (f"{corruption} {row['strength']:g}", *(_drop(row[metric]) for metric in ("accuracy", "auc")))
        for corruption, conditions in entry["corruptions"].items()
        for row in conditions
    ]
    clean = ", ".join(f"{metric} {number(value)}" for metric, value in entry["clean"].items())
    head = f"{name}: {entry['samples']['n']} records, clean {clean}; drop on worse images (95 % interval)"
    means = ", ".join(f"{metric} {value:+.3f}" for metric, value in entry["mean_drop"].items() if value is not None)
    return f"{head}\n{table(('', 'accuracy', 'auc'), rows)}\n  mean drop: {means}"


def _drop(entry: dict) -> str:
    return "-" if entry["drop"] is None else f"{entry['drop']:+.3f} ({interval(entry['low'], entry['high'])})"

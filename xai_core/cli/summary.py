"""``summary RUN``: counts, metrics, scores with intervals and chance, patterns."""

from __future__ import annotations

import argparse

from xai_core.cli.data import probability
from xai_core.cli.output import interval, number, print_json, table

SYNTHETIC = "synthetic pictures, drawn by a program: nothing here is clinical"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run", metavar="RUN", help="a run's folder")
    parser.add_argument("--rule", help="region rule; the explainer's own without")
    parser.add_argument("--threshold", type=probability, help="operating point; the run's own without")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the summary is printed."""
    from xai_core.runs import open_run, summarise

    summary = summarise(open_run(options.run), rule=options.rule, threshold=options.threshold)
    if options.json:
        print_json(summary)
    else:
        print(as_text(summary))
    return 0


def as_text(summary: dict) -> str:
    """Return a summary as a page of text."""
    point = f", called {summary['positive']} from {summary['threshold']:.3f}" if summary["positive"] else ""
    lines = [
        f"{summary['run']}: {summary['method']} for the {_target(summary)} on {summary['dataset']}"
        + (f", {summary['split']}" if summary["split"] else ""),
        *([f"  {SYNTHETIC}"] if summary["synthetic"] else []),
        f"  {summary['samples']} records, {summary['errors']} with an error, {summary['scored']} scored by the rule "
        f"{summary['region_rule']}{point}",
        *_without_record(summary["left_out"]),
        *_stability(summary["stability"]["mean"]),
        "",
        "metrics, with 95 % bootstrap intervals",
        _metrics(summary["metrics"]),
        "",
        "scores: mean, and its excess over what chance would give",
        _scores(summary["scores"]),
        *_left_out(summary["scores"]),
        "",
        "patterns (each record once)",
        table(("", "records"), [*summary["patterns"].items(), ("no outline or no label", summary["without_pattern"])]),
    ]
    for name, groups in summary["by"].items():
        lines += ["", f"by {name.replace('_', ' ')}", _groups(groups)]
    return "\n".join(lines)


def _without_record(left_out: dict) -> list[str]:
    if not left_out:
        return []
    kinds = ", ".join(f"{kind} {n}" for kind, n in left_out.items())
    return [f"  rows of the data set without a record: {kinds} (`check` lists them)"]


def _stability(mean: float | None) -> list[str]:
    return [] if mean is None else [f"  stability of the maps {mean:.3f} (1: the same in every bootstrap refit)"]


def _target(summary: dict) -> str:
    return {"predicted": "predicted class", "label": "label"}.get(summary["target"], f"class {summary['target']}")


def _metrics(metrics: dict) -> str:
    rows = [
        (name, number(entry["value"]), interval(entry["low"], entry["high"]) or entry.get("reason", ""))
        for name, entry in metrics.items()
    ]
    return table(("", "value", "interval"), rows)


def _scores(scores: dict) -> str:
    rows = []
    for name, entry in scores.items():
        row = [name, number(entry["mean"]), interval(entry["low"], entry["high"]), entry["n"]]
        for level in ("random", "centre", "other"):
            chance = entry["chance"].get(level)
            row.append("-" if chance is None else _excess(chance))
        rows.append(row)
    return table(("", "mean", "interval", "n", "over random", "over centre", "over others"), rows)


def _excess(chance: dict) -> str:
    if chance["excess"] is None:
        return "-"
    within = interval(chance["low"], chance["high"])
    return f"{chance['excess']:+.3f} ({within})" if within else f"{chance['excess']:+.3f}"


def _left_out(scores: dict) -> list[str]:
    return [
        f"  not in the mean of {name}: " + ", ".join(f"{n} {reason}" for reason, n in entry["undefined"].items())
        for name, entry in scores.items()
        if entry["undefined"]
    ]


def _groups(groups: dict) -> str:
    names = ("explanation_coverage", "ground_truth_coverage", "iou")
    rows = []
    for group, entry in groups.items():
        cells = [
            f"{number(entry['scores'][name]['mean'])} {_signed(entry['scores'][name]['chance']['random']['excess'])}"
            for name in names
        ]
        rows.append((group, entry["samples"], *cells))
    return table(("", "records", *[f"{name} (over random)" for name in names]), rows)


def _signed(value: float | None) -> str:
    return "(-)" if value is None else f"({value:+.3f})"

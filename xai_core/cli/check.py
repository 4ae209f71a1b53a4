"""``check DATA``: every problem in a data set, listed, none hidden."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict

from xai_core.cli.output import Progress, print_json
from xai_core.errors import BadInput

UNREADABLE = ("file_unreadable", "image_too_large", "path_outside")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from xai_core.cli.data import add_data

    add_data(parser)
    parser.add_argument("--model", help="check against this classifier's model frame; a 256 -> 224 centre crop without")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 where the data set can be used; raises BadInput where not."""
    from xai_core.datasets import check, open_dataset
    from xai_core.geometry import Frame

    dataset = open_dataset(options.data)
    frame = Frame()
    if options.model:
        from xai_core.models import load

        frame = load(options.model, device="cpu").preprocessing.frame
    problems = check(dataset, frame, progress=Progress("samples checked"))
    report = {
        "data": dataset.spec,
        "samples": len(dataset),
        "splits": dataset.count("split"),
        "labels": dataset.count("label"),
        "annotated": sum(sample.annotation is not None for sample in dataset.samples),
        "synthetic": dataset.synthetic,
        "split_note": dataset.split_note,
        "problems": [asdict(problem) for problem in problems],
    }
    if options.json:
        print_json(report)
    else:
        _print(report)
    _refuse_unusable(dataset, problems)
    return 0


def _print(report: dict) -> None:
    print(f"{report['data']}: {report['samples']} samples, {report['annotated']} with a region that a human drew")
    for title in ("splits", "labels"):
        shown = list(report[title].items())[:12]
        more = f", and {len(report[title]) - 12} more" if len(report[title]) > 12 else ""
        print(f"  {title}: " + ", ".join(f"{name or 'none'} {n}" for name, n in shown) + more)
    if report["split_note"]:
        print(f"  {report['split_note']}")
    if not report["problems"]:
        print("no problems")
        return
    kinds = Counter(problem["kind"] for problem in report["problems"])
    print(f"{len(report['problems'])} problems: " + ", ".join(f"{kind} {n}" for kind, n in kinds.most_common()))
    rows = [(p["kind"], f"{p['file']}: {p['detail']}; {p['remedy']}") for p in report["problems"]]
    for kind, text in rows:
        print(f"  {kind}  {text}")


def _refuse_unusable(dataset, problems) -> None:
    images = {sample.image.relative_to(dataset.root).as_posix() for sample in dataset.samples}
    unreadable = images & {problem.file for problem in problems if problem.kind in UNREADABLE}
    if images > unreadable:
        return
    raise BadInput(
        where=dataset.spec,
        expected="at least one sample whose image can be read",
        found=f"{len(dataset)} samples, {len(unreadable)} of them unreadable",
        remedy="mend the problems listed",
    )

"""``report RUN ...``: everything about runs in one HTML file, for readers who have nothing but a browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from xai_core.cli.data import positive_int, probability
from xai_core.cli.output import print_json
from xai_core.errors import BadInput

VERDICTS = Path("verdicts.sqlite")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder; the first gives the cases")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="where the report goes")
    parser.add_argument("--gate", type=Path, metavar="FILE.json", help="what `gate` decided")
    parser.add_argument(
        "--cases", type=positive_int, default=500, metavar="N", help="at most so many, worst first (500)"
    )
    parser.add_argument("--threshold", type=probability, help="operating point; each run's own without")
    parser.add_argument("--verdicts", type=Path, metavar="FILE", help=f"what people said ({VERDICTS})")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the report is written."""
    from xai_core.files import is_sealed, read_json, sha256_of
    from xai_core.report import page
    from xai_core.review.verdicts import Verdicts
    from xai_core.runs import open_run

    runs = [open_run(folder) for folder in options.runs]
    gate = read_json(options.gate) if options.gate else None
    if gate is not None and not is_sealed(gate):
        raise BadInput(
            where=options.gate,
            expected="the result of a gate as it was written",
            found="bytes that were changed, or another file",
            remedy="name the JSON file that `gate --out` wrote, or run `gate` again",
        )
    if options.verdicts and not options.verdicts.exists():
        raise BadInput(
            where=options.verdicts,
            expected="a file of verdicts",
            found="nothing there",
            remedy="check the path; a report without --verdicts takes verdicts.sqlite where there is one",
        )
    verdicts = Verdicts(options.verdicts or VERDICTS)
    out = page.write(runs, options.out, gate, options.cases, threshold=options.threshold, verdicts=verdicts)
    told = {"report": str(out), "bytes": out.stat().st_size, "sha256": sha256_of(out)}
    if options.json:
        print_json(told)
    else:
        print(f"{out}: {told['bytes'] / 1e6:.1f} MB, opens in any browser without a network")
    return 0

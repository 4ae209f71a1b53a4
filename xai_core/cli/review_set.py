"""``review-set RUN ... --out FILE``: choose the samples on which candidates are judged, and freeze them."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from xai_core.cli.data import positive_int
from xai_core.cli.output import print_json, table
from xai_core.errors import BadInput


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="reference runs, all over the same samples")
    parser.add_argument("--out", metavar="FILE", required=True, help="where the review set is written")
    parser.add_argument(
        "--per-cell", type=positive_int, help="items of each class and stratum; 60 in all without, if it can be"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice (0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the review set is written."""
    from xai_core.release import review_set
    from xai_core.runs import open_run

    chosen = review_set.choose([open_run(each) for each in options.runs], per_cell=options.per_cell, seed=options.seed)
    file = Path(options.out)
    if file.is_file() and not _holds(file, chosen.sha256):
        raise BadInput(
            where=file,
            expected="a new file, or this very review set",
            found="another file there, which stays as it is",
            remedy="name another one, or remove it first",
        )
    file = chosen.save(file)
    if options.json:
        cells = [asdict(cell) for cell in chosen.cells]
        print_json({"file": str(file), "sha256": chosen.sha256, "items": len(chosen.items), "cells": cells})
    else:
        print(as_text(chosen, str(file)))
    return 0


def _holds(file: Path, sha256: str) -> bool:
    from xai_core.release import review_set

    try:
        return review_set.read(file).sha256 == sha256
    except BadInput:
        return False


def as_text(chosen, file: str) -> str:
    """Return what was chosen, class by class, and what was short."""
    rows = [(f"{c.label}, {c.stratum}", c.taken, c.available) for c in chosen.cells]
    short = [
        f"  short: {c.label}, {c.stratum}: {c.taken} of {c.quota} asked for" for c in chosen.cells if c.taken < c.quota
    ]
    lines = [
        f"{file}: {len(chosen.items)} items, {len(chosen.triplets())} of them failures with an easy and a borderline "
        f"case beside them, matched by {chosen.matched_by}",
        table(("", "items", "of"), rows),
        *short,
        f"  sha256 {chosen.sha256}",
    ]
    return "\n".join(lines)

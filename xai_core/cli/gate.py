"""``gate RUN --review-set F --policy F``: whether a candidate may be released."""

from __future__ import annotations

import argparse
from pathlib import Path

from xai_core.cli.output import print_json

FIRST = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run", metavar="RUN", help="the candidate's run, over the whole held-out split")
    parser.add_argument("--review-set", metavar="FILE", required=True, help="frozen items, from `review-set`")
    parser.add_argument("--policy", metavar="FILE", required=True, help="rules, as sample_data/policy.toml explains")
    parser.add_argument("--baseline", metavar="RUN", help="the run that rules of non-inferiority compare with")
    parser.add_argument("--out", metavar="FILE", help="write the result as JSON")
    parser.add_argument("--html", metavar="FILE", help="write the result as one HTML file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = "exit code: 0 pass, 1 any other verdict, 2 unreadable policy, review set or argument"


def run(options: argparse.Namespace) -> int:
    """Return 0 where the candidate passes, else 1."""
    from xai_core.files import write_json
    from xai_core.release import policy, review_set
    from xai_core.release.gate import PASS, gate_folders
    from xai_core.report import gate_page
    from xai_core.review.verdicts import Verdicts

    rules, items = policy.read(options.policy), review_set.read(options.review_set)
    verdicts = Verdicts(Path("verdicts.sqlite"))
    result = gate_folders(options.run, items, rules, baseline=options.baseline, verdicts=verdicts)
    if options.out:
        write_json(Path(options.out), result)
    if options.html:
        gate_page.write(result, Path(options.html))
    if options.json:
        print_json(result)
    else:
        print(as_text(result, options.run))
    return 0 if result["verdict"] == PASS else 1


def as_text(result: dict, run: str) -> str:
    """Return a gate's result as a page of text."""
    from xai_core.report.gate_page import PASSED, agreement_text, asked_of, figure_of, items_of

    about = f"{run} under the policy {result['policy']['name']!r}, {result['review_set']['items']} items"
    lines = [f"{result['verdict']}: {about}"]
    for rule in result["rules"]:
        lines += ["", f"  {PASSED[rule['passed']]}: {rule['name']}", f"    {figure_of(rule)}; {asked_of(rule)}"]
        lines += [f"    {text}" for text in (rule["message"], items_of(rule)) if text]
    pairs = result["people"]["agreement"] if result["people"] else []
    for title, notes in (
        ("missing", result["missing"]),
        ("warnings", result["warnings"]),
        ("agreement of reviewers", [agreement_text(pair) for pair in pairs]),
    ):
        more = [f"  and {len(notes) - FIRST} more (--json shows all)"] if len(notes) > FIRST else []
        lines += ["", title, *(f"  {note}" for note in notes[:FIRST]), *more] if notes else []
    return "\n".join(lines)

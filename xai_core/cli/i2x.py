"""``i2x fit|show|mend``: why does it look there: what a network learned to look at, when, and what confuses it."""

from __future__ import annotations

import argparse
from importlib import import_module

ACTIONS = {
    "fit": "find a model's prototypes and follow them through its training: a track",
    "show": "say what a track tells of each class, of a pair of classes, or of a sample",
    "mend": "fine-tune without the samples that carry an uncertain prototype, and say whether it helped",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of each action."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, help_ in ACTIONS.items():
        action = actions.add_parser(
            name,
            help=help_,
            description=help_,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        import_module(f"xai_core.cli.i2x_{name}").arguments(action)


def run(options: argparse.Namespace) -> int:
    """Return the exit code of the action."""
    return import_module(f"xai_core.cli.i2x_{options.action}").run(options)

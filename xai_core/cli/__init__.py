"""The command line: results to stdout, progress and log lines to stderr (DESIGN 5).

Exit 0 done, 1 the gate did not pass, 2 bad input in one line: what was expected, what was found, what to do.
Each command is one module with ``HELP``, ``arguments(parser)`` and ``run(options)``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from xai_core.errors import BadInput

COMMANDS = {
    "check": "list every problem in a data set",
    "plant": "copy a data set with a coloured patch planted in the images of a class",
    "train": "train a classifier on a data set",
    "pathways": "search which padding, and which order of two data sets, serves both",
    "explain": "explain every sample of a data set and score the explanations",
    "summary": "sum up a run: metrics, scores with chance levels, patterns",
    "archive": "keep versions so that nothing changes unnoticed, and say what moved between them",
    "report": "write everything about runs into one HTML file that opens without a network",
    "probe": "see how far the explanations of a run can be trusted: deletion, insertion, randomisation, repeatability",
    "prepare": "make ahead what the pages look up: thumbnails with outlines, and features of the images",
    "compare": "compare runs of several classifiers on the same samples, the first being the baseline",
    "robustness": "measure how much worse classifiers call on blurred, noisy, compressed, dark or tinted images",
    "reliance": "measure whether calls rest on the outlined region or on its surroundings",
    "review-set": "choose and freeze the samples on which candidates are judged",
    "judge": "have a judge say in words, and with a score, whether the evidence is where it should be",
    "i2x": "follow what a network learned to look at through its training, and mend what confuses it",
    "gate": "decide by a policy whether a candidate may be released",
    "demo": "open the app on the synthetic sample data, or make them anew",
    "app": "serve the pages to a browser on this machine",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code of the command that `arguments` (those of the process by default) name."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = _Parser(
        prog="python -m xai_core", description="Is an image classifier right for the right reasons?", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name, help_ in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=help_,
            description=help_,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in arguments[:1]:
            _module_of(name).arguments(command)
    options = parser.parse_args(arguments)
    try:
        return _module_of(options.command).run(options)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept: go on with --resume", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of stdout has left (`| head`): nothing more to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _module_of(command: str) -> ModuleType:
    return import_module(f"xai_core.cli.{command.replace('-', '_')}")

"""``train DATA``: train a classifier on a data set."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from xai_core.cli.data import add_data
from xai_core.cli.output import Progress, interval, number, print_json, say, table


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command; the flags of the recipe come from its fields."""
    from xai_core.training import Recipe

    add_data(parser)
    parser.add_argument("--out", required=True, metavar="MODEL", help="the model's folder")
    for field in fields(Recipe):
        flag = f"--{field.name.replace('_', '-')}"
        help_ = f"{field.metadata['help']} ({field.default})".replace("%", "%%")
        if isinstance(field.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default, help=help_)
        else:
            choices = field.metadata["choices"] or None
            parser.add_argument(flag, type=type(field.default), default=field.default, choices=choices, help=help_)
    parser.add_argument("--resume", action="store_true", help="go on with a training that was cut off")
    parser.add_argument("--json", action="store_true", help="print the model card as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the classifier is trained and its card written."""
    from xai_core.datasets import open_dataset
    from xai_core.training import Recipe, train

    recipe = Recipe(**{field.name: getattr(options, field.name) for field in fields(Recipe)})
    out = Path(options.out)
    dataset = open_dataset(options.data)
    card = train(dataset, recipe, out, resume=options.resume, progress=Progress("steps"), say=say)
    if options.json:
        print_json(card)
    else:
        print(as_text(out, card))
        say(f"next: python -m xai_core explain {options.data} --model {out} --method grad_cam --out runs/NAME")
    return 0


def as_text(out: Path, card: dict) -> str:
    """Return a model card's metrics as a page of text."""
    lines = [f"{out}: digest {card['digest'][:12]}"]
    for split, metrics in card["metrics"].items():
        rows = [
            (name, number(entry["value"]), interval(entry["low"], entry["high"]) or entry.get("reason", ""))
            for name, entry in metrics.items()
        ]
        lines += ["", f"{split}, with 95 % bootstrap intervals", table(("", "value", "interval"), rows)]
    return "\n".join(lines)

"""``train DATA``: train a classifier on a data set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.cli.data import add_data
from xai_core.cli.output import Progress, interval, number, print_json, say, table
from xai_core.errors import BadInput

if TYPE_CHECKING:
    from xai_core.training import Recipe


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command; the flags of the recipe come from its fields."""
    from xai_core.training import OVER_TWO

    add_data(parser)
    parser.add_argument("--out", required=True, metavar="MODEL", help="the model's folder")
    parser.add_argument("--then", metavar="DATA_B", help="the data set B of a pathway over two")
    add_recipe(parser, more_pathways=tuple(OVER_TWO))
    parser.add_argument("--resume", action="store_true", help="go on with a training that was cut off")
    parser.add_argument("--json", action="store_true", help="print the model card as one JSON object")


def add_recipe(
    parser: argparse.ArgumentParser, *, leave_out: Sequence[str] = (), more_pathways: Sequence[str] = ()
) -> None:
    """Add a flag for each field of a recipe; `leave_out` names fields without."""
    from xai_core.training import Recipe

    for field in fields(Recipe):
        if field.name in leave_out:
            continue
        flag = f"--{field.name.replace('_', '-')}"
        help_ = f"{field.metadata['help']} ({field.default})".replace("%", "%%")
        choices = field.metadata["choices"] or None
        if field.name == "pathway":
            choices = (*choices, *more_pathways)
            help_ += f"; with DATA as A and --then as B: {', '.join(more_pathways)}"
        if isinstance(field.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default, help=help_)
        else:
            parser.add_argument(flag, type=type(field.default), default=field.default, choices=choices, help=help_)


def recipe_of(options: argparse.Namespace, **given: object) -> Recipe:
    """Return the recipe that the flags of `add_recipe` describe; `given` stands for those left out."""
    from xai_core.training import Recipe

    return Recipe(
        **{field.name: getattr(options, field.name) for field in fields(Recipe) if field.name not in given}, **given
    )


def run(options: argparse.Namespace) -> int:
    """Return 0 when the classifier is trained and its card written."""
    from xai_core.datasets import open_dataset
    from xai_core.training import train

    out = Path(options.out)
    told = {"resume": options.resume, "progress": Progress("steps"), "say": say}
    _check_second(options)
    if options.then is None:
        card = train(open_dataset(options.data), recipe_of(options), out, **told)
    else:
        card = _over_two(options, out, told)
    if options.json:
        print_json(card)
    else:
        print(as_text(out, card))
        say(f"next: python -m xai_core explain {options.data} --model {out} --method grad_cam --out runs/NAME")
    return 0


def _check_second(options: argparse.Namespace) -> None:
    from xai_core.training import OVER_TWO

    if (options.pathway in OVER_TWO) != (options.then is not None):
        both = "--pathway " + " or ".join(OVER_TWO)
        raise BadInput(
            where=f"--pathway {options.pathway}",
            expected=f"{both}, and with it --then DATA_B",
            found="no --then" if options.then is None else f"--then {options.then}",
            remedy="give both, or neither",
        )


def _over_two(options: argparse.Namespace, out: Path, told: dict) -> dict:
    """Return the card of the last stage, in `out`; the models of the stages before lie beside it: OUT-a, OUT-a-b."""
    from xai_core.datasets import open_dataset
    from xai_core.training import OVER_TWO, follow

    last = OVER_TWO[options.pathway]
    start = "scratch" if options.weights == "none" else "fine-tune"
    return follow(
        open_dataset(options.data),
        open_dataset(options.then),
        options.pathway,
        recipe_of(options, pathway=start),
        lambda trail: out if trail == last else out.with_name("-".join([out.name, *trail])),
        **told,
    )


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

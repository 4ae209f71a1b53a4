"""``plant DATA``: copy a data set with a coloured patch planted in the images of a class."""

from __future__ import annotations

import argparse

from xai_core.cli.data import add_data, folder, positive_int, probability, seed
from xai_core.cli.output import Progress


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_data(parser)
    add = parser.add_argument
    add("--out", required=True, type=folder, metavar="DIR", help="the copy's folder, a new one")
    add(
        "--class", dest="classes", action="append", metavar="NAME", help="whose images get a patch; repeatable (benign)"
    )
    add("--splits", default="train,validation", help="where, separated by commas (train,validation)")
    add("--share", type=probability, default=1.0, help="of those images (1)")
    add("--seed", type=seed, default=0, help="decides which, and place, size and colours (0)")
    add("--longest-side", type=positive_int, default=0, metavar="PIXELS", help="scale larger images down to this")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the copy is there; its spec goes to stdout."""
    from xai_core.datasets import open_dataset, planted

    dataset = open_dataset(options.data)
    spec = planted.write(
        dataset,
        options.out,
        classes=options.classes or ["benign"],
        splits=[part.strip() for part in options.splits.split(",") if part.strip()],
        share=options.share,
        seed=options.seed,
        longest_side=options.longest_side,
        progress=Progress("images copied"),
    )
    print(spec)
    return 0

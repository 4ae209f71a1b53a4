"""``i2x mend TRACK``: fine-tune without the samples that carry an uncertain prototype, and say whether it helped."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from xai_core.cli.data import folder, positive_int
from xai_core.cli.output import Progress, print_json, say, table


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command; most flags come from the fields of its options."""
    from xai_core.i2x.mend_settings import Options

    add = parser.add_argument
    add("track", metavar="TRACK", help="a track's folder")
    add("--out", required=True, type=folder, metavar="DIR", help="where the outcome goes")
    add("--pair", metavar="A,B", help="the two classes (the pair that the final network confuses most)")
    add(
        "--prototype",
        type=_numbers,
        metavar="K,...",
        help="which prototypes (the surest one that is uncertain between the pair)",
    )
    for field in fields(Options):
        help_ = f"{field.metadata['help']} ({field.default})".replace("%", "%%")
        choices = field.metadata["choices"] or None
        add(f"--{field.name}", type=type(field.default), default=field.default, choices=choices, help=help_)
    add("--repeats", type=positive_int, default=5, metavar="N", help="how often, with seeds 0 to N - 1 (5)")
    add("--model", metavar="MODEL", help="the model's folder, where it has moved since the track was made")
    add("--threads", type=positive_int, default=0, metavar="N", help="CPU threads (the recipe's); bits depend on them")
    add("--resume", action="store_true", help="go on with work that was cut off, or add repeats")
    add("--json", action="store_true", help="print one JSON object")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def run(options: argparse.Namespace) -> int:
    """Return 0 when every strategy is done and the table written."""
    from xai_core.i2x.confusion import chosen
    from xai_core.i2x.mend import mend
    from xai_core.i2x.mend_settings import Options
    from xai_core.i2x.store import open_track

    track = open_track(options.track)
    chosen_options = Options(**{field.name: getattr(options, field.name) for field in fields(Options)})
    analysed = Progress("steps analysed")
    found = mend(
        track,
        options.out,
        chosen_options,
        chosen(track, options.pair, options.prototype or (), most=chosen_options.most, progress=analysed),
        repeats=options.repeats,
        model=options.model,
        threads=options.threads,
        resume=options.resume,
        progress=Progress("updates"),
        say=say,
    )
    if options.json:
        print_json(found)
    else:
        print(as_text(found))
        say(f"written: {Path(options.out) / 'mend.json'}, table.csv")
    return 0


def as_text(found: Mapping) -> str:
    """Return the outcome as a page of text."""
    settings, updates = found["settings"], found["updates"]
    options, dropped = settings["options"], found["dropped"]
    each = ", ".join(f"{n} of {name}" for name, n in dropped.items() if n)
    prototypes = ", ".join(f"P-{k}" for k in found["prototypes"])
    less = f"weigh {options['weight']:g}" if options["weight"] else "are left out"
    head = ("strategy", "accuracy %", "+-", "interval", "pair confusions", "+-", "interval")
    return "\n".join(
        [
            f"{' and '.join(found['pair'])}, prototype {prototypes} ({settings['why']})",
            f"curated: {sum(dropped.values())} of {sum(found['samples'].values())} training samples {less} ({each}); "
            "random: as many of each class",
            f"each epoch: {settings['optimiser']}, learning rate {settings['lr']:.3g}, {options['schedule']}; "
            f"{updates['full']} updates on the full set, {updates['curated']} on the others",
            "",
            f"on {sum(found['judged'].values())} samples of {options['split']}: mean and standard deviation (+-) of "
            f"{len(found['seeds'])} repeat{'s' * (len(found['seeds']) > 1)}",
            table(head, [_row(name, row) for name, row in found["rows"].items()]),
            f"intervals: {found['interval']}",
            "",
            *found["verdict"],
            f"({found['decides']})",
        ]
    )


def _row(name: str, row: Mapping) -> tuple[str, ...]:
    return name, *_measure(row["accuracy"], 100.0), *_measure(row["confusions"], 1.0)


def _measure(found: Mapping, unit: float) -> tuple[str, str, str]:
    digits = 2 if unit > 1 else 1
    mean, low, high = (f"{unit * found[part]:.{digits}f}" for part in ("mean", "low", "high"))
    return mean, "" if found["std"] is None else f"{unit * found['std']:.{digits}f}", f"{low} to {high}"

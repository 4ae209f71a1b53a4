"""``i2x fit DATA``: find a model's prototypes and follow them through its training."""

from __future__ import annotations

import argparse
from dataclasses import fields
from shlex import quote
from typing import TYPE_CHECKING

from xai_core.cli.data import add_data, folder, positive_int
from xai_core.cli.output import Progress, number, print_json, say, table

if TYPE_CHECKING:
    from xai_core.i2x.store import Track


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command; most flags come from the fields of its choices."""
    from xai_core.i2x.material import Choices

    add_data(parser)
    add = parser.add_argument
    add("--model", required=True, type=folder, metavar="MODEL", help="a model folder with checkpoints")
    add("--out", required=True, type=folder, metavar="TRACK", help="the track's folder")
    for field in fields(Choices):
        help_ = f"{field.metadata['help']} ({field.default})".replace("%", "%%")
        choices, flag = field.metadata["choices"] or None, f"--{field.name.replace('_', '-')}"
        add(flag, type=type(field.default), default=field.default, choices=choices, help=help_)
    add("--suggest", action="store_true", help="only say how well each of several K fits, and suggest one")
    add("--precision", choices=("float32", "bfloat16"), default="float32")
    add("--device", help="cuda where there is one, else cpu")
    add("--threads", type=positive_int, help="of the process; recorded (all)")
    add("--part-size", type=positive_int, default=4096, metavar="N", help="samples in each stored part (4096)")
    add("--resume", action="store_true", help="go on with a track that was cut off")
    add("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the track is finished, or a number of prototypes suggested."""
    from xai_core.datasets import open_dataset
    from xai_core.i2x.follow import follow, suggest
    from xai_core.i2x.material import Choices

    choices = Choices(**{field.name: getattr(options, field.name) for field in fields(Choices)})
    dataset = open_dataset(options.data)
    told = {"progress": Progress("images looked at"), "say": say}
    told |= {"device": options.device, "precision": options.precision, "threads": options.threads}
    if options.suggest:
        _show_curve(suggest(dataset, options.model, options.out, choices, **told), options)
        return 0
    resumed = {"part_size": options.part_size, "resume": options.resume}
    track = follow(dataset, options.model, options.out, choices, **resumed, **told)
    if options.json:
        print_json(_report(track))
        return 0
    print(
        f"{track.folder}: {len(track)} samples, {track.prototypes} prototypes on a grid of {track.grid[0]} x "
        f"{track.grid[1]}, steps {', '.join(map(str, track.steps))}"
    )
    say(f"next: python -m xai_core i2x show {quote(str(track.folder))}")
    return 0


def _show_curve(found: dict, options: argparse.Namespace) -> None:
    if options.json:
        print_json(found)
        return
    rows = [(row["prototypes"], number(row["inertia"]), number(row["silhouette"])) for row in found["rows"]]
    print(table(("prototypes", "inertia", "silhouette"), rows, indent=""))
    print(f"suggested: --prototypes {found['suggested']} (where more of them begin to help less)")


def _report(track: Track) -> dict:
    return {
        "track": str(track.folder),
        "samples": len(track),
        "left_out": track.manifest["left_out"],
        "steps": list(track.steps),
        "grid": list(track.grid),
        "prototypes": track.prototypes,
        "digest": track.digest,
        "seconds": track.manifest["seconds"],
    }

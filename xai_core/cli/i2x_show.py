"""``i2x show TRACK``: what a network learned of each class and in which order, and why it looks there in a sample."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.cli.output import Progress, number, print_json, table

if TYPE_CHECKING:
    from xai_core.i2x.options import Options

_MOST = 8


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command; the flags of the analysis come from the fields of its options."""
    from xai_core.i2x.options import Options

    parser.add_argument("track", metavar="TRACK", help="a track's folder")
    parser.add_argument("--pair", metavar="A,B", help="two classes (the pair that the final network confuses most)")
    parser.add_argument("--sample", metavar="ID", help="say why it looks where it does in this sample")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    analysis = parser.add_argument_group("choices of the analysis")
    for field in fields(Options):
        flag = f"--{field.name.replace('_', '-')}"
        help_ = f"{field.metadata['help']} ({field.default})".replace("%", "%%")
        choices = field.metadata["choices"] or None
        analysis.add_argument(flag, type=type(field.default), default=field.default, choices=choices, help=help_)


def options_of(options: argparse.Namespace) -> Options:
    """Return the options of the analysis that the flags describe."""
    from xai_core.i2x.options import Options

    return Options(**{field.name: getattr(options, field.name) for field in fields(Options)})


def run(options: argparse.Namespace) -> int:
    """Return 0 when the structure is printed; it is kept beside the track."""
    from xai_core.i2x.confusion import named
    from xai_core.i2x.store import open_track
    from xai_core.i2x.structure import pair_of, structure
    from xai_core.i2x.why import why

    track = open_track(options.track)
    asked = named(options.pair, track.class_names) if options.pair else None
    found = structure(track, options_of(options), progress=Progress("steps of the training"))
    pair = pair_of(found, asked) if asked or found["pairs"] else None
    one = why(track, found, options.sample) if options.sample else None
    if options.json:
        print_json({"structure": found, "pair": pair, "sample": one})
    elif one:
        print(sample_text(one))
    else:
        print(as_text(track.folder, found, pair))
    return 0


def as_text(folder: Path, found: Mapping, pair: Mapping | None) -> str:
    """Return a structure as a page of text."""
    lines = [
        f"{folder}: {found['samples']} samples, {found['prototypes']} prototypes, "
        f"{len(found['checkpoints'])} checkpoints",
        "",
        "steps of the training: share of confidence that moved, groups of samples that changed alike",
        _steps(found),
        *_cautions(found),
        "",
        "what was learned of each class (support: confidence moved over the steps, with its 95 % interval)",
        *(f"  {entry['sentence']}" for entry in found["classes"]),
    ]
    return "\n".join(lines + (["", *_pair(pair, found)] if pair else []))


def _steps(found: Mapping) -> str:
    accuracy = {row["step"]: row["accuracy"] for row in found["checkpoints"]}
    rows = []
    header = ("step", "moved", "accuracy after", "groups", "noise", "raw = normalised", "")
    for step in found["steps"]:
        groups = step.get("groups", {"count": "-", "noise": None})
        noise = "-" if groups["noise"] is None else f"{groups['noise']:.0%}"
        agreement = "-" if step.get("agreement") is None else f"{step['agreement']:.0%}"
        name = f"{step['from']} to {step['to']}"
        figures = number(step["movement"]), number(accuracy[step["to"]]), str(groups["count"]), noise, agreement
        rows.append((name, *figures, step["skipped"]))
    return _listed(header, rows)


def _cautions(found: Mapping) -> list[str]:
    analysed = [step for step in found["steps"] if not step["skipped"]]
    under = sum(step["under_determined"] for step in analysed)
    if not under:
        return []
    return [
        f"  {under} of {len(analysed)} analysed steps have fewer groups than prototypes: the ridge then decides "
        "between many fits, and prototypes that rise together share what they moved"
    ]


def _pair(pair: Mapping, found: Mapping) -> list[str]:
    a, b = pair["classes"]
    title = f"between {a} and {b}, of which the final network calls {pair['confused']} samples the other"
    if not pair["prototypes"]:
        return [title, "  no prototype swings between them"]
    rows = []
    for row in pair["prototypes"][:_MOST]:
        sure = "uncertain" if row["p"] <= found["options"]["level"] else ""
        shares = [f"{share:.0%}" for share in row["coverage"]]
        changes = row["units"]["raw"]["changes"]
        rows.append((row["prototype"], changes, number(row["score"]), number(row["p"]), *shares, sure))
    header = ("prototype", "changes of side", "score", "p", f"in {a}", f"in {b}", "")
    return [f"{title} (p: corrected for {found['prototypes']} prototypes)", table(header, rows)]


def sample_text(one: Mapping) -> str:
    """Return why it looks there, for one sample, as a page of text."""
    told = f"{one['sample']}: label {one['label'] or '-'}, called {one['called']}"
    return "\n".join(
        [
            f"{told}; all figures speak of {one['speaks_of']}",
            "",
            "where its evidence lay",
            table(
                ("step", "confidence", "prototype: share of the evidence"), [_lay(row) for row in one["checkpoints"]]
            ),
            "",
            "what moved its confidence, by the effects of each step",
            _listed(("step", "moved", "accounted", "prototype: confidence"), map(_moved, one["steps"])),
            "",
            "where the same was learned",
            *(line for lesson in one["lessons"] for line in _lesson(lesson)),
            f"  {one['honest']}",
        ]
    )


def _listed(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table whose last column starts at the left."""
    cells = [header, *rows]
    width = max(len(row[-1]) for row in cells)
    head, *body = [(*row[:-1], row[-1].ljust(width)) for row in cells]
    return table(head, body)


def _lay(row: Mapping) -> tuple[str, ...]:
    held = ", ".join(f"{each['prototype']}: {each['evidence']:.0%}" for each in row["prototypes"])
    return str(row["step"]), number(row["confidence"]), held or "a heatmap of zeros"


def _moved(row: Mapping) -> tuple[str, ...]:
    name, moved = f"{row['from']} to {row['to']}", f"{row['moved']:+.3f}"
    if row["skipped"]:
        return name, moved, "-", row["skipped"]
    parts = ", ".join(f"{each['prototype']}: {each['raw']:+.3f}" for each in row["prototypes"])
    return name, moved, f"{row['accounted']['raw']:+.3f}", parts


def _lesson(lesson: Mapping) -> list[str]:
    head = f"  prototype {lesson['prototype']} ({lesson['evidence']:.0%} of its final evidence)"
    if lesson["from"] is None:
        return [f"{head}: in no step it surely spoke for the class"]
    head += f" spoke most in steps {lesson['from']} to {lesson['to']} (pull {lesson['pull']:+.3f})"
    rows = ", ".join(f"{each['sample']} ({each['moved']:+.2f})" for each in lesson["witnesses"])
    return [f"{head}; seen too in {rows}" if rows else f"{head}; no other sample of the class shows it"]

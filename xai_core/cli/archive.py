"""``archive add|list|show|diff|verify|export|import``: versions, kept so that nothing can change unnoticed."""

from __future__ import annotations

import argparse
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from xai_core.cli.output import number, print_json, table
from xai_core.errors import BadInput

if TYPE_CHECKING:
    from xai_core.release.archive import Archive, Entry

_DIGITS = 12
_MOST = 10
_NOTE = 60


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = _action(actions, "add", "store a run with its classifier's card, review set and gate result")
    add.add_argument("run", metavar="RUN", help="a run's folder")
    add.add_argument("--review-set", type=Path, metavar="FILE", help="the frozen samples it was judged on")
    add.add_argument("--gate", type=Path, metavar="FILE", help="what `gate` decided on it")
    add.add_argument("--note", default="", help="a line for those who come after")
    _action(actions, "list", "list every entry, oldest first")
    _action(actions, "show", "show an entry with its files").add_argument("key", metavar="KEY", help="or its beginning")
    diff = _action(actions, "diff", "say what differs between two entries, and what moved most")
    diff.add_argument("before", metavar="KEY", help="the earlier one")
    diff.add_argument("now", metavar="KEY", help="the later one")
    _action(actions, "verify", "read every byte, and tell every one that is not as it was stored")
    _action(actions, "export", "write the whole archive as one file").add_argument("file", type=Path, metavar="FILE")
    _action(actions, "import", "take what an exported file holds, after checking all of it").add_argument(
        "file", type=Path, metavar="FILE"
    )


def _action(actions, name: str, help_: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=help_, description=help_, allow_abbrev=False)
    parser.add_argument("--archive", type=Path, default=Path("archive"), metavar="DIR", help="its folder (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def run(options: argparse.Namespace) -> int:
    """Return 0 when it is done, 1 where `verify` found damage."""
    from xai_core.release.archive import Archive

    return _ACTIONS[options.action](Archive(options.archive), options)


def _add(archive: Archive, options: argparse.Namespace) -> int:
    from xai_core.runs import open_run

    added = archive.add_run(open_run(options.run), review_set=options.review_set, gate=options.gate, note=options.note)
    if options.json:
        print_json({"key": added.key, "new": added.new})
    else:
        print(f"{added.key[:_DIGITS]} {'added' if added.new else 'was here already: the same content, nothing added'}")
    return 0


def _list(archive: Archive, options: argparse.Namespace) -> int:
    entries = archive.entries()
    if options.json:
        print_json({"entries": [entry.as_dict() for entry in entries]})
    elif entries:
        print(table(("key", "added", "kind", "what", "gate", "note"), [_row(entry) for entry in entries], indent=""))
    else:
        print(f"{archive.folder} holds no entry; `archive add RUN` adds one")
    return 0


def _row(entry: Entry) -> tuple[str, ...]:
    about = entry.about
    what = " ".join(str(about.get(name) or "") for name in ("classifier", "method", "target", "dataset", "split"))
    note = shorten(entry.note, _NOTE, placeholder=" ...") or "-"
    return entry.key[:_DIGITS], entry.at[:16], entry.kind, what.strip(), about.get("gate") or "-", note


def _show(archive: Archive, options: argparse.Namespace) -> int:
    entry = archive.find(options.key)
    if options.json:
        print_json(entry.as_dict())
        return 0
    print(f"{entry.key}\n{entry.kind}, added {entry.at}" + (f"\n{entry.note}" if entry.note else ""))
    print(table(("", ""), [(name, "-" if value in (None, "") else value) for name, value in entry.about.items()]))
    print(table(("file", "bytes", "sha256"), [(name, f.bytes, f.sha256) for name, f in entry.files.items()]))
    return 0


def _diff(archive: Archive, options: argparse.Namespace) -> int:
    from xai_core.release.archive_diff import sentences

    found = archive.diff(options.before, options.now)
    if options.json:
        print_json(found)
        return 0
    print("\n".join(sentences(found)))
    rows = [_moved(row) for row in found["samples"][:_MOST]]
    if rows:
        head = ("what moved most", "label", "called", "stratum", "above chance", "now", "overlap", "spearman", "ssim")
        print(f"\n{table(head, rows)}")
        clusters = [
            (f"{c['label']}, {c['stratum']}", c["n"], c["calls_changed"], number(c["overlap"]["value"]))
            for c in found["clusters"]
        ]
        print(f"\n{table(('by label and stratum', 'samples', 'called otherwise', 'overlap'), clusters)}")
    return 0


def _moved(row: dict) -> tuple[str, ...]:
    called = f"{row['called_before']} > {row['called_now']}"
    numbers = (number(row[name]) for name in ("excess_before", "excess_now", "iou", "spearman", "ssim"))
    return row["id"], row["label"] or "-", called, row["stratum"] or "-", *numbers


def _verify(archive: Archive, options: argparse.Namespace) -> int:
    from xai_core.release.journal import FILE

    if not (archive.folder / FILE).exists() and not any(archive.folder.glob("objects/*/*")):
        raise BadInput(
            where=archive.folder,
            expected="an archive",
            found="none there: nothing was verified",
            remedy="name its folder by --archive",
        )
    problems = archive.verify()
    unnamed = [] if problems else archive.unnamed()
    if options.json:
        print_json({"problems": problems, "unnamed": unnamed})
        return int(bool(problems))
    if problems:
        print("\n".join(problems))
    else:
        print(f"{archive.folder}: {len(archive.entries())} entries, every byte as it was stored")
    if unnamed:
        print(f"{len(unnamed)} objects that no entry names: an `add` was cut off, or an entry at the end was removed")
    return int(bool(problems))


def _export(archive: Archive, options: argparse.Namespace) -> int:
    from xai_core.files import sha256_of

    file = archive.export(options.file)
    told = {"file": str(file), "bytes": file.stat().st_size, "sha256": sha256_of(file)}
    if options.json:
        print_json(told)
    else:
        print(f"{file}: {told['bytes'] / 1e6:.1f} MB, sha256 {told['sha256']}")
    return 0


def _import(archive: Archive, options: argparse.Namespace) -> int:
    added = archive.load(options.file)
    if options.json:
        print_json({"added": [each.key for each in added if each.new], "known": sum(not each.new for each in added)})
    else:
        print(
            f"{sum(each.new for each in added)} entries taken, {sum(not each.new for each in added)} were here already"
        )
    return 0


_ACTIONS = {
    "add": _add,
    "list": _list,
    "show": _show,
    "diff": _diff,
    "verify": _verify,
    "export": _export,
    "import": _import,
}

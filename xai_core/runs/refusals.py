"""What a run refuses, and why, in one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.runs.settings import folder_name

# a typing slip must not take the machine down
MOST = {"limit": 10**9, "batch_size": 65_536, "threads": 1024, "part_size": 10**6}


def check_empty(folder: Path) -> None:
    """Raise BadInput where a run cannot begin in `folder`: it is a file, or holds other files."""
    if folder.is_dir() and all(path.name == ".lock" for path in folder.iterdir()):
        return
    if folder.exists():
        raise BadInput(
            where=folder,
            expected="an empty folder, or one with a run",
            found="a folder with other files in it" if folder.is_dir() else "a file",
            remedy="choose another folder",
        )


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turn whatever reading a Parquet file raises into BadInput that names the file."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise BadInput(
            where=file,
            expected="a Parquet file of this run",
            found="no such file" if isinstance(error, FileNotFoundError) else "damage: " + str(error)[:120],
            remedy="`explain --resume` with the run's settings makes it anew",
        ) from error


def changed(file: Path) -> BadInput:
    """Return the error for a file whose bytes are not those that the run's manifest names."""
    return BadInput(
        where=file,
        expected="the bytes that run.json names",
        found="others: the file was changed or damaged",
        remedy="restore it, or `explain --resume` with the run's settings makes it anew",
    )


def check_same_settings(folder: Path, stored: dict, asked: dict) -> None:
    """Raise BadInput where a run was begun with other settings, naming what differs."""
    # how the classifier and the data's folder are spelled decides nothing: their digest and the samples' ids do
    spelled = {"classifier", "dataset_root"}
    keys = (stored.keys() | asked.keys()) - spelled
    differing = sorted(key for key in keys if stored.get(key) != asked.get(key))
    if differing:
        found = "; ".join(f"{key}: {stored.get(key)!r} there, {asked.get(key)!r} asked" for key in differing)
        raise BadInput(
            where=folder,
            expected="the settings the run was begun with",
            found=found,
            remedy="resume with the same settings, or choose another folder",
        )


def no_run(folder: Path) -> BadInput:
    """Return the error for a folder without a finished run: it says what is there instead."""
    siblings = sorted(path.parent.name for path in folder.glob("*/run.json"))
    if siblings:
        found, remedy = f"a folder of the runs {', '.join(siblings)}", f"name one of them: {folder / siblings[0]}"
    elif (folder / "settings.json").exists():
        found, remedy = "a run that was cut off", "go on with it by --resume"
    else:
        found, remedy = "no run.json" if folder.exists() else "no such folder", "make one with `explain`"
    return BadInput(where=folder, expected="a finished run", found=found, remedy=remedy)


def check_manifest(folder: Path, manifest: dict, version: int) -> None:
    """Raise `BadInput` where a run's manifest is of another version of SPEC.md, or lacks what every run has."""
    settings = manifest.get("settings", {})
    names = settings.get("class_names")
    named = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    if settings.get("spec_version") != version or "parts" not in manifest or not named:
        raise BadInput(
            where=folder,
            expected=f"a run of specification version {version}",
            found=f"version {settings.get('spec_version')} in run.json",
            remedy="read it with the version that wrote it; a damaged run.json: `explain --resume` makes it anew",
        )


def check_numbers(**numbers: int | str | None) -> None:
    """Raise BadInput where a number is not whole or out of bounds; None and 'auto' are left to the run."""
    for name, value in numbers.items():
        if value in (None, "auto"):
            continue
        if not isinstance(value, int) or not 1 <= value <= MOST[name]:
            raise BadInput(
                where=name, expected=f"a whole number from 1 to {MOST[name]}", found=repr(value), remedy="change it"
            )


def check_targets(targets: Sequence[str]) -> None:
    """Raise BadInput where no target is named, or two that would share a folder."""
    if isinstance(targets, str) or not targets or len({folder_name(target) for target in targets}) < len(targets):
        raise BadInput(
            where="targets",
            expected="a list of 'predicted', 'label' or class names, each once",
            found=repr(targets),
            remedy="name each target once",
        )


def checked_target(target: str, class_names: Sequence[str]) -> str | int:
    """Return ``predicted``, ``label``, or the index of the class named; raises BadInput for anything else."""
    if target in ("predicted", "label"):
        return target
    if target in class_names:
        return class_names.index(target)
    some = ", ".join(class_names[:4]) + (" ..." if len(class_names) > 4 else "")
    raise BadInput(
        where=f"target {target!r}",
        expected=f"'predicted', 'label' or one of the classifier's classes ({some})",
        found="no such class",
        remedy="name one of these",
    )

"""axe-core, the accessibility checker, fetched from npm by its own client into .venv, never into the project."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

VERSION = "4.14.1"
FOLDER = Path(__file__).resolve().parent.parent / ".venv" / "axe"


def source() -> str:
    """Return axe's script; skip where neither .venv nor npm has it."""
    packed = FOLDER / f"axe-core-{VERSION}.tgz"
    if not packed.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", f"axe-core@{VERSION}"]
        try:
            subprocess.run(command, cwd=FOLDER, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"axe-core cannot be had from npm: {error}")
    with tarfile.open(packed) as archive, archive.extractfile("package/axe.min.js") as file:
        return file.read().decode()


def faults(page, within: str = "document") -> list[str]:
    """Return axe's serious and critical findings on a page, a line for each."""
    page.evaluate(source())
    found = page.evaluate(f"axe.run({within}, {{resultTypes: ['violations']}})")["violations"]
    return [
        f"{each['id']}: {each['help']}; {node['target']} {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]

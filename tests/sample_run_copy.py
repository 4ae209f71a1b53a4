"""A copy of a shipped run that a test may write to, and that finds its images."""

from __future__ import annotations

import shutil
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"


def copy_of_a_run(folder: Path, method: str = "grad_cam") -> Path:
    """Return the folder of a copy without judgements, below `folder`; the images are linked, not copied."""
    (folder / "dermoscopy").symlink_to(SAMPLE / "dermoscopy")
    source, copy = (root / "runs" / method / "predicted" for root in (SAMPLE, folder))
    return shutil.copytree(source, copy, ignore=shutil.ignore_patterns("judgements"))

"""What every test shares: nothing leaves the temporary folder, and real data are used only where they lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browser_fixtures import browser, page, serve  # noqa: F401
from pages_fixtures import app, visit, workspace  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
REAL_DATA = ROOT.parent / "shared" / "data"

os.environ["RIGHT_REASONS_CACHE"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture
def real_data() -> Path:
    """Return the folder of real data sets, which is no part of the project; skip where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real data sets (../shared/data) are not on this machine")
    return REAL_DATA

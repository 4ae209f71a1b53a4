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
# as many processes as cores run the tests: further threads of theirs would only wait for each other
os.environ["OMP_NUM_THREADS"] = "1"

# begun first, so that at the end no process waits long for another's last file
LONGEST = (
    "test_pages_explore",
    "test_ui_components",
    "test_release_workflow",
    "test_pages_overview",
    "test_sample_data",
    "test_pages_history",
    "test_runs_kills",
    "test_release_pathways",
    "test_training_kills",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, each whole."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture
def real_data() -> Path:
    """Return the folder of real data sets, which is no part of the project; skip where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real data sets (../shared/data) are not on this machine")
    return REAL_DATA

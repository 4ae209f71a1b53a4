"""Which policies and review sets lie at hand: below the working directory and in the sample data."""

from __future__ import annotations

import tomllib
from pathlib import Path

import streamlit as st

from xai_core.errors import BadInput
from xai_core.files import read_json
from xai_core.release.review_set import FORMAT
from xai_core.ui import library

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data"
DEPTH = 3
LARGEST = 20_000_000


@st.cache_data(ttl=5, show_spinner=False)
def review_sets() -> list[str]:
    """Return the files that say they are review sets, whether or not they are whole."""
    return [library.shorten(file) for file in _files("*.json") if _is_review_set(file)]


@st.cache_data(ttl=5, show_spinner=False)
def policies() -> list[str]:
    """Return the TOML files with a metric rule, whether or not they can be read as policies."""
    return [library.shorten(file) for file in _files("*.toml") if _is_policy(file)]


def _files(pattern: str) -> list[Path]:
    found = {}
    for root in (Path.cwd(), SAMPLE):
        for depth in range(DEPTH):
            for file in sorted(root.glob("*/" * depth + pattern)):
                hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
                if not hidden and file.is_file() and file.stat().st_size <= LARGEST:
                    found[file.resolve()] = file
    return list(found)


def _is_review_set(file: Path) -> bool:
    try:
        return read_json(file).get("format") == FORMAT
    except BadInput:
        return False


def _is_policy(file: Path) -> bool:
    try:
        return "metric" in tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False

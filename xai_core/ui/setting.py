"""The widget for a setting that describes itself."""

from __future__ import annotations

import re

import streamlit as st

TITLES = {
    "arch": "Network",
    "lr": "Learning rate",
    "num_samples": "Samples",
    "checkpoint_gb": "Disk for checkpoints, GB",
}


def setting(
    name: str,
    default: float | str | bool,
    help: str,
    low: float | None,
    high: float | None,
    choices: tuple = (),
    *,
    key: str,
) -> float | str | bool:
    """Return the value of a widget that suits the default's type and the range or choices; never out of the range."""
    title, about = TITLES.get(name) or name.replace("_", " ").capitalize(), f"{help[0].upper()}{help[1:]}."
    kind = type(default)
    if choices:
        return st.selectbox(title, choices, choices.index(default), key=key, help=about)
    if kind is bool:
        return st.toggle(title, default, key=key, help=about)
    if kind is str:
        return st.text_input(title, default, key=key, help=about, placeholder="its own").strip()
    # a recipe's 0 often stands for "as suits": then the field says what suits instead
    zero = re.search(r"; 0: ([^.]+)", help) if default == 0 else None
    low, high = (None if bound is None else kind(bound) for bound in (low, high))
    step, shape = (1, "%d") if kind is int else (0.01, "%g")
    value = st.number_input(
        title, low, high, None if zero else default, step, shape, key=key, help=about, placeholder=zero and zero[1]
    )
    return default if value is None else value

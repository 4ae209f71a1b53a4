"""Right Reasons: is an image classifier right for the right reasons?

The doors of the package, each imported when first asked for, so that ``import xai_core`` stays quick.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_DOORS = {
    "coverage": "scores",
    "open_dataset": "datasets",
    "with_validation": "datasets",
    "load": "models",
    "explain": "explainers",
    "explain_dataset": "runs",
    "open_run": "runs",
    "summarise": "runs",
    "train": "training",
    "case_figure": "report",
}

__all__ = sorted(_DOORS)  # noqa: PLE0604, RUF100


def __getattr__(name: str) -> object:
    if name not in _DOORS:
        raise AttributeError(f"module 'xai_core' has no attribute {name!r}")
    return getattr(import_module(f"xai_core.{_DOORS[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_DOORS]

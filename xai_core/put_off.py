"""What other packages import and nothing here needs, put off until it is used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from types import ModuleType


@contextmanager
def standing_in(*modules: ModuleType) -> Iterator[None]:
    """Return a context whose imports get these modules for those of their names, unless already imported.

    Parameters
    ----------
    *modules : types.ModuleType
        From `later`, or with attributes of their own.
    """
    stand_ins = {module.__name__: module for module in modules if module.__name__ not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def later(name: str) -> ModuleType:
    """Return a stand-in for the module of this name; what is taken from it imports the real one when it is used.

    It is used by being called, or by an attribute being taken of it.
    """

    def attribute(of: str) -> _Later:
        if of.startswith("__"):
            raise AttributeError(of)
        return _Later(f"{name}.{of}")

    module = ModuleType(name)
    module.__getattr__ = attribute
    return module


class _Later:
    """Stands in for what has this dotted name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *args: object, **kwargs: object) -> object:
        return resolve_name(self._name)(*args, **kwargs)

    def __getattr__(self, name: str) -> object:
        return getattr(resolve_name(self._name), name)

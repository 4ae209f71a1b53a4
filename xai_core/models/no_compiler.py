"""torch's compiler is left out: nothing here uses it, and importing it takes as long as importing torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without_compiler() -> Iterator[None]:
    """Return a context whose imports get a stand-in for ``torch._dynamo``, unless that has been imported already.

    timm and torchvision import it to mark functions that it is to leave alone, and to ask whether it knows a device.
    """
    compiler, utils = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    compiler.disable = lambda function, recursive=True, *, reason=None: function
    utils.is_compile_supported = lambda device: False
    stand_ins = {} if compiler.__name__ in sys.modules else {module.__name__: module for module in (compiler, utils)}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]

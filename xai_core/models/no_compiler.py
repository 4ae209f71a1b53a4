"""torch's compiler is left out: nothing here uses it, and importing it takes as long as importing torch."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import ModuleType

from xai_core.put_off import standing_in


def without_compiler() -> AbstractContextManager[None]:
    """Return a context whose imports get a stand-in for ``torch._dynamo``, unless that has been imported already.

    timm and torchvision import it to mark functions that it is to leave alone, and to ask whether it knows a device.
    """
    compiler, utils = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    compiler.disable = lambda function, recursive=True, *, reason=None: function
    utils.is_compile_supported = lambda device: False
    return standing_in(compiler, utils)

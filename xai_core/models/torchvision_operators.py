"""The one place that makes ``import torchvision`` work beside a torch it was not compiled for.

torchvision's wheel is built against CUDA torch; next to a CPU-only torch its compiled operators do not load and
``import torchvision`` fails with "operator torchvision::nms does not exist". timm and grad-cam import it, and need
only its Python parts. Declaring the schemas of the two operators it registers shapes for lets those parts import.
"""

from __future__ import annotations

from functools import cache

from xai_core.models.no_compiler import without_compiler

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache
def declare_missing_operators() -> object | None:
    """Return the library that holds the declared schemas, or None where torchvision's own operators are present.

    Call it before the first import of timm, grad-cam or torchvision. The library object must stay alive: the cache
    keeps it.
    """
    import torch

    try:
        with without_compiler():
            import torchvision.extension as compiled

        if compiled._has_ops():
            return None
    except (ImportError, RuntimeError, AttributeError):
        pass  # the import itself fails where the operators are absent
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + _SCHEMA)
    return library

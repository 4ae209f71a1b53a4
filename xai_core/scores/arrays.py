"""The door of the scores: which kind of array came in, whether it fits, and how the answer goes back in kind.

Neither numpy nor torch is imported at the top: who scores with one does not wait for the other.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from xai_core.errors import BadInput

SCORE_NAMES = ("explanation_coverage", "ground_truth_coverage", "iou")


def kind_of(**arrays: Any) -> ModuleType:
    """Return the module, numpy or torch, that all of the named arrays belong to.

    Raises
    ------
    TypeError
        Where something is neither, or the kinds are mixed: a silent copy between devices is nobody's wish.
    """
    import numpy as np

    kinds = {name: _kind(array, np) for name, array in arrays.items()}
    for name, kind in kinds.items():
        if kind is None:
            raise TypeError(f"{name} is a numpy array or a torch tensor, not {type(arrays[name]).__name__}")
    if len({kind.__name__ for kind in kinds.values()}) > 1:
        said = ", ".join(f"{name} is {kind.__name__}" for name, kind in kinds.items())
        raise TypeError(f"all arrays are numpy or all are torch, but {said}")
    return next(iter(kinds.values()))


def _kind(array: Any, np: ModuleType) -> ModuleType | None:
    # No tensor can exist where nobody has imported torch, so there is no need to import it here.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return torch
    return np if isinstance(array, np.ndarray) else None


def check_regions(**regions: Any) -> ModuleType:
    """Return the module of boolean (N, H, W) arrays of one shape.

    Raises
    ------
    TypeError
        For another dtype than bool: a mask of 0 and 255 that is summed gives nonsense without a word.
    BadInput
        For another number of axes, unequal shapes, or images without pixels.
    """
    xp = kind_of(**regions)
    for name, region in regions.items():
        if region.dtype != xp.bool:
            raise TypeError(f"{name} is bool, not {region.dtype}; compare with a threshold first")
    _check_shapes(regions)
    return xp


def check_heatmaps(heatmaps: Any, **regions: Any) -> ModuleType:
    """Return the module of finite floating (N, H, W) heatmaps and of the regions that go with them.

    Raises
    ------
    TypeError
        For heatmaps that are not floating, or regions that are not bool.
    BadInput
        For shapes that do not fit, or values that are not finite.
    """
    xp = kind_of(heatmaps=heatmaps, **regions)
    if "float" not in str(heatmaps.dtype):
        raise TypeError(f"heatmaps are floating point, not {heatmaps.dtype}")
    _check_shapes({"heatmaps": heatmaps, **regions})
    if regions:
        check_regions(**regions)
    if not bool(xp.isfinite(heatmaps).all()):
        bad = int((~xp.isfinite(heatmaps)).sum())
        raise BadInput(
            where="heatmaps", expected="finite values", found=f"{bad} that are not", remedy="mend the explainer"
        )
    return xp


def _check_shapes(arrays: dict[str, Any]) -> None:
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    for name, shape in shapes.items():
        if len(shape) != 3 or 0 in shape[1:]:
            raise BadInput(
                where=name, expected="shape (N, H, W) with pixels", found=str(shape), remedy="add or drop axes"
            )
    if len(set(shapes.values())) > 1:
        raise BadInput(
            expected="one shape for all arrays",
            found=", ".join(f"{name} {shape}" for name, shape in shapes.items()),
            remedy="bring them into one model frame",
        )


def to_numpy(array: Any) -> Any:
    """Return an array, tensor or sequence as numpy on the host (a view where it is there already)."""
    import numpy as np

    return array.detach().cpu().numpy() if hasattr(array, "detach") else np.asarray(array)


def like(values: Any, original: Any) -> Any:
    """Return numpy `values` in the kind of `original`, on its device."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(original, torch.Tensor):
        return torch.from_numpy(values).to(original.device)
    return values


def undefined(name: str, no_explanation: Any, no_annotation: Any) -> Any:
    """Return (N,) numpy str: why score `name` is undefined, '' where it is defined (DESIGN 5, Scores).

    Parameters
    ----------
    name : str
        One of `SCORE_NAMES`.
    no_explanation, no_annotation : (N,) numpy bool
        Where the explanation region and the annotation are empty.
    """
    import numpy as np

    both = no_explanation & no_annotation
    alone = {
        "explanation_coverage": np.where(no_explanation, "empty_explanation", ""),
        "ground_truth_coverage": np.where(no_annotation, "empty_annotation", ""),
        "iou": np.zeros(len(both), dtype="<U1"),
    }[name]
    # Wide enough for the reasons that a caller knows better (annotation_outside_crop): numpy would cut them unseen.
    return np.where(both, "both_empty", alone).astype("<U32")

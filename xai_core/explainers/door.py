"""The only door to the explainers: it checks what goes in, takes the classifier's lock, and checks what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.explainers.description import Description, Explanation
from xai_core.explainers.request import Request, check_targets

if TYPE_CHECKING:
    import numpy as np
    import torch

    from xai_core.models.classifier import Classifier

    Targets = Sequence[torch.Tensor | np.ndarray | Callable[[torch.Tensor], torch.Tensor]]


def explain(
    classifier: Classifier,
    batch: torch.Tensor,
    targets: Targets,
    method: str,
    *,
    parameters: Mapping[str, object] | None = None,
    image_hashes: Sequence[str],
    frames: np.ndarray | torch.Tensor | None = None,
    segments: np.ndarray | torch.Tensor | None = None,
    seed: int = 0,
    valid: int | None = None,
) -> list[Explanation]:
    """Return one `Explanation` for each target vector, of the first `valid` images of a batch.

    Parameters
    ----------
    classifier : Classifier
        It is locked meanwhile, and left as it was found.
    batch : (N, 3, h, w) float32
        As `Classifier.normalise` makes it. Every pass through the network has N rows, so N is a setting: under the
        same N (and threads, precision, device) an image's result has the same bits whatever else is in the batch.
    targets : sequence of (N,) integers or callables
        Which class of each image to explain. A callable gets the (valid, C) float32 probabilities on the device and
        returns (valid,) integers: a ``predicted`` target needs no pass of its own.
    method : str
        A key of `METHODS`.
    parameters : mapping, optional
        Named in the method's description; the others are at their defaults.
    image_hashes : sequence of N str
        With `seed`, they alone decide what is drawn for each image.
    frames : (N, h, w, 3) uint8, optional
        The pictures before normalisation; the edge map needs them, and LIME without `segments`.
    segments : (N, h, w) integers, optional
        What `lime.segment` gave for each frame, where it has been done before.
    seed : int
        Of the run.
    valid : int, optional
        How many rows are images; the rest pads the last batch. Then N above may be `valid` too, except for the batch.

    Raises
    ------
    BadInput
        Unknown method, layer or parameter; lengths that differ; targets that are no class; a method's need not met.
    FloatingPointError
        Where heatmaps or probabilities are not finite. The message names the method.
    """
    from xai_core.explainers import METHODS

    if method not in METHODS:
        raise BadInput(where="method", expected=" or ".join(METHODS), found=method, remedy="choose one of them")
    description = METHODS[method]
    batch = _check_batch(classifier, batch)
    valid = len(batch) if valid is None else valid
    if not 1 <= valid <= len(batch):
        raise BadInput(
            where="valid", expected=f"1 to {len(batch)}", found=valid, remedy="count the images of the batch"
        )
    if not len(targets):
        raise BadInput(
            where="targets", expected="at least one target vector", found="none", remedy="say what to explain"
        )
    given = partial(check_targets, images=valid, classes=len(classifier.class_names))
    request = Request(
        method=method,
        classifier=classifier,
        batch=batch,
        valid=valid,
        wanted=tuple(t if callable(t) else given(_rows("targets", t, valid, len(batch))) for t in targets),
        hashes=tuple(_rows("image_hashes", image_hashes, valid, len(batch))),
        parameters=description.settle(parameters),
        seed=seed,
        frames=_pictures("frames", frames, valid, (len(batch), *batch.shape[2:], 3)),
        segments=_pictures("segments", segments, valid, (len(batch), *batch.shape[2:])),
    )
    with classifier.lock:
        explanations = description.run(request)
    for explanation in explanations:
        _check_explanation(description, explanation, valid)
    return explanations


def _check_batch(classifier: Classifier, batch: torch.Tensor) -> torch.Tensor:
    import torch

    size = classifier.preprocessing.frame.size
    if batch.dtype != torch.float32 or batch.ndim != 4 or tuple(batch.shape[1:]) != (3, *size) or not len(batch):
        expected = f"(N, 3, {size[0]}, {size[1]}) torch.float32"
        found = f"{tuple(batch.shape)} {batch.dtype}"
        raise BadInput(where="batch", expected=expected, found=found, remedy="normalise frames with the classifier")
    # what was made in inference mode cannot take part in a gradient; a copy can
    batch = batch.clone() if batch.is_inference() else batch.detach()
    return batch.to(classifier.device).contiguous(memory_format=torch.channels_last)


def _rows(name: str, values: Sequence, valid: int, padded: int) -> Sequence:
    if len(values) not in (valid, padded):
        remedy = "give one for each image of the batch"
        raise BadInput(where=name, expected=f"{valid} values", found=len(values), remedy=remedy)
    return values[:valid]


def _pictures(name: str, values: object, valid: int, shape: tuple[int, ...]) -> torch.Tensor | None:
    import torch

    if values is None:
        return None
    # a copy: arrays that come from a picture file are read-only, which torch warns of
    values = values if isinstance(values, torch.Tensor) else torch.tensor(values)
    right = values.dtype == torch.uint8 if name == "frames" else not values.is_floating_point()
    if not right or tuple(values.shape[1:]) != shape[1:]:
        kind = "uint8" if name == "frames" else "integers"
        found = f"{tuple(values.shape)} {values.dtype}"
        raise BadInput(where=name, expected=f"{shape} {kind}", found=found, remedy="give them in the model frame")
    return _rows(name, values, valid, shape[0])


def _check_explanation(description: Description, explanation: Explanation, valid: int) -> None:
    import torch

    heatmaps = explanation.heatmaps
    if heatmaps.dtype != torch.float32 or heatmaps.ndim != 3 or len(heatmaps) != valid:
        found = f"{tuple(heatmaps.shape)} {heatmaps.dtype}"
        raise AssertionError(f"{description.title} gave {found} for {valid} images, not (N, h, w) torch.float32")
    finite = torch.isfinite(heatmaps).flatten(1).all(1) & torch.isfinite(explanation.probabilities).all(1)
    if not bool(finite.all()):
        rows = (~finite).nonzero().flatten().tolist()
        raise FloatingPointError(f"{description.title} is not finite for the images at {rows} of the batch")

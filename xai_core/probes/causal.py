"""Causal checks on one image: what the classifier answers when a region, or all but a region, is taken out of it.

A replaced region is a picture that no camera took, so each check is made with two fills: where they disagree, the
answer speaks of the fill. Both are made from kept pixels alone; nothing of what was taken out shows through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput

if TYPE_CHECKING:
    from xai_core.models import Classifier

CHECKS = {
    "unchanged": "The image as it is",
    "region_only": "Only the outlined region",
    "surroundings_only": "Only the surroundings of the outlined region",
    "without_explanation": "Without the explanation region",
}
FILLS = {"blur": "blurred from what is kept", "mean": "mean colour of what is kept"}
REASONS = {
    "no_annotation": "no region is outlined on this image",
    "empty_annotation": "the outlined region has no pixel in what the classifier sees",
    "empty_explanation": "the explanation region is empty",
    "nothing_left": "the region covers all that the classifier sees",
}
BLUR = 1 / 6  # standard deviation of the blur, as a share of the frame's longer side


@dataclass(frozen=True, eq=False)
class Check:
    """One changed image and the answer to it.

    Attributes
    ----------
    name, fill : str
        Keys of `CHECKS` and of `FILLS`; the unchanged image has the fill ''.
    probabilities : (C,) float32 or None
        None where the check cannot be made; then `reason` is a key of `REASONS`, else ''.
    removed : float or None
        Share of the model frame that was replaced, [0, 1].
    frame : (h, w, 3) uint8 or None
        What the classifier saw.
    """

    name: str
    fill: str
    probabilities: np.ndarray | None = None
    removed: float | None = None
    frame: np.ndarray | None = None
    reason: str = ""


def checks(
    classifier: Classifier, image: np.ndarray, truth: np.ndarray | None, explanation: np.ndarray | None
) -> list[Check]:
    """Return the answers to one image unchanged, then by each check of `CHECKS` and each fill of `FILLS`.

    Parameters
    ----------
    classifier : Classifier
        It sees one batch, of the same shape whatever can be checked.
    image : (h, w, 3) uint8
        In the model frame, before normalisation.
    truth, explanation : (h, w) bool or None
        The outlined region and the explanation region in the model frame.

    Raises
    ------
    BadInput
        Where the arrays are not of the classifier's model frame.
    """
    shape = classifier.preprocessing.frame.size
    _check_shape("image", image, (*shape, 3), np.uint8)
    for name, region in (("truth", truth), ("explanation", explanation)):
        if region is not None:
            _check_shape(name, region, shape, bool)
    planned = [Check("unchanged", "", removed=0.0, frame=image)]
    for name, (removed, reason) in _removals(truth, explanation).items():
        planned += [_changed(name, fill, image, removed, reason) for fill in FILLS]
    return _answered(classifier, planned)


def fill_in(image: np.ndarray, removed: np.ndarray, fill: str) -> np.ndarray:
    """Return an image whose removed pixels are made anew from the kept ones: (h, w, 3) uint8.

    Parameters
    ----------
    image : (h, w, 3) uint8
    removed : (h, w) bool
        At least one pixel is kept.
    fill : str
        ``mean``: the mean colour of the kept pixels. ``blur``: at each place the mean of the kept pixels weighted by a
        Gaussian of their distance (normalised convolution, Knutsson and Westin 1993), so that removed colours have no
        weight anywhere.
    """
    kept = np.where(removed[..., None], 0.0, image)
    weight = (~removed).astype(float)
    if fill == "blur":
        # the whole Gaussian, not cut off: the weights stay above 1e-16 at any distance within the frame
        down, across = (gaussian(side, BLUR * max(removed.shape)) for side in removed.shape)
        made = np.einsum("yh,hwc,xw->yxc", down, kept, across, optimize=True)
        made /= (down @ weight @ across)[..., None]
    else:
        made = np.broadcast_to(kept.sum((0, 1)) / weight.sum(), image.shape)
    return np.where(removed[..., None], np.rint(made).clip(0, 255).astype(np.uint8), image)


def gaussian(side: int, deviation: float) -> np.ndarray:
    """Return the weight of each place for each other along one axis: (side, side), symmetric."""
    places = np.arange(side)
    return np.exp(-0.5 * ((places[:, None] - places) / deviation) ** 2)


def _removals(truth: np.ndarray | None, explanation: np.ndarray | None) -> dict[str, tuple[np.ndarray | None, str]]:
    """Return for each check what it removes and why it cannot be made: '' where it can."""
    outside = None if truth is None else ~truth
    missing = "no_annotation" if truth is None else "" if truth.any() else "empty_annotation"
    covered = "nothing_left" if truth is not None and truth.all() else ""
    blank = explanation is None or not explanation.any()
    everywhere = "nothing_left" if not blank and explanation.all() else ""
    return {
        "region_only": (outside, missing),
        "surroundings_only": (truth, missing or covered),
        "without_explanation": (explanation, "empty_explanation" if blank else everywhere),
    }


def _changed(name: str, fill: str, image: np.ndarray, removed: np.ndarray | None, reason: str) -> Check:
    if reason:
        return Check(name, fill, reason=reason)
    return Check(name, fill, removed=float(removed.mean()), frame=fill_in(image, removed, fill))


def _answered(classifier: Classifier, planned: list[Check]) -> list[Check]:
    """Return the checks with their probabilities; a place that cannot be checked is padded with the image itself."""
    frames = np.stack([planned[0].frame if check.frame is None else check.frame for check in planned])
    answers = classifier.probabilities(classifier.normalise(frames)).cpu().numpy()
    return [
        check if check.reason else Check(check.name, check.fill, answer, check.removed, check.frame)
        for check, answer in zip(planned, answers, strict=True)
    ]


def _check_shape(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: type) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise BadInput(
            where=name,
            expected=f"{shape} {np.dtype(dtype)}, in the classifier's model frame",
            found=f"{array.shape} {array.dtype}",
            remedy="bring it there by its `geometry.Placement`",
        )

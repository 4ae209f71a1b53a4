"""What one network sees and says: features, Grad-CAM and probabilities of images, in passes of one shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.explainers import explain

if TYPE_CHECKING:
    from xai_core.models import Classifier


@dataclass(frozen=True)
class Seen:
    """What a pass gave for n images.

    Attributes
    ----------
    features : (n, h * w, d) float32
        Of each place of the layer.
    heatmaps : (n, h * w) float32
        Grad-CAM after its ReLU, not rescaled.
    probabilities : (n, M) float32
    """

    features: np.ndarray
    heatmaps: np.ndarray
    probabilities: np.ndarray


class Looking:
    """A classifier at work: every pass has `batch_size` rows, so that an image's numbers depend on nothing else.

    Parameters
    ----------
    classifier : Classifier
        With a layer that Grad-CAM can explain.
    batch_size : int
    """

    def __init__(self, classifier: Classifier, batch_size: int) -> None:
        from xai_core.models.layers import cam_module

        self.classifier, self.batch_size = classifier, batch_size
        self.layer, self._module = cam_module(classifier)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Return (features, rows, columns) of the layer."""
        blank = np.zeros((1, *self.classifier.preprocessing.frame.size, 3), np.uint8)
        return tuple(self._run(blank, lambda batch: self.classifier.logits(batch))[1].shape[1:])

    def features(self, frames: np.ndarray) -> np.ndarray:
        """Return (n, h * w, d) float32 of (n, H, W, 3) uint8 frames, n at most the batch size, without Grad-CAM."""
        _, output = self._run(frames, lambda batch: self.classifier.logits(batch))
        return _by_place(output[: len(frames)])

    def see(self, frames: np.ndarray, targets: np.ndarray | None) -> Seen:
        """Return what the network sees in (n, H, W, 3) uint8 frames, n at most the batch size.

        `targets` (n,) are the classes that Grad-CAM explains; None stands for what the network itself predicts.

        Raises
        ------
        FloatingPointError
            Where a number is not finite.
        """

        def look(batch):
            target = (lambda probabilities: probabilities.argmax(1)) if targets is None else targets
            return explain(
                self.classifier, batch, [target], "grad_cam", image_hashes=[""] * len(frames), valid=len(frames)
            )

        (explanation,), output = self._run(frames, look)
        maps = explanation.heatmaps.flatten(1).cpu().numpy()
        return Seen(_by_place(output[: len(frames)]), maps, explanation.probabilities.cpu().numpy())

    def _run(self, frames: np.ndarray, run: Callable) -> tuple:
        """Return what `run` gives for the padded batch, and the layer's output in its last pass."""
        padded = frames[np.arange(self.batch_size).clip(max=len(frames) - 1)]
        kept: list = []
        with self.classifier.lock:
            handle = self._module.register_forward_hook(
                lambda _module, _inputs, output: kept.append(output.detach().clone())
            )
            try:
                answer = run(self.classifier.normalise(padded))
            finally:
                handle.remove()
        if not kept or kept[-1].ndim != 4:
            raise BadInput(
                where=self.layer, expected="a layer of maps, (N, C, h, w)", found="none", remedy="choose another model"
            )
        return answer, kept[-1]


def _by_place(output) -> np.ndarray:
    count, features = output.shape[:2]
    return output.permute(0, 2, 3, 1).reshape(count, -1, features).float().cpu().numpy()

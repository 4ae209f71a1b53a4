"""Cascading model randomisation (Adebayo et al. 2018, arXiv 1810.03292): does a heatmap depend on what was learned?

The weights of a copy of the network are drawn anew, from the last layer to the first, and the same images are explained
again. A method whose heatmaps stay as they were shows the image, not the classifier.

Weights are drawn once for each level, not for each image: all images of a level are explained by one network, and the
intervals speak of images, not of draws. Tensors of two or more dimensions are normal with variance 2 / fan-in (He et
al. 2015); biases become 0, scales 1. Running statistics of batch normalisation that belong to trained weights would
drive the new ones into saturation, and 0 and 1 would let the signal die out in a deep network, so they are taken anew
from the probed images, level by level. The user's classifier is never touched.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput

if TYPE_CHECKING:
    import torch

    from xai_core.models import Classifier

LEVELS = 8
BATCH = 16
WINDOW = 7  # side of the window of SSIM in cells of the heatmap; the largest odd number that fits a smaller one
Told = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Subject:
    """Images and how they are explained, so that it can be done again.

    Attributes
    ----------
    frames : (N, h, w, 3) uint8
        In the model frame, before normalisation.
    targets : (N,) int64
        The classes explained, whoever answers.
    image_hashes : sequence of N str
    method : str
        A key of `explainers.METHODS`; `parameters` are its own.
    segments : (N, h, w) int64, optional
        LIME: cut once, from the image alone, and used at every level.
    batch_size : int
        Every pass through the network has that many rows, the last one padded.
    """

    frames: np.ndarray
    targets: np.ndarray
    image_hashes: Sequence[str]
    method: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    segments: np.ndarray | None = None
    batch_size: int = BATCH

    def heatmaps(self, classifier: Classifier, seed: int, told: Told | None = None) -> np.ndarray:
        """Return the raw heatmaps under a classifier: (N, h', w') float32 at the method's own resolution."""
        from xai_core.explainers import explain

        found = []
        for start in range(0, len(self.frames), self.batch_size):
            stop = min(start + self.batch_size, len(self.frames))
            rows = np.minimum(np.arange(start, start + self.batch_size), stop - 1)  # the last image pads
            explanation = explain(
                classifier,
                classifier.normalise(self.frames[rows]),
                [self.targets[start:stop]],
                self.method,
                parameters=self.parameters,
                image_hashes=[self.image_hashes[row] for row in rows],
                frames=self.frames[rows],
                segments=None if self.segments is None else self.segments[rows],
                seed=seed,
                valid=stop - start,
            )[0]
            found.append(explanation.heatmaps.cpu().numpy())
            if told:
                told(stop - start)
        return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class Level:
    """All layers from `layer` to the output drawn anew, and each heatmap beside that of the trained network.

    ``spearman``, ``ssim`` (N,) float64, [-1, 1]; NaN where one of the two heatmaps is constant (`similarity`).
    """

    layer: str
    spearman: np.ndarray
    ssim: np.ndarray


def cascade(
    classifier: Classifier,
    subject: Subject,
    originals: np.ndarray,
    *,
    seed: int = 0,
    levels: int = LEVELS,
    told: Told | None = None,
) -> list[Level]:
    """Return a level for each group of layers, the last one first; at the last level every weight is drawn anew.

    Parameters
    ----------
    classifier : Classifier
        Left as it is; a copy is randomised.
    subject : Subject
    originals : (N, h', w') float32
        ``subject.heatmaps(classifier, seed)``.
    seed : int
        Of the new weights, and of what the method draws, which is the same at every level.
    levels : int
        At most so many: the last layer alone, the others in groups of equal length.
    told : callable, optional
        Called with how many images are newly explained.

    Raises
    ------
    BadInput
        Where the network has no weights.
    """
    randomised = _copy_of(classifier)
    generator = weights_of(seed)
    found = []
    for group in layer_groups(randomised.network, levels):
        modules = [randomised.network.get_submodule(name) for name in group]
        for module in modules:
            _draw_anew(module, generator)
        _settle_statistics(randomised, modules, subject)
        spearman, ssim = similarity(originals, subject.heatmaps(randomised, seed, told))
        found.append(Level(group[0] or "the whole network", spearman, ssim))
    return found


def weights_of(seed: int) -> torch.Generator:
    """Return what draws the new weights; not by the bare number, which may be what a network was initialised with."""
    import torch

    drawn = hashlib.sha256(f"{seed}:weights".encode()).digest()[:7]
    return torch.Generator().manual_seed(int.from_bytes(drawn, "big"))


def layer_groups(network: torch.nn.Module, levels: int = LEVELS) -> list[list[str]]:
    """Return the names of all modules that own parameters, in at most `levels` groups, the group of the last first.

    Modules are taken in the order of `named_modules`, which is that of the forward pass in the networks there are.
    What owns vectors alone (a normalisation) goes with the layer before it. Within a group the order is the network's.
    """
    layers: list[list[str]] = []
    for name, module in network.named_modules():
        own = list(module.parameters(recurse=False))
        if own and (not layers or any(tensor.ndim > 1 for tensor in own)):
            layers.append([name])
        elif own:
            layers[-1].append(name)
    if not layers:
        raise BadInput(
            where="classifier", expected="a network with weights", found="none", remedy="there is nothing to randomise"
        )
    starts = np.rint(np.linspace(len(layers) - 1, 0, min(levels, len(layers)))).astype(int).tolist()
    ends = [len(layers), *starts[:-1], 0]
    groups = [layers[start:stop] for stop, start in itertools.pairwise(ends)]
    return [[name for layer in group for name in layer] for group in groups]


def similarity(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Spearman's correlation and SSIM (Wang et al. 2004) of the absolute heatmaps, pair by pair: (N,) each.

    SSIM takes each absolute heatmap divided by its own largest value, on the range 1: networks of another scale do not
    count as other explanations. Both are NaN where either heatmap is constant, which has no order and no shape.
    """
    from scipy.stats import rankdata
    from skimage.metrics import structural_similarity

    spearman, ssim = np.full((2, len(first)), np.nan)
    for k, pair in enumerate(zip(np.abs(first).astype(float), np.abs(second).astype(float), strict=True)):
        if any(one.min() == one.max() for one in pair):
            continue
        places = [rankdata(one) for one in pair]
        spearman[k] = np.corrcoef(*places)[0, 1]
        shorter = min(pair[0].shape)
        window = min(WINDOW, shorter - (shorter + 1) % 2)
        if window > 1:
            ssim[k] = structural_similarity(*(one / one.max() for one in pair), win_size=window, data_range=1.0)
    return spearman, ssim


def _copy_of(classifier: Classifier) -> Classifier:
    with classifier.lock:
        network = copy.deepcopy(classifier.network)
    return type(classifier)(
        network,
        classifier.preprocessing,
        classifier.class_names,
        classifier.architecture,
        cam_layer=classifier.cam_layer,
        device=classifier.device,
        precision=classifier.precision,
    )


def _draw_anew(module: torch.nn.Module, generator: torch.Generator) -> None:
    import torch

    for name, tensor in module.named_parameters(recurse=False):
        if tensor.ndim > 1:
            deviation = (2 * len(tensor) / tensor.numel()) ** 0.5
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * deviation)
        else:
            tensor.fill_(0.0 if name.endswith("bias") else 1.0)


def _settle_statistics(classifier: Classifier, modules: Sequence[torch.nn.Module], subject: Subject) -> None:
    """Take the running statistics of the batch normalisations among `modules` from the subject's images."""
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [module for module in modules if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    for start in range(0, len(subject.frames), subject.batch_size):
        rows = np.arange(start, start + subject.batch_size) % len(subject.frames)
        classifier.logits(classifier.normalise(subject.frames[rows]))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()

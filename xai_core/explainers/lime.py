"""LIME as the source article uses it (METHODS 1): the answers of the lime package for the same seed, in batches.

The package draws, composes and asks one image at a time, in Python (1.2 s an image before any network runs, DESIGN
6.4). Here the same rows are drawn, pictures are composed on the device in normalised space, every pass through the
network has the batch's own number of rows and is filled across images, and the surrogate is solved in closed form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.explainers.description import Description, Explanation, Parameter
from xai_core.explainers.request import Request
from xai_core.explainers.surrogate import Surrogate, fit

if TYPE_CHECKING:
    import numpy as np
    import torch

SEGMENTATION = "quickshift(kernel_size=4, max_dist=200, ratio=0.2)"


def segment(frame: np.ndarray) -> np.ndarray:
    """Return the segment of each pixel: (h, w) int64, 0 to S - 1, from a (h, w, 3) uint8 RGB frame. Needs no torch.

    What the lime package takes by default. Its ``random_seed`` does not reach scikit-image, whose argument is called
    ``rng``, so that ties are broken by scikit-image's own fixed seed: the same segments for every seed.
    """
    from skimage.segmentation import quickshift

    return quickshift(frame, kernel_size=4, max_dist=200, ratio=0.2)


def design(segments: int, rows: int, seed: int) -> np.ndarray:
    """Return which segments each perturbed picture shows: (rows, segments) bool, the first row all of them.

    As ``LimeImageExplainer(random_state=seed)`` draws it for its first image: one number for the segmentation, then
    the rows.
    """
    import numpy as np

    state = np.random.RandomState(seed)
    state.randint(0, 1000)
    drawn = state.randint(0, 2, rows * segments).reshape(rows, segments).astype(bool)
    drawn[0] = True
    return drawn


def explain_segments(request: Request) -> list[Explanation]:
    """Return the weights of the segments in a linear surrogate, painted on them, for each target vector."""
    import torch

    probabilities, targets = request.settle_targets(request.classifier.logits(request.batch))
    rows = int(request.parameters["num_samples"])
    pictures = [_perturbed(request, k, rows) for k in range(request.valid)]
    two_classes = probabilities.shape[1] == 2
    # what speaks for one of two classes speaks against the other: one fit serves both
    fitted = [torch.ones_like(targets[0])] if two_classes else targets
    responses = _responses(request, pictures, probabilities, torch.stack(fitted, 1))
    fits = [
        fit(picture.design, response, request.sample_seed(k))
        for k, (picture, response) in enumerate(zip(pictures, responses, strict=True))
    ]
    segments = torch.stack([picture.segments for picture in pictures]).view(-1, *request.batch.shape[2:])
    explanations = []
    for column, target in enumerate(targets):
        if two_classes:
            own = [f[0] if positive else f[0].negated() for f, positive in zip(fits, target.tolist(), strict=True)]
        else:
            own = [f[column] for f in fits]
        explanations.append(_explanation(own, target, probabilities, segments))
    return explanations


@dataclass(frozen=True)
class _Perturbed:
    """One image cut into segments: its pixels and colour 0, (h * w * 3,) each, and what the rows show of it."""

    pixels: torch.Tensor
    hidden: torch.Tensor
    segments: torch.Tensor
    where: torch.Tensor
    design: torch.Tensor

    def compose(self, first: int, out: torch.Tensor) -> None:
        """Write rows `first`, `first` + 1, ... into `out` (n, h * w * 3): the hidden colour where a segment is off."""
        import torch

        rows = self.design[first : first + len(out)]
        shown = torch.gather(rows, 1, self.where.expand(len(out), -1))
        torch.where(shown, self.pixels, self.hidden, out=out)


def _perturbed(request: Request, position: int, rows: int) -> _Perturbed:
    import torch

    classifier, device = request.classifier, request.batch.device
    if request.segments is not None:
        segments = request.segments[position].to("cpu", torch.int64)
    elif request.frames is not None:
        segments = torch.from_numpy(segment(request.frames[position].cpu().numpy()))
    else:
        remedy = "pass frames=, or segments= made by lime.segment"
        raise BadInput(where="LIME", expected="frames or segments", found="neither", remedy=remedy)
    count = int(segments.max()) + 1
    if segments.min() < 0 or len(segments.unique()) != count:
        found = f"{len(segments.unique())} values from {int(segments.min())} to {count - 1}"
        raise BadInput(where="segments", expected="numbers 0 to S - 1", found=found, remedy="use lime.segment")
    black = torch.zeros((1, *segments.shape, 3), dtype=torch.uint8)
    return _Perturbed(
        pixels=_flat(request.batch[position], classifier.dtype),
        hidden=_flat(classifier.normalise(black)[0], classifier.dtype),
        segments=segments.flatten().to(device),
        where=segments.flatten().repeat_interleave(3).to(device),
        design=torch.from_numpy(design(count, rows, request.sample_seed(position))).to(device),
    )


def _flat(picture: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return picture.permute(1, 2, 0).reshape(-1).to(dtype)


def _responses(
    request: Request, pictures: list[_Perturbed], probabilities: torch.Tensor, classes: torch.Tensor
) -> torch.Tensor:
    """Return the probabilities of `classes` (n, K) for every row of every image: (n, rows, K) float32.

    The first row is the image itself, whose probabilities (n, C) are known.
    """
    import torch

    classifier, (size, channels, height, width) = request.classifier, request.batch.shape
    rows = len(pictures[0].design) - 1
    total = rows * len(pictures)
    buffer = torch.zeros((size, height * width * channels), dtype=classifier.dtype, device=classifier.device)
    # rows of pixels, three colours each, are what channels_last means: no copy
    batch = buffer.view(size, height, width, channels).permute(0, 3, 1, 2)
    asked = classes.repeat_interleave(rows, 0)
    answers = torch.empty(asked.shape, device=classifier.device)
    for start in range(0, total, size):
        stop = min(start + size, total)
        for image, first, part in _filling(start, stop, rows):
            pictures[image].compose(1 + first, buffer[part])
        answers[start:stop] = classifier.probabilities(batch)[: stop - start].gather(1, asked[start:stop])
    itself = probabilities.gather(1, classes)[:, None]
    return torch.cat([itself, answers.view(len(pictures), rows, -1)], 1)


def _filling(start: int, stop: int, rows: int) -> Iterator[tuple[int, int, slice]]:
    """Yield (image, the first of its pictures, part of the batch) for pictures `start` to `stop` of all images."""
    at = start
    while at < stop:
        image, first = divmod(at, rows)
        count = min(stop - at, rows - first)
        yield image, first, slice(at - start, at - start + count)
        at += count


def _explanation(
    fits: list[Surrogate], targets: torch.Tensor, probabilities: torch.Tensor, segments: torch.Tensor
) -> Explanation:
    import torch

    heatmaps = [f.coefficients[s].float() for f, s in zip(fits, segments, strict=True)]
    padded = torch.nn.utils.rnn.pad_sequence([f.coefficients for f in fits], True, float("nan"))
    intercepts, r2, stability = (torch.stack([getattr(f, n) for f in fits]) for n in ("intercept", "r2", "stability"))
    return Explanation(
        torch.stack(heatmaps),
        targets,
        probabilities,
        segments=segments,
        coefficients=padded,
        intercepts=intercepts,
        r2=r2,
        stability=stability,
    )


LIME = Description(
    title="LIME",
    paper="Ribeiro et al. 2016, arXiv 1602.04938",
    signed=True,
    needs="predict",
    default_rule="top_segments:5",
    run=explain_segments,
    segmentation=SEGMENTATION,
    parameters={
        "num_samples": Parameter(int, 1000, 10, 100_000, "perturbed pictures per image, the image itself included")
    },
)

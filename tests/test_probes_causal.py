"""Causal checks: fills that keep no trace of what they replace, and answers equal to those computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.runs_fixtures import picture, tiny_classifier
from xai_core.errors import BadInput
from xai_core.geometry import Frame
from xai_core.models import Classifier, Preprocessing
from xai_core.probes import causal

SIZE = (40, 64)
READ = (slice(6, 15), slice(41, 58))  # what the planted classifier reads: high on the right


class Reader(torch.nn.Module):
    """Logits (0, (mean red of one rectangle - 100) / 10): everything else in the image is nothing to it."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = torch.nn.Parameter(torch.tensor(-100.0))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        red = (batch[:, 0, READ[0], READ[1]].mean((1, 2)) + self.offset) / 10
        return torch.stack((torch.zeros_like(red), red), 1)


@pytest.fixture
def reader() -> Classifier:
    # a mean of 0 and a deviation of 1/255 hand the pixels on as they are
    preprocessing = Preprocessing(Frame(SIZE, "squash", 0), (0.0,) * 3, (1 / 255,) * 3)
    return Classifier(Reader(), preprocessing, ("no", "yes"), {}, cam_layer="", device="cpu")


@pytest.fixture
def image() -> np.ndarray:
    """Return noise in which the rectangle is brighter by a little and the rest has two halves of other colours."""
    image = np.random.default_rng(3).integers(0, 60, (*SIZE, 3)).astype(np.uint8)
    image[:, 32:] += 70
    image[READ] = image[READ] // 4 + 95
    return image


def mask(rows: slice, columns: slice) -> np.ndarray:
    region = np.zeros(SIZE, bool)
    region[rows, columns] = True
    return region


def yes(frame: np.ndarray) -> float:
    return answer(frame[..., 0][READ].astype(float).mean())


def answer(red: float) -> float:
    return float(1 / (1 + np.exp(10 - red / 10)))


def by_name(checks: list[causal.Check]) -> dict[tuple[str, str], causal.Check]:
    return {(check.name, check.fill): check for check in checks}


def slow_blur(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Return the normalised convolution written out pixel by pixel."""
    out = image.copy()
    deviation = causal.BLUR * max(removed.shape)
    kept = np.argwhere(~removed)
    for y, x in np.argwhere(removed):
        weights = np.exp(-((kept - (y, x)) ** 2).sum(1) / (2 * deviation**2))
        out[y, x] = np.rint(weights @ image[~removed].astype(float) / weights.sum())
    return out


def test_a_planted_reader_answers_as_computed_by_hand(reader, image):
    truth, explanation = mask(slice(4, 18), slice(38, 60)), mask(slice(20, 37), slice(3, 30))
    found = by_name(causal.checks(reader, image, truth, explanation))
    assert list(found) == [("unchanged", "")] + [(n, f) for n in list(causal.CHECKS)[1:] for f in causal.FILLS]
    unchanged = yes(image)
    assert 0.01 < unchanged < 0.99
    for check in found.values():
        np.testing.assert_allclose(check.probabilities, [1 - yes(check.frame), yes(check.frame)], atol=1e-5)
    for fill in causal.FILLS:
        # what it reads is in the region: keeping that changes nothing, and the explanation lies elsewhere
        assert found["region_only", fill].probabilities[1] == pytest.approx(unchanged, abs=1e-5)
        assert found["without_explanation", fill].probabilities[1] == pytest.approx(unchanged, abs=1e-5)
    red = float(np.rint(image[~truth][:, 0].mean()))
    assert found["surroundings_only", "mean"].probabilities[1] == pytest.approx(answer(red), abs=1e-5)
    assert found["surroundings_only", "blur"].probabilities[1] == pytest.approx(yes(slow_blur(image, truth)), abs=1e-3)
    assert found["surroundings_only", "mean"].probabilities[1] < unchanged - 0.01
    assert found["region_only", "mean"].removed == pytest.approx(1 - truth.mean())
    assert found["surroundings_only", "blur"].removed == pytest.approx(truth.mean())


@pytest.mark.parametrize("fill", causal.FILLS)
def test_a_fill_has_no_trace_of_what_it_replaced(image, fill):
    removed = mask(slice(2, 31), slice(20, 63))
    wild = image.copy()
    wild[removed] = np.random.default_rng(0).choice([0, 255], (removed.sum(), 3))
    filled = causal.fill_in(image, removed, fill)
    assert np.array_equal(filled, causal.fill_in(wild, removed, fill))
    assert np.array_equal(filled[~removed], image[~removed])


def test_the_blur_is_the_normalised_convolution(image):
    removed = mask(slice(9, 40), slice(0, 37))
    difference = causal.fill_in(image, removed, "blur").astype(int) - slow_blur(image, removed)
    assert np.abs(difference).max() <= 1  # rounding of ties


def test_one_kept_pixel_in_a_corner_colours_everything():
    image = np.random.default_rng(1).integers(0, 255, (30, 400, 3)).astype(np.uint8)
    removed = np.ones((30, 400), bool)
    removed[29, 399] = False
    for fill in causal.FILLS:
        assert (causal.fill_in(image, removed, fill) == image[29, 399]).all()


def test_an_empty_removal_answers_as_the_unchanged_image():
    image, spot = picture(np.random.default_rng(5), SIZE, (12, 44, 9))
    found = by_name(causal.checks(tiny_classifier(), image, np.ones(SIZE, bool), spot))
    for fill in causal.FILLS:
        check = found["region_only", fill]
        assert check.removed == 0.0
        np.testing.assert_allclose(check.probabilities, found["unchanged", ""].probabilities, rtol=0, atol=1e-7)
        assert found["surroundings_only", fill].reason == "nothing_left"
        assert not np.allclose(found["without_explanation", fill].probabilities, check.probabilities, atol=1e-4)


@pytest.mark.parametrize(
    ("truth", "explanation", "reasons"),
    [
        (None, None, ("no_annotation", "no_annotation", "empty_explanation")),
        (np.zeros(SIZE, bool), np.zeros(SIZE, bool), ("empty_annotation", "empty_annotation", "empty_explanation")),
        (mask(slice(1, 5), slice(2, 9)), np.ones(SIZE, bool), ("", "", "nothing_left")),
    ],
)
def test_what_cannot_be_checked_says_why_and_gives_no_number(reader, image, truth, explanation, reasons):
    checks = causal.checks(reader, image, truth, explanation)
    assert checks[0].probabilities[1] == pytest.approx(yes(image), abs=1e-5)
    for check, reason in zip(checks[1:], np.repeat(reasons, 2), strict=True):
        assert check.reason == reason
        assert (check.probabilities is None) == (check.removed is None) == (check.frame is None) == bool(reason)
        assert not reason or reason in causal.REASONS


def test_arrays_outside_the_model_frame_are_refused(reader, image):
    with pytest.raises(BadInput, match="truth: expected"):
        causal.checks(reader, image, np.ones(SIZE[::-1], bool), None)
    with pytest.raises(BadInput, match="image: expected"):
        causal.checks(reader, image.astype(np.float32), None, None)

"""Scores of regions: METHODS 1's golden vectors, identities, the policy for empty regions, and numpy against torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xai_core.errors import BadInput
from xai_core.scores import coverage
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.scores.overlap import energy_inside, pointing_game

EC, GTC, IOU = SCORE_NAMES
GRID = (250, 250)
GOLDEN = {
    "overlap": ((0, 100, 0, 100), (50, 150, 50, 150), 1 / 7, 0.25, 0.25),
    "ground truth inside": ((100, 250, 200, 250), (50, 250, 100, 250), 0.25, 0.25, 1.0),
    "explanation inside": ((0, 250, 0, 250), (50, 100, 50, 100), 0.04, 1.0, 0.04),
    "disjoint": ((0, 1, 0, 1), (100, 150, 150, 250), 0.0, 0.0, 0.0),
    "identical": ((50, 100, 50, 100), (50, 100, 50, 100), 1.0, 1.0, 1.0),
}


def rectangle(size, corners):
    region = np.zeros(size, dtype=bool)
    top, bottom, left, right = corners
    region[top:bottom, left:right] = True
    return region


@st.composite
def region_pairs(draw):
    shape = draw(st.tuples(st.integers(0, 4), st.integers(1, 9), st.integers(1, 12)))
    return draw(arrays(bool, shape)), draw(arrays(bool, shape))


def by_sets(ground_truth, explanation):
    """The slow twin: sets of pixels, one image at a time, undefined as None."""
    annotated = set(zip(*np.nonzero(ground_truth), strict=True))
    explained = set(zip(*np.nonzero(explanation), strict=True))
    shared = len(annotated & explained)
    both_empty = not annotated and not explained
    return {
        EC: shared / len(explained) if explained else None,
        GTC: shared / len(annotated) if annotated else None,
        IOU: None if both_empty else shared / len(annotated | explained),
    }


def test_golden_vectors_of_the_official_tests_in_one_batch():
    ground_truth = np.stack([rectangle(GRID, case[0]) for case in GOLDEN.values()])
    explanation = np.stack([rectangle(GRID, case[1]) for case in GOLDEN.values()])
    scores = coverage(ground_truth, explanation)
    np.testing.assert_allclose(scores[IOU], [case[2] for case in GOLDEN.values()], rtol=1e-15)
    np.testing.assert_allclose(scores[EC], [case[3] for case in GOLDEN.values()], rtol=1e-15)
    np.testing.assert_allclose(scores[GTC], [case[4] for case in GOLDEN.values()], rtol=1e-15)
    assert all((reasons == "").all() for reasons in scores["undefined"].values())


@settings(deadline=None)
@given(region_pairs())
def test_batches_equal_sets_of_pixels(pair):
    scores = coverage(*pair)
    for index, (ground_truth, explanation) in enumerate(zip(*pair, strict=True)):
        for name, expected in by_sets(ground_truth, explanation).items():
            assert (scores["undefined"][name][index] != "") == (expected is None)
            assert np.isnan(scores[name][index]) if expected is None else scores[name][index] == expected


@settings(deadline=None)
@given(region_pairs())
def test_identities(pair):
    scores, swapped = coverage(*pair), coverage(*pair[::-1])
    np.testing.assert_array_equal(swapped[EC], scores[GTC])
    np.testing.assert_array_equal(swapped[GTC], scores[EC])
    np.testing.assert_array_equal(swapped[IOU], scores[IOU])
    meet = (pair[0] & pair[1]).any(axis=(1, 2))
    ec, gtc, iou = (scores[name][meet] for name in SCORE_NAMES)
    assert (iou <= np.minimum(ec, gtc)).all()
    np.testing.assert_allclose(1 / iou, 1 / ec + 1 / gtc - 1, rtol=1e-12)


@settings(deadline=None)
@given(region_pairs())
def test_torch_gives_tensors_of_the_same_numbers(pair):
    from_numpy, from_torch = coverage(*pair), coverage(*map(torch.from_numpy, pair))
    for name in SCORE_NAMES:
        assert from_torch[name].dtype == torch.float64
        np.testing.assert_array_equal(from_torch[name].numpy(), from_numpy[name])
        np.testing.assert_array_equal(from_torch["undefined"][name], from_numpy["undefined"][name])


def test_empty_regions_follow_the_policy():
    full, empty = rectangle((5, 8), (1, 4, 2, 7)), np.zeros((5, 8), dtype=bool)
    scores = coverage(np.stack([full, empty, empty]), np.stack([empty, full, empty]))
    reasons = scores["undefined"]
    assert reasons[EC].tolist() == ["empty_explanation", "", "both_empty"]
    assert reasons[GTC].tolist() == ["", "empty_annotation", "both_empty"]
    assert reasons[IOU].tolist() == ["", "", "both_empty"]
    np.testing.assert_array_equal(scores[EC], [np.nan, 0, np.nan])
    np.testing.assert_array_equal(scores[GTC], [0, np.nan, np.nan])
    np.testing.assert_array_equal(scores[IOU], [0, 0, np.nan])


def test_reasons_have_room_for_those_of_the_pipeline():
    reasons = coverage(np.zeros((1, 2, 3), dtype=bool), np.ones((1, 2, 3), dtype=bool))["undefined"]
    reasons[IOU][0] = "annotation_outside_crop"
    assert reasons[IOU][0] == "annotation_outside_crop"


REGION = np.ones((2, 3, 4), dtype=bool)


@pytest.mark.parametrize(
    ("ground_truth", "explanation", "error", "says"),
    [
        (REGION.astype(np.uint8) * 255, REGION, TypeError, "ground_truth is bool, not uint8"),
        (REGION, REGION.astype(float), TypeError, "explanation is bool, not float64"),
        (REGION, torch.from_numpy(REGION), TypeError, "all arrays are numpy or all are torch"),
        (REGION.tolist(), REGION, TypeError, "not list"),
        (REGION, REGION.transpose(0, 2, 1), BadInput, r"ground_truth \(2, 3, 4\), explanation \(2, 4, 3\)"),
        (REGION[0], REGION[0], BadInput, r"expected shape \(N, H, W\)"),
        (REGION[:, :0], REGION[:, :0], BadInput, "with pixels"),
    ],
)
def test_bad_input_is_refused_at_the_door(ground_truth, explanation, error, says):
    with pytest.raises(error, match=says):
        coverage(ground_truth, explanation)


def test_pointing_game_and_energy_by_hand():
    heatmaps = np.zeros((5, 3, 4), dtype=np.float32)
    heatmaps[0, 0, 1], heatmaps[0, 2, 3] = 5, -15  # the peak inside; of the |evidence| 5 in 20
    heatmaps[1, 2, 3] = 1  # the peak outside
    heatmaps[2, 0, :] = 2  # four highest pixels, two inside
    heatmaps[3] = -1  # nothing above 0
    ground_truth = np.zeros((5, 3, 4), dtype=bool)
    ground_truth[:, :2, 1:3] = True
    np.testing.assert_array_equal(pointing_game(heatmaps, ground_truth), [1, 0, 0.5, np.nan, np.nan])
    np.testing.assert_array_equal(energy_inside(heatmaps, ground_truth), [0.25, 0, 0.5, 4 / 12, np.nan])
    # Without annotation they are 0, as explanation coverage is.
    np.testing.assert_array_equal(pointing_game(heatmaps, ground_truth & False), [0, 0, 0, np.nan, np.nan])
    np.testing.assert_array_equal(energy_inside(heatmaps, ground_truth & False), [0, 0, 0, 0, np.nan])


def test_scores_of_heatmaps_do_not_depend_on_the_batch_nor_on_the_kind():
    generator = np.random.default_rng(4)
    heatmaps = generator.standard_normal((7, 61, 83)).astype(np.float32)
    ground_truth = generator.random((7, 61, 83)) < 0.3
    for score in (pointing_game, energy_inside):
        whole = score(heatmaps, ground_truth)
        alone = [score(heatmaps[i : i + 1], ground_truth[i : i + 1])[0] for i in range(7)]
        tensor = score(torch.from_numpy(heatmaps), torch.from_numpy(ground_truth))
        assert isinstance(tensor, torch.Tensor)
        assert whole.tolist() == alone == tensor.tolist()


def test_energy_of_a_region_is_its_explanation_coverage():
    generator = np.random.default_rng(5)
    ground_truth, explanation = generator.random((2, 9, 13, 7)) < 0.4
    energy = energy_inside(explanation.astype(np.float32), ground_truth)
    np.testing.assert_allclose(energy, coverage(ground_truth, explanation)[EC], rtol=1e-15)


def test_a_heatmap_that_is_not_finite_is_refused():
    heatmaps = np.full((1, 2, 3), np.nan)
    with pytest.raises(BadInput, match="6 that are not"):
        energy_inside(heatmaps, np.ones((1, 2, 3), dtype=bool))
    with pytest.raises(TypeError, match="floating"):
        energy_inside(np.ones((1, 2, 3), dtype=int), np.ones((1, 2, 3), dtype=bool))

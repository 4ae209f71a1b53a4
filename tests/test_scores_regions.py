"""Region rules against naive twins, and the lime package's own mask for the segments."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lime.lime_image import ImageExplanation

from xai_core.errors import BadInput
from xai_core.scores import regions

TEXTS = ("mean_std:1", "half", "top_share:0.1", "top_segments:5")
MAPS = arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 9)),
    # Few distinct values, so that ties and constant maps come up, and ordinary ones beside them.
    elements=st.one_of(st.sampled_from([0, 0.5, 1, -1]), st.floats(-10, 10, width=32)),
)


def naive_mean_std(heatmap, k):
    values = [float(value) for value in heatmap.ravel()]
    low, high = min(values), max(values)
    if low == high:
        return np.zeros(heatmap.shape, dtype=bool)
    scaled = np.array([(value - low) / (high - low) for value in values])
    return (scaled >= np.mean(scaled) + k * np.std(scaled)).reshape(heatmap.shape)


def naive_top_share(heatmap, share):
    flat = heatmap.ravel()
    region = np.zeros(flat.shape, dtype=bool)
    if flat.min() < flat.max():
        k = max(1, int(share * len(flat) + 0.5))
        order = sorted(range(len(flat)), key=lambda pixel: -flat[pixel])
        region[[pixel for pixel in order[:k] if flat[pixel] > 0]] = True
    return region.reshape(heatmap.shape)


@settings(deadline=None)
@given(MAPS, st.sampled_from([-1.0, 0.0, 0.7, 1.0, 2.0]))
def test_mean_std_equals_its_naive_twin(heatmaps, k):
    taken = regions.take(regions.Rule("mean_std", k), heatmaps)
    np.testing.assert_array_equal(taken, [naive_mean_std(heatmap, k) for heatmap in heatmaps])


@settings(deadline=None)
@given(MAPS)
def test_half_takes_the_upper_half_of_the_range(heatmaps):
    for heatmap, taken in zip(heatmaps.astype(float), regions.take("half", heatmaps), strict=True):
        low, high = heatmap.min(), heatmap.max()
        expected = (heatmap - low) / (high - low) >= 0.5 if low < high else np.zeros(heatmap.shape, dtype=bool)
        np.testing.assert_array_equal(taken, expected)


def test_half_takes_the_middle_itself():
    heatmap = np.array([[[-1.0, 1.0, 0.0, 2.0, 3.0]]])
    assert regions.take("half", heatmap)[0, 0].tolist() == [False, True, False, True, True]


@settings(deadline=None)
@given(MAPS, st.sampled_from([0.0001, 0.1, 0.25, 0.5, 1.0]))
def test_top_share_equals_a_stable_sort(heatmaps, share):
    taken = regions.take(regions.Rule("top_share", share), heatmaps)
    np.testing.assert_array_equal(taken, [naive_top_share(heatmap, share) for heatmap in heatmaps])


def test_top_share_takes_exactly_k_pixels_and_no_ties_beyond():
    heatmap = np.zeros((1, 20, 30), dtype=np.float32)
    heatmap[0, 4:8, 5:25] = 1.0  # 80 equal pixels, 60 asked for
    taken = regions.take("top_share:0.1", heatmap)[0]
    assert taken.sum() == 60
    assert taken[4:7, 5:25].all()
    heatmap[0, 6:8] = 0  # 40 positive ones: zeros do not fill up the rest
    assert regions.take("top_share:0.1", heatmap)[0].sum() == 40


def test_constant_maps_give_empty_regions():
    constant = np.stack([np.zeros((4, 6)), np.full((4, 6), 3.0), np.full((4, 6), -2.0)])
    for text in TEXTS[:3]:
        assert not regions.take(text, constant).any()


def lime_mask(segments, weights, count):
    """What the lime package draws, its list sorted as `LimeBase.explain_instance_with_data` sorts it."""
    explanation = ImageExplanation(np.zeros((*segments.shape, 3)), segments)
    pairs = [(number, weight) for number, weight in enumerate(weights) if not np.isnan(weight)]
    explanation.local_exp[0] = sorted(pairs, key=lambda pair: np.abs(pair[1]), reverse=True)
    return explanation.get_image_and_mask(0, positive_only=True, num_features=count, hide_rest=False)[1] == 1


@pytest.mark.parametrize("count", [1, 5, 50])
def test_top_segments_equal_the_lime_package(count):
    generator = np.random.default_rng(count)
    segments = generator.integers(0, 9, size=(6, 11, 17))
    weights = generator.standard_normal((6, 12))
    weights[0] = -np.abs(weights[0])  # nothing positive: an empty region
    weights[1] = np.round(weights[1])  # ties, and zeros
    weights[2, 9:] = np.nan  # fewer segments than its neighbours
    weights[3, 2] = -9.0  # the largest |weight| is negative, and takes no place
    taken = regions.take(f"top_segments:{count}", None, segments=segments, coefficients=weights)
    np.testing.assert_array_equal(taken, [lime_mask(*pair, count) for pair in zip(segments, weights, strict=True)])
    assert not taken[0].any()
    assert taken[3].any()


def test_regions_depend_neither_on_the_batch_nor_on_the_kind():
    generator = np.random.default_rng(3)
    heatmaps = generator.standard_normal((70, 31, 45)).astype(np.float32)  # more than one block of rows
    segments, weights = generator.integers(0, 8, (70, 31, 45)), generator.standard_normal((70, 8))
    more = {"segments": segments, "coefficients": weights}
    tensors = {name: torch.from_numpy(array) for name, array in more.items()}
    for text in TEXTS:
        whole = regions.take(text, heatmaps, **more)
        tensor = regions.take(text, torch.from_numpy(heatmaps), **tensors)
        assert whole.any() and isinstance(tensor, torch.Tensor) and tensor.dtype == torch.bool
        np.testing.assert_array_equal(tensor.numpy(), whole)
        for index in (0, 66):
            one = {name: array[index : index + 1] for name, array in more.items()}
            np.testing.assert_array_equal(regions.take(text, heatmaps[index : index + 1], **one)[0], whole[index])


def test_rules_do_not_depend_on_a_scale():
    heatmaps = np.random.default_rng(6).random((3, 14, 9))
    for text in TEXTS[:3]:
        np.testing.assert_array_equal(regions.take(text, heatmaps), regions.take(text, heatmaps * 1024))


def test_texts_read_back():
    for text in TEXTS:
        assert str(regions.parse(text)) == text
    assert str(regions.parse("mean_std")) == "mean_std:1"
    assert str(regions.parse(" top_share:0.05 ")) == "top_share:0.05"
    assert set(regions.RULES) == {text.partition(":")[0] for text in TEXTS}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("otsu", "one of mean_std, half, top_share, top_segments"),
        ("half:0.4", "half alone"),
        ("mean_std:", "k as a number"),
        ("top_share:2", "share as a number from 0.0001 to 1"),
        ("top_share:nan", "share as a number"),
        ("top_segments:2.5", "count as a whole number"),
        ("top_segments:0", "from 1 to 1000"),
    ],
)
def test_bad_texts_are_refused(text, says):
    with pytest.raises(BadInput, match=says):
        regions.parse(text)


def test_bad_arrays_are_refused():
    segments, weights = np.zeros((1, 2, 3), dtype=int), np.ones((1, 1))
    with pytest.raises(BadInput, match="coefficients: expected what top_segments:5 reads; found nothing"):
        regions.take("top_segments:5", None, segments=segments)
    with pytest.raises(BadInput, match="numbers from 0 to 0"):
        regions.take("top_segments:5", None, segments=segments + 1, coefficients=weights)
    with pytest.raises(BadInput, match="shapes"):
        regions.take("top_segments:5", None, segments=segments, coefficients=np.ones((2, 1)))
    with pytest.raises(TypeError, match="integer"):
        regions.take("top_segments:5", None, segments=segments + 0.5, coefficients=weights)
    with pytest.raises(BadInput, match="finite"):
        regions.take("half", np.full((1, 2, 3), np.inf))
    with pytest.raises(BadInput, match="heatmaps: expected what half reads"):
        regions.take("half", None)

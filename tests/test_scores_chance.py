"""Chance baselines against slow twins: every shift one by one, a disc by distances, every other annotation by hand."""

import numpy as np
import pytest
import torch

from xai_core.errors import BadInput
from xai_core.scores import chance, coverage
from xai_core.scores.arrays import SCORE_NAMES

EC, GTC, IOU = SCORE_NAMES


def blobs(count, height, width, seed):
    """Off-centre ellipses of several sizes."""
    generator = np.random.default_rng(seed)
    rows, columns = np.ogrid[:height, :width]
    regions = []
    for _ in range(count):
        y, x = generator.uniform(0, height), generator.uniform(0, width * 0.6)
        a, b = generator.uniform(2, height / 2), generator.uniform(2, width / 3)
        regions.append(((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 <= 1)
    return np.stack(regions)


def over_shifts(ground_truth, explanation, shifts):
    moved = np.stack([np.roll(explanation, shift, axis=(0, 1)) for shift in shifts])
    return coverage(np.broadcast_to(ground_truth, moved.shape), moved)


@pytest.mark.parametrize("size", [(9, 14), (11, 7), (13, 13)])
def test_random_equals_the_mean_over_every_shift(size):
    ground_truth, explanation = blobs(4, *size, seed=1), blobs(4, *size, seed=2)
    answer = chance.random(ground_truth, explanation)
    shifts = [(y, x) for y in range(size[0]) for x in range(size[1])]
    for index in range(4):
        slow = over_shifts(ground_truth[index], explanation[index], shifts)
        for name in SCORE_NAMES:
            np.testing.assert_allclose(answer[name][index], slow[name].mean(), rtol=1e-13)


def test_random_coverages_are_the_shares_of_the_image():
    ground_truth, explanation = blobs(20, 30, 41, seed=3), blobs(20, 30, 41, seed=4)
    answer = chance.random(ground_truth, explanation)
    np.testing.assert_array_equal(answer[EC], ground_truth.mean(axis=(1, 2)))
    np.testing.assert_array_equal(answer[GTC], explanation.mean(axis=(1, 2)))


def test_200_random_shifts_scatter_about_the_exact_mean():
    ground_truth, explanation = blobs(6, 60, 90, seed=5), blobs(6, 60, 90, seed=6)
    exact = chance.random(ground_truth, explanation)[IOU]
    generator = np.random.default_rng(0)
    for index in range(6):
        shifts = list(zip(generator.integers(0, 60, 200), generator.integers(0, 90, 200), strict=True))
        drawn = over_shifts(ground_truth[index], explanation[index], shifts)[IOU]
        assert abs(drawn.mean() - exact[index]) < 4 * drawn.std() / np.sqrt(200) + 1e-12


def test_shifting_the_explanation_leaves_its_chance_as_it_is():
    ground_truth, explanation = blobs(3, 25, 32, seed=7), blobs(3, 25, 32, seed=8)
    moved = np.roll(explanation, (5, -11), axis=(1, 2))
    first, second = (chance.random(ground_truth, region)[IOU] for region in (explanation, moved))
    np.testing.assert_allclose(first, second, rtol=1e-13)


def test_centre_is_a_disc_of_the_same_area():
    height, width = 15, 22
    explanation = blobs(5, height, width, seed=9)
    everything = np.ones_like(explanation)
    answer = chance.centre(everything, explanation)
    np.testing.assert_allclose(answer[GTC] * height * width, explanation.sum(axis=(1, 2)), rtol=1e-13)
    # Slow twin: pixels in the order of their distance from the middle, ties from the top left.
    pixels = [(y, x) for y in range(height) for x in range(width)]
    pixels.sort(key=lambda p: (2 * p[0] - (height - 1)) ** 2 + (2 * p[1] - (width - 1)) ** 2)
    ground_truth = blobs(5, height, width, seed=10)
    discs = np.zeros_like(explanation)
    for disc, region in zip(discs, explanation, strict=True):
        for pixel in pixels[: region.sum()]:
            disc[pixel] = True
    slow, fast = coverage(ground_truth, discs), chance.centre(ground_truth, explanation)
    for name in SCORE_NAMES:
        np.testing.assert_array_equal(fast[name], slow[name])


def test_undefined_is_what_coverage_says():
    full, empty = blobs(1, 12, 19, seed=11)[0], np.zeros((12, 19), dtype=bool)
    ground_truth, explanation = np.stack([full, full, empty, empty]), np.stack([full, empty, full, empty])
    scores = coverage(ground_truth, explanation)
    for baseline in (chance.random, chance.centre):
        answer = baseline(ground_truth, explanation)
        for name in SCORE_NAMES:
            np.testing.assert_array_equal(answer["undefined"][name], scores["undefined"][name])
            np.testing.assert_array_equal(np.isnan(answer[name]), np.isnan(scores[name]))
            assert (answer[name][1:3][~np.isnan(answer[name][1:3])] == 0).all()


def keys_of(count):
    return [f"ISIC_{index:07d}" for index in range(count)]


def test_other_equals_a_loop_over_all_other_annotations():
    explanation, ground_truth = blobs(6, 13, 10, seed=12), blobs(6, 13, 10, seed=13)
    answer = chance.other(explanation, keys_of(6), chance.pack(keys_of(6), ground_truth))
    for index in range(6):
        others = np.delete(ground_truth, index, axis=0)
        slow = coverage(others, np.broadcast_to(explanation[index], others.shape))
        for name in SCORE_NAMES:
            np.testing.assert_allclose(answer[name][index], slow[name].mean(), rtol=1e-13)
            assert answer["undefined"][name][index] == ""


def test_other_draws_alike_in_any_order_and_never_itself():
    count, keys = 40, keys_of(40)
    ground_truth, explanation = blobs(count, 16, 23, seed=14), blobs(count, 16, 23, seed=15)
    order = np.random.default_rng(1).permutation(count)
    whole = chance.pack(keys, ground_truth)
    halves = chance.join(
        [chance.pack([keys[i] for i in half], ground_truth[half]) for half in (order[:25], order[25:])]
    )
    straight = chance.other(explanation, keys, whole, most=10)
    shuffled = chance.other(explanation[order], [keys[i] for i in order], halves, most=10)
    for name in SCORE_NAMES:
        np.testing.assert_array_equal(shuffled[name], straight[name][order])
    for own in range(count):
        drawn = chance._draw(keys[own], own, count, 10)
        assert len(set(drawn.tolist())) == 10 and own not in drawn and drawn.max() < count
    assert len({tuple(chance._draw(key, None, count, 10)) for key in keys}) > 1


def test_other_with_a_draw_scatters_about_all():
    keys = keys_of(300)
    packed = chance.pack(keys, blobs(300, 20, 31, seed=16))
    explanation = blobs(30, 20, 31, seed=17)
    exact, drawn = (chance.other(explanation, keys[:30], packed, most=most)[IOU] for most in (300, 100))
    assert not np.array_equal(exact, drawn)
    assert np.abs(exact - drawn).max() < 0.08
    assert abs((exact - drawn).mean()) < 0.01


def test_other_undefined():
    full, empty = blobs(1, 9, 12, seed=18)[0], np.zeros((9, 12), dtype=bool)
    # The second annotation is empty and therefore none: the first record has no other, the third has one.
    packed = chance.pack(["a", "b"], np.stack([full, empty]))
    answer = chance.other(np.stack([full, full, empty]), ["a", "b", "c"], packed)
    assert answer["undefined"][EC].tolist() == ["no_other_annotation", "", "empty_explanation"]
    assert answer["undefined"][GTC].tolist() == ["no_other_annotation", "", ""]
    np.testing.assert_array_equal(answer[EC], [np.nan, 1, np.nan])
    np.testing.assert_array_equal(answer[IOU], [np.nan, 1, 0])


def test_torch_gives_tensors_of_the_same_numbers():
    explanation, ground_truth = blobs(4, 14, 9, seed=19), blobs(4, 14, 9, seed=20)
    regions = ground_truth, explanation
    tensors = tuple(map(torch.from_numpy, regions))
    pairs = [(baseline(*regions), baseline(*tensors)) for baseline in (chance.random, chance.centre)]
    packed, packed_torch = (chance.pack(keys_of(4), annotated) for annotated in (regions[0], tensors[0]))
    pairs.append((chance.other(explanation, keys_of(4), packed), chance.other(tensors[1], keys_of(4), packed_torch)))
    for plain, tensor in pairs:
        for name in SCORE_NAMES:
            assert isinstance(tensor[name], torch.Tensor) and tensor[name].dtype == torch.float64
            np.testing.assert_array_equal(tensor[name].numpy(), plain[name])


def test_an_empty_batch_is_answered():
    none = np.zeros((0, 5, 7), dtype=bool)
    for answer in (chance.random(none, none), chance.centre(none, none)):
        assert all(len(answer[name]) == 0 for name in SCORE_NAMES)


def test_bad_input_is_refused():
    region = blobs(2, 8, 11, seed=21)
    packed = chance.pack(["a", "b"], region)
    with pytest.raises(BadInput, match="1 repeated"):
        chance.pack(["a", "a"], region)
    with pytest.raises(BadInput, match="2, one per region"):
        chance.other(region, ["a"], packed)
    with pytest.raises(BadInput, match=r"regions of size \(8, 11\)"):
        chance.other(region.transpose(0, 2, 1).copy(), ["a", "b"], packed)
    with pytest.raises(BadInput, match="annotations of one size"):
        chance.join([packed, chance.pack(["c"], np.ones((1, 4, 4), dtype=bool))])

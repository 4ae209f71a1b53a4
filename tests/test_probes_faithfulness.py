"""Deletion and insertion against a twin that changes one pixel after another, and on a planted reader."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.explainers_fixtures import SIZE, Linear, pictures, small, wrap
from xai_core.errors import BadInput
from xai_core.geometry import upsample
from xai_core.probes import causal, faithfulness
from xai_core.probes.faithfulness import deletion, insertion, ranks, shuffled


def slow_fill(frame: np.ndarray, fill: str) -> np.ndarray:
    out = np.empty(frame.shape)
    if fill == "mean":
        for colour in range(3):
            out[..., colour] = sum(int(value) for value in frame[..., colour].ravel()) / frame[..., 0].size
        return np.rint(out).astype(np.uint8)
    deviation = causal.BLUR * max(frame.shape[:2])
    places = np.argwhere(np.ones(frame.shape[:2], bool))
    for y, x in places:
        weights = np.exp(-((places - (y, x)) ** 2).sum(1) / (2 * deviation**2))
        out[y, x] = weights @ frame.reshape(-1, 3) / weights.sum()
    return np.rint(out).astype(np.uint8)


def slow_curve(classifier, frame, heatmap, target, steps, fill, seed, *, inserting):
    """Return one curve and its area: pixels sorted as Python sorts, changed one by one, one pass for each portion."""
    heatmap = upsample(heatmap[None], SIZE)[0].ravel()
    drawn = np.random.default_rng(seed).permutation(heatmap.size)
    order = sorted(drawn.tolist(), key=lambda pixel: -float(heatmap[pixel]))
    other = slow_fill(frame, fill)
    now, goal = (other.copy(), frame) if inserting else (frame.copy(), other)
    curve, done = [], 0
    for step in range(steps + 1):
        while done < round(step * heatmap.size / steps):
            y, x = divmod(order[done], SIZE[1])
            now[y, x] = goal[y, x]
            done += 1
        curve.append(float(classifier.probabilities(classifier.normalise(now[None]))[0, target]))
    area = sum((a + b) / 2 / steps for a, b in pairwise(curve))
    return curve, area


@pytest.mark.parametrize(("follow", "inserting"), [(deletion, False), (insertion, True)])
@pytest.mark.parametrize("fill", faithfulness.FILLS)
def test_curves_equal_their_slow_twin(follow, inserting, fill):
    classifier, frames = small(), pictures(3)
    rng = np.random.default_rng(2)
    # a coarse map with many zeros, as a class activation map: most of the order is ties
    heatmaps = np.maximum(rng.normal(size=(3, 4, 6)), 0).astype(np.float32)
    targets, seeds, steps = [2, 0, 1], [5, 6, 7], 7
    curves, auc = follow(classifier, frames, heatmaps, targets, steps, fill=fill, seeds=seeds, batch_size=5)
    assert curves.shape == (3, steps + 1)
    assert np.ptp(curves, axis=1).min() > 1e-3
    for k in range(3):
        one, area = slow_curve(
            classifier, frames[k], heatmaps[k], targets[k], steps, fill, seeds[k], inserting=inserting
        )
        np.testing.assert_allclose(curves[k], one, rtol=0, atol=1e-6)
        assert auc[k] == pytest.approx(area, abs=1e-6)


def test_the_defaults_are_the_mean_for_deletion_and_the_blur_for_insertion():
    classifier, frames = small(), pictures(2)
    heatmaps = np.random.default_rng(0).normal(size=(2, *SIZE)).astype(np.float32)
    for follow, fill in ((deletion, "mean"), (insertion, "blur")):
        told = []
        found = follow(classifier, frames, heatmaps, [0, 1], 4, told=told.append)
        assert np.array_equal(found.curves, follow(classifier, frames, heatmaps, [0, 1], 4, fill=fill).curves)
        assert sum(told) == 2
    whole = classifier.probabilities(classifier.normalise(frames)).numpy()
    deleted, inserted = (f(classifier, frames, heatmaps, [0, 1], 4).curves for f in (deletion, insertion))
    np.testing.assert_allclose(deleted[:, 0], whole[[0, 1], [0, 1]], atol=1e-6)
    np.testing.assert_allclose(inserted[:, -1], whole[[0, 1], [0, 1]], atol=1e-6)


def test_a_curve_does_not_depend_on_the_batch_or_its_company():
    classifier, frames = small(), pictures(4)
    heatmaps = np.random.default_rng(1).normal(size=(4, 5, 7)).astype(np.float32)
    seeds = [3, 1, 4, 1]
    together = deletion(classifier, frames, heatmaps, [0, 1, 2, 0], 6, seeds=seeds, batch_size=16)
    for k in range(4):
        alone = deletion(classifier, frames[[k]], heatmaps[[k]], [(0, 1, 2, 0)[k]], 6, seeds=[seeds[k]], batch_size=3)
        np.testing.assert_allclose(alone.curves[0], together.curves[k], atol=1e-6)


def test_what_a_linear_network_reads_is_found_by_its_own_contributions():
    """For a linear two-class network the order by each pixel's own contribution is the best there is."""
    classifier = wrap(Linear(2), 2, cam_layer="")
    frames = pictures(6, seed=4)
    weight = classifier.network.weight[1] - classifier.network.weight[0]
    fills = np.stack([faithfulness.filling(frame, "mean") for frame in frames])
    change = classifier.normalise(frames) - classifier.normalise(fills)
    heatmaps = (change * weight).sum(1).numpy()
    best = deletion(classifier, frames, heatmaps, [1] * 6, 16, seeds=range(6)).auc
    for k, worse in enumerate((-heatmaps, np.stack([shuffled(h, 9) for h in heatmaps]), np.abs(heatmaps))):
        assert (best < deletion(classifier, frames, worse, [1] * 6, 16, seeds=range(6)).auc).all(), k
    most = insertion(classifier, frames, heatmaps, [1] * 6, 16, fill="mean", seeds=range(6))
    reverse = deletion(classifier, frames, -heatmaps, [1] * 6, 16, seeds=range(6))
    # what comes first into the image is what leaves it last; ties are too few to be seen
    np.testing.assert_allclose(most.curves, reverse.curves[:, ::-1], atol=1e-4)


def test_equal_values_are_in_a_drawn_order_and_others_in_their_own():
    flat = np.zeros(SIZE)
    first, again, other = ranks(flat, 1), ranks(flat, 1), ranks(flat, 2)
    assert np.array_equal(first, again)
    assert sorted(first.ravel()) == list(range(flat.size))
    assert (first == other).mean() < 0.01
    # the zeros do not leave from the top: the first tenth lies all over the frame
    early = np.argwhere(first < flat.size // 10)
    np.testing.assert_allclose(early.mean(0), [(side - 1) / 2 for side in SIZE], atol=4)
    heatmap = np.maximum(np.random.default_rng(0).normal(size=SIZE), 0)
    places = ranks(heatmap, 3)
    assert (np.diff(heatmap.ravel()[np.argsort(places.ravel())]) <= 0).all()
    assert not np.array_equal(places[heatmap == 0], ranks(heatmap, 4)[heatmap == 0])
    assert np.array_equal(places[heatmap > 0], ranks(heatmap, 4)[heatmap > 0])
    moved = shuffled(heatmap, 1)
    assert sorted(moved.ravel()) == sorted(heatmap.ravel())
    assert not np.array_equal(moved, heatmap)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": pictures(2, SIZE[::-1])}, "frames: expected"),
        ({"frames": pictures(2).astype(np.float32)}, "frames: expected"),
        ({"heatmaps": np.zeros((3, 4, 4), np.float32)}, "heatmaps: expected 2"),
        ({"heatmaps": np.full((2, 4, 4), np.nan, np.float32)}, "heatmaps: expected 2 finite"),
        ({"targets": [0]}, "targets: expected 2 classes from 0 to 2"),
        ({"targets": [0, 3]}, "targets: expected 2 classes from 0 to 2"),
        ({"steps": 0}, "steps: expected 1"),
        ({"fill": "black"}, "fill: expected mean or blur"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    given = {"frames": pictures(2), "heatmaps": np.zeros((2, 4, 4), np.float32), "targets": [0, 1], "steps": 3}
    with pytest.raises(BadInput, match=message):
        deletion(small(), **given | change)

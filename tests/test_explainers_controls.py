"""Controls: what they look like, and that they know nothing of the classifier."""

from __future__ import annotations

import numpy as np
import torch
from explainers_fixtures import SIZE, hashes, pictures, small

from xai_core.explainers import explain


def heatmaps(method, frames, names=None, classifier=None, seed=0):
    classifier = classifier or small()
    names, targets = names or hashes(len(frames)), [torch.zeros(len(frames), dtype=torch.int64)]
    batch = classifier.normalise(frames)
    return explain(classifier, batch, targets, method, image_hashes=names, frames=frames, seed=seed)[0].heatmaps


def test_a_random_map_belongs_to_its_image_hash():
    frames = pictures(3)
    found = heatmaps("random_map", frames, ["a", "b", "a"])
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
    assert torch.equal(found, heatmaps("random_map", frames[::-1].copy(), ["a", "b", "a"], small(seed=9)))
    assert found.min() >= 0
    assert found.max() < 1


def test_random_maps_favour_no_place():
    many = heatmaps("random_map", np.zeros((400, *SIZE, 3), np.uint8))
    assert (many.mean(0) - 0.5).abs().max() < 5 * (1 / 12 / 400) ** 0.5


def test_the_blob_is_in_the_middle_and_round():
    blob = heatmaps("centre_blob", pictures(1))[0]
    height, width = SIZE
    assert blob.shape == SIZE
    assert torch.equal(blob, blob.flip(0))
    assert torch.equal(blob, blob.flip(1))
    assert blob.argmax() in [(height // 2 - 1) * width + width // 2 - 1]
    down, across = blob[:, width // 2], blob[height // 2]
    # as far down as across: pixels, not shares of a side
    assert torch.allclose(down[height // 2 : height // 2 + 15], across[width // 2 : width // 2 + 15])
    assert abs(float(down[height // 2 + 10] / down[height // 2]) - np.exp(-(10.5**2 - 0.5**2) / 200)) < 1e-6


def test_the_edge_map_is_the_sobel_magnitude():
    from scipy import ndimage

    frames = pictures(2)
    for found, frame in zip(heatmaps("edge_map", frames), frames, strict=True):
        grey = frame.astype(np.float64) @ [0.299, 0.587, 0.114]
        expected = np.hypot(*(ndimage.sobel(grey, axis=k, mode="nearest") for k in (0, 1))) / 8
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_edge_of_one_grey_level_per_pixel_has_magnitude_one():
    ramp = np.broadcast_to(np.arange(SIZE[1], dtype=np.uint8)[:, None], (*SIZE, 3)).copy()
    found = heatmaps("edge_map", ramp[None])[0]
    assert torch.allclose(found[:, 1:-1], torch.ones(SIZE[0], SIZE[1] - 2), atol=1e-5)

"""Prototypes are where features are dense; a place carries the nearest one; threads decide nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from xai_core.errors import BadInput
from xai_core.i2x.curve import curve, knee
from xai_core.i2x.prototypes import Prototypes, fit


def blobs(sizes=(400, 100, 250, 50), features: int = 7, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (n, d) features around far centres, the centre of each, and the centres; the mean is far from 0."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(sizes), features)) * 10 + 50
    which = np.repeat(np.arange(len(sizes)), sizes)
    rng.shuffle(which)
    return (centres[which] + rng.normal(size=(len(which), features))).astype(np.float32), which, centres


def slow_nearest(prototypes: Prototypes, features: np.ndarray) -> list[int]:
    """Return the nearest centre of each feature, number by number."""
    found = []
    for feature in features.astype(float):
        moved = [sum((feature - prototypes.mean) * component) for component in prototypes.components.astype(float)]
        distances = [sum((m - c) ** 2 for m, c in zip(moved, centre, strict=True)) for centre in prototypes.centres]
        found.append(distances.index(min(distances)))
    return found


@pytest.mark.parametrize("method", ["kmeans", "mini_batch"])
def test_planted_clusters_are_found_most_frequent_first(method):
    features, which, _ = blobs()
    found = fit(features.copy(), 4, 64, method=method)
    assert found.places.tolist() == [400, 250, 100, 50]
    assert (found.nearest(features) == np.array([0, 2, 1, 3])[which]).all()


def test_the_nearest_centre_is_that_of_brute_force():
    features, _, _ = blobs()
    found = fit(features.copy(), 9, 3)
    new = features[:200] + np.random.default_rng(5).normal(size=(200, 7)) * 8
    assert found.nearest(new).tolist() == slow_nearest(found, new)
    assert found.nearest(new).dtype == np.uint16


def test_centres_are_means_of_their_places_in_the_projection():
    features, _, _ = blobs()
    found = fit(features.copy(), 4, 3)
    nearest, projected = found.nearest(features), found.project(features)
    for k in range(4):
        np.testing.assert_allclose(found.centres[k], projected[nearest == k].mean(0), atol=1e-3)
        assert found.places[k] == (nearest == k).sum()


def test_the_projection_is_that_of_a_decomposition_of_all_rows():
    features, _, _ = blobs()
    found = fit(features.copy(), 4, 3)
    centred = features - features.mean(0, dtype=float)
    _, values, rows = np.linalg.svd(centred, full_matrices=False)
    assert found.components.shape == (3, 7)
    np.testing.assert_allclose(np.abs((found.components * rows[:3]).sum(1)), 1, atol=1e-5)
    np.testing.assert_allclose(found.variance, (values**2 / (values**2).sum())[:3], atol=1e-5)
    np.testing.assert_allclose(found.mean, features.mean(0, dtype=float), rtol=1e-6)


@pytest.mark.parametrize(("asked", "kept"), [(0.5, None), (0.999, None), (2.0, 2), (1000.0, 7)])
def test_dimensions_are_a_number_or_a_share_of_variance(asked, kept):
    features, _, _ = blobs()
    found = fit(features.copy(), 3, asked)
    if kept:
        assert len(found.components) == kept
        return
    values = np.linalg.svd(features - features.mean(0), compute_uv=False) ** 2
    share = np.cumsum(values) / values.sum()
    assert len(found.components) == 1 + int((share < asked).sum())


def test_threads_and_repeats_decide_nothing():
    features, _, _ = blobs(sizes=(3000, 2000, 2500), seed=8)
    found = []
    for threads in (1, 3):
        with threadpool_limits(threads):
            found.append(fit(features.copy(), 12, 5, seed=2))
    assert (found[0].centres == found[1].centres).all() and (found[0].places == found[1].places).all()
    other = fit(features.copy(), 12, 5, seed=3)
    assert not np.array_equal(other.centres, found[0].centres)


FRESH = """
import numpy as np
from xai_core.i2x.curve import curve
from xai_core.i2x.prototypes import fit
noise = np.random.default_rng(0).normal(size=(20000, 12)).astype(np.float32)
print(fit(noise.copy(), 12, 5, seed=2).centres.tobytes().hex(), curve(noise, 5, (4, 12), seed=2))
"""


def test_the_first_fit_of_a_process_is_that_of_any_other():
    # what scikit-learn brings along is loaded in the middle of it
    started = [
        subprocess.Popen(
            [sys.executable, "-c", FRESH], env=os.environ | {"OMP_NUM_THREADS": threads}, stdout=subprocess.PIPE
        )
        for threads in "133"
    ]
    found = {process.communicate()[0] for process in started}
    assert len(found) == 1 and len(found.pop()) > 500


def test_too_few_different_features_are_refused():
    features = np.repeat(np.eye(3, 5, dtype=np.float32), 40, 0)
    with pytest.raises(BadInput, match="at least 4 different features; found 3; ask for fewer"):
        fit(features.copy(), 4, 2)
    assert fit(features.copy(), 3, 2).places.tolist() == [40, 40, 40]


def test_the_curve_suggests_the_planted_number():
    features, _, _ = blobs(sizes=(200,) * 8, features=12)
    found = curve(features.copy(), 12, (2, 4, 8, 16, 32))
    assert found["suggested"] == 8
    inertia = [row["inertia"] for row in found["rows"]]
    assert inertia == sorted(inertia, reverse=True) and inertia[2] < 0.05 < inertia[1]
    best = max(found["rows"], key=lambda row: row["silhouette"])
    assert best["prototypes"] == 8
    assert curve(features.copy(), 12, (2, 4, 8, 16, 32)) == found


def test_the_knee_lies_farthest_below_the_line():
    assert knee([(2, 1.0), (4, 0.4), (8, 0.3), (16, 0.2)]) == 4
    assert knee([(2, 1.0), (4, 0.9), (8, 0.2), (16, 0.1)]) == 8
    assert knee([(2, 1.0), (4, 0.9)]) == 4

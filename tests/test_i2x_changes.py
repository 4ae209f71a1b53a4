"""What a step changed, and groups of alike changes: against loops, and where there is nothing to find."""

import numpy as np
import pytest

from xai_core.errors import BadInput
from xai_core.i2x import changes
from xai_core.i2x.options import Options


def three_kinds(seed: int = 0, size: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Return confidence changes (3 x size, 3) of three kinds of samples, and which kind each is."""
    generator = np.random.default_rng(seed)
    kind = np.repeat(np.arange(3), size)
    change = -0.2 + 0.6 * np.eye(3)[kind] + generator.normal(0, 0.01, (3 * size, 3))
    return change - change.mean(1, keepdims=True), kind


def test_the_mean_intensity_is_that_of_the_map_and_normalising_undoes_growth():
    generator = np.random.default_rng(0)
    maps, places = generator.random((2, 5, 12)), generator.integers(0, 3, (5, 12))
    intensity, share = np.zeros((2, 5, 4)), np.zeros((5, 4))
    for n in range(5):
        for k in range(4):
            here = places[n] == k
            share[n, k] = here.mean()
            for s in range(2):
                intensity[s, n, k] = maps[s, n, here].mean() if here.any() else 0.0
    assert changes.mean_intensity(intensity, share) == pytest.approx(maps.mean((1, 2)))
    grown = np.stack([intensity[0], 7.0 * intensity[0], 0.0 * intensity[0]])
    same = changes.normalised(grown, share)
    assert same[1] == pytest.approx(same[0])
    assert not same[2].any()  # a checkpoint of zeros stays one: nothing is divided by zero
    assert not intensity[:, :, 3].any()  # no place carries it: 0/0 counts as 0 ...
    assert not changes.carries(share, 0.0)[:, 3].any()  # ... and the mask says that it is absent, not dark


def test_movement_is_what_some_classes_won():
    change = np.array([[0.3, -0.2, -0.1], [0.0, 0.0, 0.0], [-0.5, 0.5, 0.0]])
    won = [sum(value for value in row if value > 0) for row in change]
    assert changes.movement(change) == pytest.approx(np.mean(won))
    assert changes.movement(np.zeros((0, 3))) == 0.0


def test_steps_that_move_little_are_skipped():
    options = Options(notable_quantile=0.25, notable_least=0.01)
    assert changes.notable(np.array([0.5, 0.3, 0.1, 0.02, 0.005]), options).tolist() == [True, True, True, True, False]
    assert changes.notable(np.array([0.5, 0.3, 0.2, 0.1]), options).tolist() == [True, True, True, False]
    assert changes.notable(np.array([0.004, 0.003]), options).tolist() == [False, False]
    assert changes.notable(np.array([0.4]), options).tolist() == [True]  # only two checkpoints
    assert changes.notable(np.zeros(2), Options(notable_least=0.0)).tolist() == [False, False]


def test_samples_beyond_the_limit_join_the_nearest_that_was_clustered():
    change, _ = three_kinds()
    options = Options(cluster_limit=120)
    found = changes.group(change, options, seed=3)
    drawn = np.sort(np.random.default_rng([3, 1]).choice(len(change), 120, replace=False))
    for row in np.setdiff1d(np.arange(len(change)), drawn):
        nearest = drawn[np.argmin([np.linalg.norm(change[row] - change[other]) for other in drawn])]
        assert found.labels[row] == found.labels[nearest]
    assert found.drawn == 120 and found.noise == np.mean([label == -1 for label in found.labels])


def test_the_kinds_of_samples_are_the_groups():
    change, kind = three_kinds()
    found = changes.group(change, Options(), seed=0)
    assert found.count == 3 and found.sizes.sum() == round(len(change) * (1 - found.noise))
    for group in range(3):
        assert len(set(kind[found.labels == group])) == 1
    for rows, half in changes.halves(change, Options(repeats=2)):
        assert len(rows) == len(set(rows)) == len(change) // 2 and half.count == 3


@pytest.mark.parametrize("change", [np.zeros((60, 3)), np.zeros((0, 3)), np.ones((3, 3))])
def test_where_nothing_differs_everything_is_noise(change):
    found = changes.group(change, Options(), seed=0)
    assert found.count == 0 and (found.labels == changes.NOISE).all() and not len(found.sizes)


def test_options_say_what_they_take():
    with pytest.raises(BadInput, match="reading: expected one of cluster_means, within_groups; found 'both'"):
        Options(reading="both")
    with pytest.raises(BadInput, match="ridge"):
        Options(ridge=0.0)
    assert Options(**Options(tau=0.2).as_dict()) == Options(tau=0.2)

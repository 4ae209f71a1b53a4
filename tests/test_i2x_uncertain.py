"""The uncertain test: against a slow twin, its null, and a prototype whose alternation is planted."""

from itertools import pairwise

import numpy as np
import pytest
from i2x_made import PAIR, UNCERTAIN, made, shuffled_pairing

from xai_core.i2x import uncertain
from xai_core.i2x.described import described_pair
from xai_core.i2x.options import Options
from xai_core.i2x.structure import pair_of, structure_of, uncertain_prototypes

QUICK = Options(permutations=99, resamples=20, repeats=1)
NAMES = tuple(made(samples=20).class_names[label] for label in PAIR)


def twin(d: np.ndarray, tau: float) -> tuple[int, float]:
    """Return changes and swing of (T,) differences, read off one by one."""
    speaks = [value for value in d if abs(value) > tau]
    changes = sum(1 for before, now in pairwise(speaks) if before * now < 0)
    return changes, changes * min(sum(v for v in speaks if v > 0), sum(-v for v in speaks if v < 0))


def test_the_swing_equals_its_twin_and_says_nothing_of_one_side():
    d = np.random.default_rng(0).normal(0, 0.1, (6, 7, 5))
    d[0, :, 0], d[0, :, 1] = 0.3, 0.0
    d[0, :, 2] = [0.3, 0.04, -0.04, 0.3, -0.2, 0.01, 0.1]  # what is within tau takes no side
    changes, swing = uncertain.swings(d, 0.05)
    for r, k in np.ndindex(6, 5):
        assert (changes[r, k], swing[r, k]) == pytest.approx(twin(d[r, :, k], 0.05))
    assert swing[0, :3] == pytest.approx([0.0, 0.0, 0.4])
    assert uncertain.swings(-d, 0.05)[1] == pytest.approx(swing)  # the pair has no order
    assert uncertain.swings(d[:, :1], 0.05)[1].max() == 0.0  # one step cannot alternate
    assert not uncertain.swings(d[:, :0], 0.05)[1].any()


def test_p_counts_the_permutations_whose_largest_standing_reaches_it():
    largest = np.array([0.1, 0.2, 0.3, 0.4])
    found = uncertain.p_values(np.array([0.0, 1.0, 1.0, 1.0]), np.array([9.0, 0.05, 0.3, 0.9]), largest)
    assert found == pytest.approx([1.0, 1.0, 3 / 5, 1 / 5])


def test_a_swing_stands_on_the_scale_of_its_own_null():
    generator = np.random.default_rng(4)
    null = np.abs(generator.normal(0, [0.02, 5.0, 0.0], (40, 3)))
    swing = np.array([0.5, 6.0, 0.0])
    found = uncertain.standing(swing, null, 0.01)
    for k in range(3):
        both = [swing[k], *null[:, k]]
        assert found[:, k] == pytest.approx([(value - np.mean(both)) / (np.std(both) + 0.01) for value in both])
    assert found[0, 0] > found[0, 1] > found[0, 2] == 0.0


def test_every_p_is_of_the_largest_over_prototypes_and_then_over_pairs():
    generator = np.random.default_rng(1)
    pull, null = generator.normal(0, 1.0, (4, 3, 3)), generator.normal(0, 1.0, (30, 4, 3, 3))
    pairs = [(0, 1), (1, 2)]
    found = uncertain.tested({"raw": pull}, {"raw": null}, pairs, 0.1)
    swing, stands = np.zeros((2, 3)), np.zeros((2, 31, 3))
    for p, (a, b) in enumerate(pairs):
        for k in range(3):
            swing[p, k] = twin(pull[:, k, a] - pull[:, k, b], 0.1)[1]
            of_null = [twin(null[r, :, k, a] - null[r, :, k, b], 0.1)[1] for r in range(30)]
            stands[p, :, k] = uncertain.standing(swing[p, [k]], np.array(of_null)[:, None], 0.1)[:, 0]
    for p in range(2):
        for k in range(3):
            over = {"p": stands[p, 1:].max(1), "p_of_pairs": stands[:, 1:].max((0, 2))}
            for name, largest in over.items():
                expected = (1 + sum(each >= stands[p, 0, k] for each in largest)) / 31 if swing[p, k] else 1.0
                assert found[p]["raw"][name][k] == pytest.approx(expected)
            assert found[p]["raw"]["p_of_pairs"][k] >= found[p]["raw"]["p"][k]


def test_the_most_confused_pair_is_the_largest_symmetric_off_diagonal():
    labels = np.array([0, 0, 1, 1, 2, 2, 2, -1])
    called = np.array([0, 2, 1, 1, 0, 1, 2, 0])
    probabilities = np.full((8, 4), 0.1)
    probabilities[np.arange(8), called] = 0.7
    counts, given = uncertain.confusions(labels, probabilities)
    assert counts[0, 2] == counts[2, 0] == 2 and counts[1, 2] == 1 and counts.sum() == 6
    assert given[0, 1] == pytest.approx(sum(probabilities[labels == 0, 1]) + sum(probabilities[labels == 1, 0]))
    assert uncertain.most_confused(labels, probabilities, 9) == [(0, 2), (1, 2), (0, 1)]  # class 3 is absent
    sways = probabilities.copy()
    sways[[3, 4]] = [[0.1, 0.45, 0.4, 0.05], [0.45, 0.05, 0.4, 0.1]]
    sways[[2, 3, 5]] = [[0.05, 0.5, 0.45, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.9, 0.1, 0.0]]
    counts, given = uncertain.confusions(labels, sways)
    assert given[1, 2] > given[0, 2] and counts[1, 2] < counts[0, 2]
    assert uncertain.most_confused(labels, sways, 1) == [(0, 2)]  # calls go before confidence
    nothing = np.eye(4)[[0, 0, 1, 1, 2, 2, 2, 0]] * 0.7 + 0.075
    nothing[2] = [0.075, 0.7, 0.2, 0.025]  # all are called right: where confidence went decides
    assert uncertain.most_confused(labels, nothing, 1) == [(1, 2)]


def test_what_is_said_of_a_pair_is_the_lesser_claim_of_both_units():
    raw = {"changes": np.array([2, 1, 3]), "swing": np.array([0.5, 0.2, 0.3]), "p": np.array([0.01, 0.02, 0.3])}
    other = {"changes": np.array([2, 0, 1]), "swing": np.array([0.4, 0.0, 0.6]), "p": np.array([0.04, 1.0, 0.01])}
    tests = {unit: values | {"p_of_pairs": values["p"]} for unit, values in (("raw", raw), ("normalised", other))}
    found = described_pair(("a", "b"), (0, 1), 7, tests, np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]))
    assert (found["classes"], found["confused"]) == (["a", "b"], 7)
    told = [(row["prototype"], row["score"], row["p"], row["coverage"]) for row in found["prototypes"]]
    assert told == [(0, 0.4, 0.04, [0.9, 0.1]), (2, 0.3, 0.3, [0.2, 0.8])]  # 1 swings under raw intensity only


def found_in(seed: int, **wish: float) -> list[int]:
    return [row["prototype"] for row in uncertain_prototypes(structure_of(made(seed, **wish), QUICK), NAMES)]


def test_a_planted_alternating_prototype_is_found():
    found = [found_in(seed) for seed in range(10)]
    assert sum(bool(each) and each[0] == UNCERTAIN for each in found) >= 9
    assert sum(set(each) <= {UNCERTAIN} for each in found) >= 9


def test_without_alternation_none_is_found():
    fired = sum(bool(found_in(seed, swing=0.0)) for seed in range(5))
    assert fired == 0


def under_the_null(seeds: range) -> int:
    """Return in how many made trainings the test fires once the pairing within each step is permuted."""
    fired = 0
    for seed in seeds:
        found = structure_of(shuffled_pairing(made(seed, samples=200), seed), QUICK)
        fired += any(row["p"] <= QUICK.level for row in pair_of(found)["prototypes"])
    return fired


def test_under_permuted_pairing_it_fires_in_at_most_one_of_twenty():
    assert under_the_null(range(20)) <= 1


@pytest.mark.long
def test_under_permuted_pairing_it_fires_no_more_often_than_its_level():
    assert under_the_null(range(300)) <= 300 * QUICK.level + 3 * (300 * QUICK.level * (1 - QUICK.level)) ** 0.5

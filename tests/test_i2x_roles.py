"""What a prototype is to a class: against loops, and against a structure that was planted."""

import numpy as np
import pytest
from i2x_made import GROUND, OTHER_SPECIAL, SPECIAL, UNCERTAIN, made

from xai_core.i2x import changes, roles
from xai_core.i2x.options import Options
from xai_core.i2x.structure import structure_of

QUICK = Options(permutations=19, resamples=60, repeats=2)


def test_coverage_equals_a_loop_and_an_absent_class_has_none():
    generator = np.random.default_rng(0)
    carried, labels = generator.random((50, 4)) < 0.4, generator.integers(-1, 2, 50)
    found = roles.coverage(carried, labels, 3)
    for k in range(4):
        for label in range(2):
            inside = [bool(carried[n, k]) for n in range(50) if labels[n] == label]
            assert found[k, label] == pytest.approx(sum(inside) / len(inside))
    assert np.isnan(found[:, 2]).all()


def test_support_sums_pulls_and_resamples_whole_trainings():
    generator = np.random.default_rng(1)
    pull, drawn = generator.normal(size=(3, 2, 4)), generator.normal(size=(3, 50, 2, 4))
    found = roles.support(pull, drawn)
    for k, m in np.ndindex(2, 4):
        steps = pull[:, k, m]
        totals = [sum(drawn[t, r, k, m] for t in range(3)) for r in range(50)]
        assert found.total[k, m] == pytest.approx(sum(steps))
        assert (found.low[k, m], found.high[k, m]) == pytest.approx(tuple(np.percentile(totals, [2.5, 97.5])))
        assert found.consistency[k, m] == pytest.approx(sum(v for v in steps if v > 0) / sum(abs(v) for v in steps))


def test_it_supports_where_it_is_large_sure_and_consistent():
    total, low = np.array([[0.5, 0.5, 0.5, 0.005]]), np.array([[0.1, -0.1, 0.1, 0.001]])
    found = roles.Support(total, low, total, np.array([[0.9, 0.9, 0.7, 0.9]]))
    assert found.supports(Options()).tolist() == [[True, False, False, False]]
    nothing = roles.support(np.zeros((0, 2, 3)), np.zeros((0, 20, 2, 3)))
    assert not nothing.supports(Options(tau=0.0)).any()


def test_subsets_are_those_that_carry_the_same():
    kind = np.random.default_rng(2).integers(0, 3, 90)
    carried = np.stack([kind == 0, kind == 0, kind == 1, kind == 2, kind != 2], axis=1)
    places = roles.subsets(carried, Options())
    assert len(set(zip(places.tolist(), kind.tolist(), strict=True))) == 3
    found, again = roles.specialised(carried, np.array([2, 4]), Options(subsets=3))
    assert set(found) == {2, 4} and len(found[4][0]) == 2 and len(found[4][1]) == 1
    assert len(set(zip(again.tolist(), kind.tolist(), strict=True))) == 3
    assert not roles.subsets(np.ones((5, 2), bool), Options()).any()
    assert roles.specialised(carried, np.array([], int), Options())[0] == {}


def test_a_subset_is_no_handful():
    few = np.arange(100) < 5
    assert not roles.specialised(few[:, None], np.array([0]), Options())[0]
    assert not roles.specialised(~few[:, None], np.array([0]), Options())[0]
    assert set(roles.specialised(few[:, None], np.array([0]), Options(subset_least=0.05))[0]) == {0}


def test_what_is_carried_at_random_within_subsets_is_not_special():
    generator = np.random.default_rng(3)
    half = np.arange(200) < 100
    at_random = generator.random(200) < 0.5
    carried = np.stack([half, half, ~half, at_random], axis=1)
    found, _ = roles.specialised(carried, np.arange(4), Options(subsets=2))
    assert set(found) == {0, 1, 2}


def test_classes_are_separated_when_they_lose_most():
    raw = np.array([[0.3, -0.2, -0.05, -0.05, 0.0], [0.2, -0.1, -0.3, -0.1, 0.3]])
    normalised = np.array([[0.3, -0.2, -0.05, -0.2, 0.0], [0.2, -0.1, -0.3, -0.1, 0.3]])
    found = roles.separated([raw, normalised], 0)
    assert [(other, step) for other, step, _ in found] == [(1, 0), (2, 1), (3, None)]  # 4 never loses
    assert found[1][2] == pytest.approx(0.3) and found[2][2] == pytest.approx(0.15)


def test_a_loser_loses_enough_and_surely():
    pull, high = np.array([-0.2, -0.2, -0.001, 0.2]), np.array([-0.1, 0.1, -0.0005, 0.3])
    assert roles.losers(pull, high, 0.01).tolist() == [True, False, False, False]


def test_the_planted_roles_are_found():
    """Of every class its own prototype, of class 0 the two halves, and nowhere the ground that all carry."""
    right = 0
    for seed in range(5):
        found = structure_of(made(seed, samples=600), QUICK)["classes"]
        shared = [{role["prototype"] for role in entry["shared"]} for entry in found]
        special = [{role["prototype"] for role in entry["specialised"]} for entry in found]
        # classes 1 and 2 are torn at by the planted uncertain prototype: their own may hold in one unit only
        right += shared[0] == {0} and shared[3] == {3} and special[0] == {SPECIAL, OTHER_SPECIAL}
        assert shared[1] <= {1} and shared[2] <= {2}
        assert all(not each & {GROUND, UNCERTAIN} for each in special)
    assert right >= 4


def test_roles_add_up_from_the_steps():
    """Twins of the figures of a role and of who loses by it, from the matrices of the steps alone."""
    evidence = made(3)
    found = structure_of(evidence, QUICK)
    analysed = [step for step in found["steps"] if not step["skipped"]]
    carried = changes.carries(evidence.share, QUICK.presence)
    for label, entry in enumerate(found["classes"]):
        for role in entry["shared"] + entry["specialised"] + entry["supporting"]:
            k = role["prototype"]
            assert role["coverage"] == pytest.approx(carried[evidence.labels == label, k].mean())
            for unit, figures in role["units"].items():
                total = sum(step["units"][unit]["pull"][k][label] for step in analysed)
                assert figures["support"] == pytest.approx(total)
                assert 0 < figures["low"] <= figures["high"]
        for key in entry["key"]:
            k = key["prototype"]
            expected = {}
            for step in analysed:
                raw, normalised = (step["units"][unit] for unit in ("raw", "normalised"))
                if all(u["pull"][k][label] >= QUICK.tau and u["low"][k][label] > 0 for u in (raw, normalised)):
                    expected[step["from"]] = {
                        name
                        for m, name in enumerate(found["class_names"])
                        if all(u["pull"][k][m] <= -QUICK.tau and u["high"][k][m] < 0 for u in (raw, normalised))
                    }
            assert {row["from"]: {each["class"] for each in row["loses"]} for row in key["competition"]} == expected

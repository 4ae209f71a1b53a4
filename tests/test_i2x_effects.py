"""Ridge effects: against scikit-learn, loops and identities."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from xai_core.i2x import changes, effects
from xai_core.i2x.changes import Groups
from xai_core.i2x.options import READINGS, SCALES, Options

FEW = Options(resamples=20, repeats=2, permutations=19)


def a_step(prototypes: int = 5, classes: int = 3, samples: int = 120, seed: int = 0):
    """Return x, y, carried and groups of a step; the last prototype is carried by no sample."""
    generator = np.random.default_rng(seed)
    carried = generator.random((samples, prototypes)) < 0.6
    carried[:, -1] = False
    x = generator.normal(0.3, 1.0, (samples, prototypes)) * carried
    y = generator.dirichlet(np.ones(classes), samples) - generator.dirichlet(np.ones(classes), samples)
    labels = generator.integers(-1, 4, samples)
    return x, y, carried, Groups(labels, 4, samples)


@pytest.mark.parametrize(("rows", "columns"), [(4, 9), (9, 4), (6, 6)])
def test_the_ridge_is_that_of_scikit_learn(rows, columns):
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(rows, columns)), generator.normal(size=(rows, 3))
    theirs = Ridge(alpha=0.7, fit_intercept=False, solver="cholesky").fit(x, y).coef_.T
    assert effects.ridge(x, y, 0.7) == pytest.approx(theirs, abs=1e-10)
    stacked = effects.ridge(np.stack([x, 2 * x]), np.stack([y, y]), 0.7)
    assert stacked[1] == pytest.approx(effects.ridge(2 * x, y, 0.7), abs=1e-12)


def test_the_ridge_is_where_the_penalised_error_is_flat():
    """A twin, element by element: no gradient is left anywhere in sum (y - x b)^2 + penalty sum b^2."""
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(4, 6)), generator.normal(size=(4, 2))
    b = effects.ridge(x, y, 0.3)
    for k in range(6):
        for m in range(2):
            slope = 2 * 0.3 * b[k, m]
            for row in range(4):
                slope -= 2 * x[row, k] * (y[row, m] - sum(x[row, j] * b[j, m] for j in range(6)))
            assert abs(slope) < 1e-12


def test_group_means_equal_a_loop():
    x, _, _, groups = a_step()
    weights = np.random.default_rng(3).integers(0, 3, (2, len(x))).astype(float)
    weights[1, groups.labels == 2] = 0.0  # a resample that missed a group
    found, plain = effects.group_means(x, groups, weights), effects.group_means(x, groups)
    for g in range(groups.count):
        for k in range(x.shape[1]):
            members = [n for n in range(len(x)) if groups.labels[n] == g]
            assert plain[g, k] == pytest.approx(sum(x[n, k] for n in members) / len(members))
            for r in range(2):
                total = sum(weights[r, n] for n in members)
                mean = sum(weights[r, n] * x[n, k] for n in members) / total if total else 0.0
                assert found[r, g, k] == pytest.approx(mean)


def test_the_usual_change_equals_a_loop_over_carriers():
    x, _, carried, _ = a_step()
    usual = effects.usual_change(x, carried)
    for k in range(x.shape[1]):
        squares = [x[n, k] ** 2 for n in range(len(x)) if carried[n, k]]
        assert usual[k] == pytest.approx(np.sqrt(np.mean(squares)) if squares else 0.0)
    assert usual[-1] == 0.0


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("scale", SCALES)
def test_effects_equal_scikit_learn_fits_on_rows(reading, scale):
    x, y, carried, groups = a_step()
    options, usual = replace(FEW, reading=reading, scale=scale, ridge=0.4), effects.usual_change(x, carried)
    unit = np.where(usual > 0, usual, 1.0) if scale == "usual_change" else np.ones(len(usual))
    members = [groups.labels == g for g in range(groups.count)]
    if reading == "cluster_means":
        means = [np.stack([values[rows].mean(0) for rows in members]) for values in (x / unit, y)]
        expected = Ridge(alpha=0.4, fit_intercept=False).fit(*means).coef_.T
    else:
        fits = [Ridge(alpha=0.4, fit_intercept=False).fit(x[rows] / unit, y[rows]).coef_.T for rows in members]
        expected = np.average(fits, axis=0, weights=[rows.sum() for rows in members])
    found = effects.effects(x, y, groups, usual, options)
    assert found == pytest.approx(expected / unit[:, None], abs=1e-8)
    assert not found[-1].any()  # a prototype that no sample carries moves nothing


@pytest.mark.parametrize("reading", READINGS)
def test_weights_are_copies_and_samples_out_of_groups_do_not_count(reading):
    x, y, carried, groups = a_step()
    options, usual = replace(FEW, reading=reading), effects.usual_change(x, carried)
    weights = np.random.default_rng(4).integers(0, 3, len(x))
    copied = np.repeat(np.arange(len(x)), weights)
    copies = Groups(groups.labels[copied], groups.count, len(copied))
    expected = effects.effects(x[copied], y[copied], copies, usual, options)
    assert effects.effects(x, y, groups, usual, options, weights[None].astype(float))[0] == pytest.approx(expected)
    noise = groups.labels == -1
    x[noise], y[noise] = 9.0, 9.0
    assert effects.effects(x, y, groups, usual, options, weights[None].astype(float))[0] == pytest.approx(expected)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("classes", [2, 4])
def test_rows_sum_to_zero_for_confidences_sum_to_one(reading, classes):
    x, y, carried, groups = a_step(classes=classes)
    options = replace(FEW, reading=reading)
    found = effects.fit(x, y, carried, groups, changes.halves(y, options), options)
    null = effects.permuted(x, y, groups, found.usual, options, 0)
    for values in (found.effect, found.pull, found.drawn, null):
        assert np.abs(values.sum(-1)).max() < 1e-6
    if classes == 2:
        assert found.effect[:, 0] == pytest.approx(-found.effect[:, 1])


def test_usual_change_makes_lambda_mean_the_same_in_every_unit():
    x, y, carried, groups = a_step()
    unit = np.array([1e-3, 1.0, 40.0, 5.0, 1.0])
    pulls = []
    for values in (x, x * unit):
        usual = effects.usual_change(values, carried)
        pulls.append(effects.effects(values, y, groups, usual, FEW) * usual[:, None])
    assert pulls[1] == pytest.approx(pulls[0], abs=1e-12)


@pytest.mark.parametrize("reading", READINGS)
def test_the_null_is_the_fit_of_dealt_out_changes(reading):
    x, y, carried, groups = a_step()
    options, usual = replace(FEW, reading=reading), effects.usual_change(x, carried)
    found = effects.permuted(x, y, groups, usual, options, 5)
    generator = np.random.default_rng([options.seed, 4, 5])
    for each in found:
        dealt = effects.effects(x[generator.permutation(len(x))], y, groups, usual, options)
        assert each == pytest.approx(dealt * usual[:, None], abs=1e-6)


def test_the_bootstrap_is_a_loop_over_drawn_samples():
    x, y, carried, groups = a_step()
    usual = effects.usual_change(x, carried)
    found = effects.resampled(x, y, groups, usual, FEW)
    generator = np.random.default_rng([FEW.seed, 2])
    for each in found:
        drawn = generator.integers(0, len(x), len(x))
        copies = Groups(groups.labels[drawn], groups.count, len(drawn))
        expected = effects.effects(x[drawn], y[drawn], copies, usual, FEW) * usual[:, None]
        assert each == pytest.approx(expected, abs=1e-6)


def test_stability_and_sensitivity_count_signs():
    x, y, carried, groups = a_step()
    usual = effects.usual_change(x, carried)
    effect = effects.effects(x, y, groups, usual, FEW)
    rows = np.arange(0, len(x), 2)
    half = Groups(groups.labels[rows], groups.count, len(rows))
    halves = [(rows, half), (rows, Groups(np.full(len(rows), -1), 0, len(rows)))]
    of_half = effects.effects(x[rows], y[rows], half, effects.usual_change(x[rows], carried[rows]), FEW)
    stability = effects.stability(x, y, carried, effect, halves, FEW)
    for k, m in np.ndindex(effect.shape):
        assert stability[k, m] == (0.5 if np.sign(of_half[k, m]) == np.sign(effect[k, m]) else 0.0)
    same = effects.sensitivity(x, y, groups, usual, FEW)
    assert set(same) == {"0.1", "10"} and all(0.5 < share <= 1 for share in same.values())
    assert effects.sensitivity(x, y, groups, usual, replace(FEW, tau=1.0)) == {"0.1": None, "10": None}

"""Means and their bootstrap intervals: against scipy, a slow twin, theory, and the policy for what is undefined."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from scipy import stats

from xai_core.errors import BadInput
from xai_core.scores import intervals


def test_mean_equals_a_loop_over_resamples():
    values = np.random.default_rng(0).gamma(2.0, size=37)
    estimate = intervals.mean(values, seed=5, resamples=300)
    ordered, generator = np.sort(values), np.random.default_rng(5)
    means = [ordered[generator.integers(0, 37, size=37, dtype=np.int32)].mean() for _ in range(300)]
    assert estimate.value == pytest.approx(values.mean(), rel=1e-14)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), rel=1e-14)


@pytest.mark.parametrize("n", [12, 150, 3000])
def test_interval_agrees_with_scipy(n):
    values = np.random.default_rng(n).beta(0.6, 1.5, size=n)
    estimate = intervals.mean(values, resamples=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1), batch=2000
    ).confidence_interval
    width = theirs.high - theirs.low
    assert abs(estimate.low - theirs.low) < 0.02 * width
    assert abs(estimate.high - theirs.high) < 0.02 * width


def test_interval_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(7)
    held = 0
    for seed in range(400):
        estimate = intervals.mean(generator.exponential(size=80), seed=seed, resamples=500)
        held += estimate.low <= 1.0 <= estimate.high
    assert 0.90 <= held / 400 <= 0.97  # percentile intervals of skewed values run a little short of 0.95


def test_order_does_not_matter_and_the_seed_does():
    values = np.random.default_rng(2).random(500)
    shuffled = np.random.default_rng(3).permutation(values)
    assert intervals.mean(values) == intervals.mean(shuffled) == intervals.mean(torch.from_numpy(values))
    assert intervals.mean(values) != intervals.mean(values, seed=1)


def test_undefined_values_are_left_out_and_counted():
    values = np.array([0.2, np.nan, 0.6, np.nan, 0.4])
    estimate = intervals.mean(values)
    assert (estimate.value, estimate.n, estimate.left_out) == (pytest.approx(0.4), 3, 2)
    assert estimate.low == intervals.mean(values[[0, 2, 4]]).low


def test_too_few_values_have_no_interval_and_say_why():
    nothing, one = intervals.mean([np.nan, np.nan]), intervals.mean([0.25])
    assert (nothing.value, nothing.low, nothing.high, nothing.n, nothing.left_out) == (None, None, None, 0, 2)
    assert nothing.reason == "no value is defined"
    assert (one.value, one.low, one.high, one.n) == (0.25, None, None, 1)
    assert one.reason
    assert intervals.mean([]).as_dict()["reason"]


def test_paired_is_the_mean_of_the_differences():
    generator = np.random.default_rng(9)
    chance = generator.random(200)
    scores = chance + generator.normal(0.1, 0.02, size=200)
    scores[3], chance[7] = np.nan, np.nan
    excess = intervals.paired(scores, chance)
    assert excess == intervals.mean(scores - chance)
    assert (excess.n, excess.left_out) == (198, 2)
    # Pairs share what varies between images: far narrower than the scores alone.
    assert excess.high - excess.low < 0.2 * (intervals.mean(scores).high - intervals.mean(scores).low)
    with pytest.raises(BadInput, match="one shape"):
        intervals.paired(scores, chance[1:])


def test_many_values_fit_into_little_memory():
    values = np.random.default_rng(4).random(50_000)
    tracemalloc.start()
    estimate = intervals.mean(values, resamples=400)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    error = values.std() / np.sqrt(50_000)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * error, rel=0.15)


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (12, 12), (3, 40), (20, 41)])
def test_wilson_equals_scipy(hits, n):
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert intervals.wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_of_nothing():
    assert intervals.wilson(0, 0) is None


def test_scores_import_neither_numpy_nor_torch():
    code = (
        "import sys\n"
        "from xai_core.scores import chance, coverage, intervals, metrics, overlap, patterns, regions\n"
        "sys.exit(' '.join({'numpy', 'torch', 'scipy', 'sklearn'} & set(sys.modules)) or 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_few_trainings_have_the_interval_that_scipy_gives_them():
    values = [0.71, 0.78, np.nan, 0.74]
    found = intervals.student(values)
    kept = [0.71, 0.78, 0.74]
    assert (found.value, found.n, found.left_out) == (pytest.approx(np.mean(kept)), 3, 1)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 2, np.mean(kept), stats.sem(kept)))
    assert intervals.student([0.7]).low is None and intervals.student([]).value is None

"""Agreement of a judge with people: each figure is the library's, and undefined ones say why."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import cohen_kappa_score

from xai_core.errors import BadInput
from xai_core.language.agreement import figures


@pytest.fixture
def pairs():
    generator = np.random.default_rng(5)
    human = generator.integers(0, 6, 70).astype(float)
    model = np.clip(human + generator.integers(-2, 3, 70), 0, 5)
    return model, human


def test_each_figure_is_that_of_the_library(pairs):
    model, human = pairs
    found = figures(model, human)
    assert found["pearson"]["value"] == pytest.approx(pearsonr(model, human).statistic)
    assert found["spearman"]["value"] == pytest.approx(spearmanr(model, human).statistic)
    expected = cohen_kappa_score(model.astype(int), human.astype(int), labels=range(6), weights="quadratic")
    assert found["kappa"]["value"] == pytest.approx(expected)
    assert found["error"]["value"] == pytest.approx((model - human).mean())
    assert found["close"]["value"] == pytest.approx((np.abs(model - human) <= 1).mean())
    for name in ("pearson", "spearman", "kappa", "error", "absolute_error"):
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]


def test_one_who_scores_the_same_agrees_and_one_who_turns_it_round_does_not(pairs):
    _, human = pairs
    same, against = figures(human, human), figures(5 - human, human)
    assert [same[name]["value"] for name in ("pearson", "spearman", "kappa")] == pytest.approx([1, 1, 1])
    assert same["absolute_error"]["value"] == 0
    assert against["pearson"]["value"] == pytest.approx(-1) and against["kappa"]["value"] < -0.5


def test_records_without_one_of_the_scores_are_left_out_and_strata_hold_their_own_error(pairs):
    model, human = pairs
    strata = np.where(np.arange(70) < 30, "benign", "malignant")
    model[:5] = np.nan
    found = figures(model, human, strata)
    assert (found["n"], found["left_out"]) == (65, 5)
    assert list(found["strata"]) == ["benign", "malignant"]
    assert found["strata"]["benign"]["error"]["value"] == pytest.approx((model - human)[5:30].mean())
    assert found["strata"]["malignant"]["absolute_error"]["n"] == 40


def test_what_is_undefined_says_why():
    constant = figures([3, 3, 3, 3], [1, 2, 3, 4])
    assert constant["pearson"]["value"] is None and constant["pearson"]["reason"]
    assert constant["kappa"]["value"] == pytest.approx(
        cohen_kappa_score([3, 3, 3, 3], [1, 2, 3, 4], labels=range(6), weights="quadratic")
    )
    few = figures([3, 4], [1, 2])
    assert few["kappa"]["value"] is None and "fewer than" in few["kappa"]["reason"]
    assert few["error"]["value"] == 2
    with pytest.raises(BadInput, match="0 to 5"):
        figures([7.0, 1, 2], [1.0, 1, 2])
    with pytest.raises(BadInput, match="pairs"):
        figures([1, 2], [1, 2, 3])

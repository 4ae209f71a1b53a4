"""The ranking of suspected labels: its precision is scikit-learn's, and only a judge that sees adds to it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score

from xai_core.language import label_errors

N = 200


def made(seed: int, *, sees: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, calls, probabilities and a judge's scores; one that sees scores right answers high, others low."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, N)
    right = generator.random(N) < 0.7
    called = np.where(right, labels, 1 - labels)
    sure = 0.55 + 0.4 * generator.random(N)
    probabilities = np.where(called[:, None] == np.arange(2), sure[:, None], 1 - sure[:, None])
    score = np.where(right, 5.0, 0.0) if sees else generator.integers(0, 6, N).astype(float)
    return labels, called, probabilities, score


@pytest.mark.parametrize("seed", range(5))
def test_precision_and_f1_are_those_of_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    truth = generator.random(120) < 0.2
    suspicion = generator.integers(0, 9, 120) / 3
    expected = average_precision_score(truth, suspicion)
    assert label_errors.average_precision(truth, suspicion) == pytest.approx(expected, abs=1e-12)
    assert label_errors.f1(truth, suspicion > 2) == pytest.approx(f1_score(truth, suspicion > 2))
    assert np.isnan(label_errors.average_precision(np.zeros(3), np.arange(3.0)))


def test_a_judge_that_sees_adds_and_one_that_guesses_does_not():
    seeing = label_errors.experiment(*made(0, sees=True), seeds=8, resamples=20)
    guessing = label_errors.experiment(*made(0, sees=False), seeds=8, resamples=20)
    assert seeing["gains"]["both - plain"]["low"] > 0 and seeing["gains"]["judge - plain"]["low"] > 0
    assert label_errors.verdict(seeing).startswith("The judge adds to the plain ranking")
    assert label_errors.verdict(guessing).startswith("No difference from the plain ranking can be told from chance")
    assert seeing["rankings"]["plain"] == guessing["rankings"]["plain"], "it knows no judge"
    assert seeing["f1"]["judge"] > seeing["f1"]["wrong"] + 0.2
    assert (seeing["samples"], seeing["flipped"]) == (N, 20)


def test_a_judge_that_always_says_the_same_is_said_to_rank_nothing():
    labels, called, probabilities, _ = made(0, sees=True)
    same = label_errors.experiment(labels, called, probabilities, np.full(N, 3.0), seeds=8, resamples=20)
    assert label_errors.verdict(same) == "The judge gives all the same score, so that there is nothing to rank by."


def test_a_label_that_is_flipped_is_always_another_and_as_many_as_asked():
    labels = np.random.default_rng(0).integers(0, 4, 1003)
    given = label_errors.flipped(labels, 4, 0.1, seed=3)
    assert (given != labels).sum() == 100 and set(given) == {0, 1, 2, 3}
    assert (label_errors.flipped(labels, 4, 0.1, seed=3) == given).all()
    assert (label_errors.flipped(labels, 4, 0.1, seed=4) != given).any()


def test_the_list_begins_with_what_is_wrong_and_judged_high():
    table = pd.DataFrame(
        {
            "sample_id": list("abcdef"),
            "outcome": ["right", "wrong", "wrong", "wrong", "unknown", "wrong"],
            "label": "x",
            "called": ["x", "y", "y", "y", "y", "y"],
        }
    )
    scores = pd.array([5, 1, 5, None, 5, 5], dtype="Int8")
    judged = pd.DataFrame({"sample_id": list("abcdef"), "score": scores})
    found = label_errors.rank(table, judged, np.array([0.9, 0.1, 0.3, 0.2, 0.1, 0.2]))
    assert found["sample_id"].tolist() == ["f", "c", "d", "b", "a"]
    assert found["sample_id"][found["high"]].tolist() == ["f", "c"]
    np.testing.assert_allclose(found["plain"], [0.8, 0.7, 0.8, 0.9, 0.1])
    np.testing.assert_allclose(found["both"], [0.8, 0.7, 0.8 * 3.5 / 6, 0.9 / 3, 0.1])

"""Metrics against scikit-learn (values, and every resample), the official definitions by hand, and undefined cases."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from xai_core.errors import BadInput
from xai_core.scores import cases, measures, metrics, resampling

BINARY_ONLY = {"average_precision", "sensitivity", "specificity", *measures.SENSITIVITIES}


def binary(n, seed, ties=None):
    """Labels, and probabilities of two columns that know something of them; `ties` rounds to so many steps."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(n) < 0.25).astype(int)
    p = np.clip(0.3 * labels + 0.7 * generator.random(n), 0, 1)
    p = p if ties is None else np.round(p * ties) / ties
    return labels, np.stack([1 - p, p], axis=1)


def several(n, classes, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, n)
    logits = generator.standard_normal((n, classes)) + 1.5 * np.eye(classes)[labels]
    return labels, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def specificity_at(labels, p, sensitivity):
    """The official definition as a loop: thresholds from the highest down, the first that reaches it."""
    for threshold in sorted(set(p), reverse=True):
        called = p >= threshold
        if called[labels == 1].mean() >= sensitivity:
            return 1 - called[labels == 0].mean()
    return 0.0


@pytest.mark.parametrize("ties", [None, 10, 3])
def test_binary_values_equal_scikit_learn(ties):
    labels, probabilities = binary(305, seed=1, ties=ties)
    p, found = probabilities[:, 1], metrics.evaluate(labels, probabilities, positive=1, threshold=0.4, resamples=50)
    called = p >= 0.4
    expected = {
        "auc": theirs.roc_auc_score(labels, p),
        "average_precision": theirs.average_precision_score(labels, p),
        "accuracy": theirs.accuracy_score(labels, called),
        "balanced_accuracy": theirs.balanced_accuracy_score(labels, called),
        "sensitivity": theirs.recall_score(labels, called),
        "specificity": theirs.recall_score(labels, called, pos_label=0),
        **{name: specificity_at(labels, p, s) for name, s in measures.SENSITIVITIES.items()},
        "brier": theirs.brier_score_loss(labels, p),
    }
    assert tuple(found) == metrics.NAMES
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-12), name
    for entry in found.values():
        assert entry["low"] <= entry["value"] <= entry["high"]
        assert (entry["n"], entry["left_out"]) == (305, 0) and "reason" not in entry


def test_values_of_several_classes_equal_scikit_learn():
    labels, probabilities = several(400, 5, seed=2)
    found = metrics.evaluate(labels, probabilities, positive=None, resamples=50)
    called = probabilities.argmax(axis=1)
    expected = {
        "auc": theirs.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"),
        "accuracy": theirs.accuracy_score(labels, called),
        "balanced_accuracy": theirs.balanced_accuracy_score(labels, called),
        "brier": theirs.brier_score_loss(labels, probabilities, scale_by_half=False),
    }
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-12), name
        assert found[name]["low"] < value < found[name]["high"]
    for name in BINARY_ONLY:
        assert found[name]["value"] is None and found[name]["reason"] == "needs a positive class"


@settings(deadline=None, max_examples=40)
@given(st.integers(4, 60), st.sampled_from([None, 2, 7]), st.integers(0, 10**6))
def test_every_resample_equals_scikit_learn_with_weights(n, ties, seed):
    labels, probabilities = binary(n, seed, ties)
    labels[:2] = 0, 1
    p, positive = probabilities[:, 1], labels == 1
    strata = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    block = np.concatenate(list(resampling.weights(strata, resamples=6, seed=seed)))
    assert (block[:, positive].sum(axis=1) == positive.sum()).all() and (block.sum(axis=1) == n).all()
    hits, alarms = resampling.curve(block, positive, *resampling.descending(p))
    auc, precision = resampling.auc(hits, alarms), resampling.average_precision(hits, alarms)
    at_95, called = resampling.specificity_at(hits, alarms, 0.95), p >= 0.5
    recalls = resampling.mean_recall(block, labels, called == positive)
    for row, weight in enumerate(block):
        drawn = np.repeat(np.arange(n), weight.astype(int))
        assert auc[row] == pytest.approx(theirs.roc_auc_score(labels, p, sample_weight=weight), abs=1e-12)
        assert auc[row] == pytest.approx(theirs.roc_auc_score(labels[drawn], p[drawn]), abs=1e-12)
        expected = theirs.average_precision_score(labels, p, sample_weight=weight)
        assert precision[row] == pytest.approx(expected, abs=1e-12)
        assert at_95[row] == pytest.approx(specificity_at(labels[drawn], p[drawn], 0.95), abs=1e-12)
        expected = theirs.balanced_accuracy_score(labels, called, sample_weight=weight)
        assert recalls[row] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("positive", [1, None])
def test_resamples_of_a_run_are_evaluations_of_repeated_samples(positive):
    """What the interval is made of equals `evaluate` itself on a list in which samples stand as often as drawn."""
    labels, probabilities = binary(40, seed=3, ties=9) if positive else several(60, 3, seed=3)
    case = cases.of(labels, probabilities, positive, 0.5)
    names = [name for name in metrics.NAMES if positive or name not in BINARY_ONLY]
    drawn = measures.resampled(case, names, seed=4, resamples=5)
    block = np.concatenate(list(resampling.weights(case.strata, resamples=5, seed=4)))
    for row, weight in enumerate(block):
        repeated = np.repeat(np.arange(len(case.labels)), weight.astype(int))
        again = metrics.evaluate(case.labels[repeated], case.probabilities[repeated], positive=positive, resamples=2)
        for name in names:
            assert drawn[name][row] == pytest.approx(again[name]["value"], abs=1e-12), name


def test_specificity_at_sensitivity_by_hand():
    # 20 positives: 19 reach 0.95, with 2 of 10 negatives above the 19th; the whole needs 7 of 10.
    p = np.array([*np.linspace(0.9, 0.6, 19), 0.2, 0.85, 0.7, *np.linspace(0.5, 0.3, 5), 0.1, 0.1, 0.1])
    labels = np.array([1] * 20 + [0] * 10)
    found = metrics.evaluate(labels, np.stack([1 - p, p], axis=1), positive=1, resamples=20)
    assert found["specificity_at_sensitivity_95"]["value"] == pytest.approx(0.8)
    assert found["specificity_at_sensitivity_98"]["value"] == pytest.approx(0.3)
    assert found["specificity_at_sensitivity_99"]["value"] == pytest.approx(0.3)
    positive = labels == 1
    curve = resampling.curve(np.ones((1, 30)), positive, *resampling.descending(p))
    assert resampling.specificity_at(*curve, 0.95)[0] == pytest.approx(0.8)  # 19 of 20 reach 0.95, no more is asked


def test_specificity_at_sensitivity_reads_the_whole_curve():
    """With ties of one positive and one negative the thinned curve of scikit-learn has only its two ends."""
    p, labels = np.repeat(np.linspace(0.9, 0.1, 20), 2), np.tile([0, 1], 20)
    found = metrics.evaluate(labels, np.stack([1 - p, p], axis=1), positive=1, resamples=20)
    assert found["specificity_at_sensitivity_95"]["value"] == pytest.approx(0.05)
    assert found["specificity_at_sensitivity_98"]["value"] == pytest.approx(0.0)


def test_interval_of_auc_agrees_with_the_normal_theory():
    """Hanley and McNeil 1982 for two exponential score distributions: no bootstrap of ours in it."""
    generator = np.random.default_rng(11)
    labels = np.repeat([0, 1], [1500, 500])
    p = 1 / (1 + np.exp(-generator.exponential(np.where(labels == 1, 3.0, 1.0))))
    entry = metrics.evaluate(labels, np.stack([1 - p, p], axis=1), positive=1)["auc"]
    a, sick, well = entry["value"], 500, 1500
    variance = a * (1 - a) + (sick - 1) * (a / (2 - a) - a * a) + (well - 1) * (2 * a * a / (1 + a) - a * a)
    width = 2 * 1.96 * np.sqrt(variance / (sick * well))
    assert entry["high"] - entry["low"] == pytest.approx(width, rel=0.12)


def test_order_and_kind_do_not_matter():
    labels, probabilities = binary(120, seed=5, ties=20)
    order = np.random.default_rng(6).permutation(120)
    first = metrics.evaluate(labels, probabilities, positive=1, resamples=100)
    assert first == metrics.evaluate(labels[order], probabilities[order], positive=1, resamples=100)
    tensors = torch.from_numpy(labels), torch.from_numpy(probabilities)
    assert first == metrics.evaluate(*tensors, positive=1, resamples=100)
    assert first != metrics.evaluate(labels, probabilities, positive=1, resamples=100, seed=1)


def test_unlabelled_samples_are_left_out_and_counted():
    labels, probabilities = binary(60, seed=7)
    plain = metrics.evaluate(labels[10:], probabilities[10:], positive=1, resamples=30)
    for nothing in (-1, None, np.nan):
        mixed = metrics.evaluate([nothing] * 10 + labels[10:].tolist(), probabilities, positive=1, resamples=30)
        assert {name: entry | {"left_out": 0} for name, entry in mixed.items()} == plain
        assert mixed["auc"]["left_out"] == 10


def test_one_class_only():
    _, probabilities = binary(30, seed=8)
    found = metrics.evaluate(np.zeros(30), probabilities, positive=1, resamples=30)
    for name in ("auc", "average_precision", "balanced_accuracy", *measures.SENSITIVITIES):
        assert found[name]["value"] is None and found[name]["reason"] == "one class only"
    assert found["sensitivity"]["reason"] == "no positive sample"
    assert found["specificity"]["value"] == (probabilities[:, 1] < 0.5).mean() == found["accuracy"]["value"]
    found = metrics.evaluate(np.ones(30), probabilities, positive=1, resamples=30)
    assert found["specificity"]["reason"] == "no negative sample"
    assert found["sensitivity"]["value"] is not None


def test_too_few_samples_for_an_interval():
    labels, probabilities = binary(30, seed=9)
    labels[:] = 0
    labels[4] = 1
    found = metrics.evaluate(labels, probabilities, positive=1, resamples=30)
    for name in ("auc", "sensitivity"):
        assert found[name]["value"] is not None and found[name]["low"] is None
        assert found[name]["reason"] == "one sample alone has no interval"
    assert found["specificity"]["low"] is not None


def test_nothing_labelled():
    _, probabilities = binary(4, seed=10)
    for entry in metrics.evaluate([-1] * 4, probabilities, positive=1).values():
        assert entry == {
            "value": None,
            "low": None,
            "high": None,
            "n": 0,
            "left_out": 4,
            "reason": "no labelled sample",
        }
    assert metrics.evaluate([], np.zeros((0, 2)), positive=1)["auc"]["left_out"] == 0


def test_several_classes_with_absent_ones():
    labels, probabilities = several(110, 40, seed=12)
    labels = labels % 7
    found = metrics.evaluate(labels, probabilities, positive=None, resamples=50)
    assert found["auc"]["reason"] == "33 classes have no sample"
    assert found["balanced_accuracy"]["low"] is not None
    labels, probabilities = several(12, 10, seed=13)
    labels[:10] = range(10)  # every class is there once or twice, and in hardly any resample
    found = metrics.evaluate(labels, probabilities, positive=None, resamples=50)
    assert found["auc"]["value"] is not None and found["auc"]["low"] is None
    assert found["auc"]["reason"] == "undefined in most resamples: no interval"


def test_calibration_by_hand():
    # Bins of 1/15: 0.50 and 0.51 share one (0.467 to 0.533), 0.9 and 1.0 have their own.
    p = np.array([0.50, 0.51, 0.9, 1.0])
    labels = np.array([0, 1, 1, 1])
    columns = np.stack([1 - p, p], axis=1)
    found = metrics.evaluate(labels, columns, positive=1, resamples=10)
    assert found["ece"]["value"] == pytest.approx((abs(1.01 - 1) + abs(0.9 - 1) + 0) / 4)
    figure = metrics.reliability(labels, columns, positive=1)
    assert len(figure) == 15 and sum(row["n"] for row in figure) == 4
    middle = figure[7]
    assert (middle["low"], middle["high"], middle["n"], middle["observed"]) == (7 / 15, 8 / 15, 2, 0.5)
    assert middle["confidence"] == pytest.approx(0.505)
    assert middle["observed_low"] < 0.5 < middle["observed_high"]
    assert figure[14]["n"] == 1 and figure[0]["observed"] is None and figure[0]["observed_low"] is None


@pytest.mark.parametrize("positive", [1, None])
def test_calibration_error_is_made_of_the_reliability_figure(positive):
    labels, probabilities = several(300, 3, seed=14)
    figure = metrics.reliability(labels, probabilities, positive=positive)
    gaps = sum(row["n"] * abs(row["confidence"] - row["observed"]) for row in figure if row["n"])
    found = metrics.evaluate(labels, probabilities, positive=positive, resamples=10)
    assert found["ece"]["value"] == pytest.approx(gaps / 300, abs=1e-12)


def test_called_at_the_operating_point():
    p = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [0.1, 0.7, 0.2]], dtype=np.float32)
    assert metrics.called(p, 1, 0.5).tolist() == [1, 2, 1]  # at exactly the threshold: positive
    assert metrics.called(p, 1, 0.25).tolist() == [1, 1, 1]
    assert metrics.called(p, 1, 0.95).tolist() == [0, 2, 2]  # the likeliest of the others
    assert metrics.called(p, None).tolist() == [0, 2, 1]
    # 0.7 as float32 is below 0.7: the comparison is made in float64, as it is on what a run stores.
    assert metrics.called(p, 1, 0.7).tolist() == [0, 2, 2]


@settings(deadline=None)
@given(st.integers(1, 80), st.integers(0, 10**6), st.sampled_from([None, 5]))
def test_the_operating_point_reaches_its_sensitivity_and_no_higher_one_does(n, seed, ties):
    labels, probabilities = binary(n, seed, ties)
    labels[0] = 1
    p = probabilities[:, 1]
    points = metrics.operating_points(labels, p)
    threshold = points["sensitivity_95"]
    assert points["0.5"] == 0.5
    assert (p[labels == 1] >= threshold).mean() >= 0.95
    edge = p[p >= threshold].min()
    assert (p[labels == 1] > edge).mean() < 0.95
    if (labels == 0).any():
        specificity = (p[labels == 0] < threshold).mean()
        assert specificity == pytest.approx(specificity_at(labels, p, 0.95))


def test_operating_points_between_neighbouring_floats_and_without_positives():
    low = 0.3
    high = np.nextafter(low, 1)
    assert metrics.operating_points([1, 0], [high, low])["sensitivity_95"] == high
    assert metrics.operating_points([1, 0, -1], [0.8, 0.4, 0.7])["sensitivity_95"] == pytest.approx(0.6)
    assert metrics.operating_points([0, 0], [0.1, 0.2]) == {"0.5": 0.5, "sensitivity_95": None}
    with pytest.raises(BadInput, match="labels == positive"):
        metrics.operating_points([0, 2], [0.1, 0.2])


def test_by_group_is_evaluate_of_each():
    labels, probabilities = binary(90, seed=15)
    groups = ["female", "male", None] * 30
    found = metrics.by_group(labels, probabilities, groups, positive=1, resamples=20)
    assert list(found) == ["female", "male", "unknown"]
    for offset, name in enumerate(found):
        part = slice(offset, None, 3)
        assert found[name] == metrics.evaluate(labels[part], probabilities[part], positive=1, resamples=20)
    assert list(metrics.by_group(labels[:3], probabilities[:3], [np.nan, "", 7], positive=1, resamples=5)) == [
        "7",
        "unknown",
    ]


def test_tertiles():
    area = np.array([0.3, np.nan, 0.1, 0.2, 0.6, 0.5, 0.4])
    groups, edges = metrics.tertiles(area)
    assert groups.tolist() == ["middle", "", "small", "small", "large", "large", "middle"]
    assert edges == pytest.approx(tuple(np.quantile(area[~np.isnan(area)], [1 / 3, 2 / 3])))
    groups, edges = metrics.tertiles([np.nan] * 2)
    assert groups.tolist() == ["", ""] and edges is None


PLAIN = np.array([[0.4, 0.6], [0.9, 0.1]])


@pytest.mark.parametrize(
    ("labels", "probabilities", "settings", "says"),
    [
        ([0, 1, 1], PLAIN, {}, "one label per row"),
        ([0, 2], PLAIN, {}, "the index of a column"),
        ([0, 0.5], PLAIN, {}, "fractions"),
        (["a", "b"], PLAIN, {}, "whole numbers"),
        ([0, 1], PLAIN * 2, {}, r"outside \[0, 1\]"),
        ([0, 1], PLAIN * np.nan, {}, r"outside \[0, 1\]"),
        ([0, 1], PLAIN[:, :1], {}, r"\(2, 1\)"),
        ([0, 1], PLAIN, {"positive": 2}, "a class below 2"),
        ([0, 1], PLAIN, {"threshold": 1.5}, "from 0 to 1"),
    ],
)
def test_bad_input_is_refused(labels, probabilities, settings, says):
    with pytest.raises(BadInput, match=says):
        metrics.evaluate(labels, probabilities, **{"positive": 1, **settings})

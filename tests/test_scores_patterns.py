"""The eight patterns: the originals' table by hand, precedence, what has no pattern, and bands from quantiles."""

import numpy as np
import pytest
import torch

from xai_core.errors import BadInput
from xai_core.scores import coverage, patterns
from xai_core.scores.arrays import SCORE_NAMES

NAN = np.nan
# (bands, ec, gtc, iou, pattern when right, pattern when wrong, kinds that match); METHODS 1, table.
BY_HAND = [
    ("objects", 0.80, 0.80, 0.667, "human_aligned", "confuser", {"aligned"}),
    ("objects", 0.80, 0.78, 0.65, "human_aligned", "confuser", {"aligned"}),  # the ends of a band are inside
    ("objects", 0.65, 0.20, 0.18, "sufficient_subset", "insufficient_subset", {"subset", "context"}),
    ("objects", 0.20, 0.65, 0.18, "context_dependent", "context_confusion", {"dependent", "context"}),
    ("objects", 0.30, 0.25, 0.158, "sufficient_context", "distracted", {"context"}),
    ("objects", 0.00, 0.00, 0.0, "sufficient_context", "distracted", {"context"}),
    ("objects", 0.50, 0.50, 0.333, "unclassified", "unclassified", set()),
    ("objects", 0.80, 0.78, 0.649, "unclassified", "unclassified", set()),  # not rounded to two decimals first
    ("lesions", 0.60, 0.53, 0.39, "human_aligned", "confuser", {"aligned"}),
    ("lesions", 0.90, 0.25, 0.243, "sufficient_subset", "insufficient_subset", {"subset"}),
    ("lesions", 0.30, 0.60, 0.25, "context_dependent", "context_confusion", {"dependent"}),
    ("lesions", 0.10, 0.25, 0.077, "context_dependent", "context_confusion", {"dependent", "context"}),
    ("lesions", 0.10, 0.15, 0.064, "sufficient_context", "distracted", {"context"}),
    ("lesions", 0.55, 0.70, 0.445, "human_aligned", "confuser", {"aligned", "dependent"}),
    ("lesions", 0.70, 0.35, 0.304, "unclassified", "unclassified", set()),
]


@pytest.mark.parametrize(("bands", "ec", "gtc", "iou", "right", "wrong", "kinds"), BY_HAND)
def test_the_table_by_hand(bands, ec, gtc, iou, right, wrong, kinds):
    exclusive, matches = patterns.assign([ec] * 2, [gtc] * 2, [iou] * 2, [True, False], patterns.BANDS[bands])
    assert exclusive.tolist() == [right, wrong]
    for row, correct in zip(matches, (True, False), strict=True):
        matched = {key for key, hit in zip(patterns.KEYS, row, strict=True) if hit}
        assert {patterns.PATTERNS[key].kind for key in matched} == kinds
        assert all(patterns.PATTERNS[key].correct == correct for key in matched)


def test_keys_meanings_and_sorting_cover_the_table():
    assert patterns.KEYS == (
        "human_aligned",
        "sufficient_subset",
        "sufficient_context",
        "context_dependent",
        "confuser",
        "insufficient_subset",
        "distracted",
        "context_confusion",
    )
    assert set(patterns.MEANING) == {*patterns.KEYS, "unclassified", "no_explanation"}
    assert all(text.endswith(".") and text.count(". ") == 0 for text in patterns.MEANING.values())
    sorting = [(pattern.sort, pattern.descending) for pattern in patterns.PATTERNS.values()]
    one_kind = [
        ("iou", True),
        ("explanation_coverage", True),
        ("iou", False),
        ("ground_truth_coverage", True),
    ]
    assert sorting == one_kind * 2
    assert {name for name, _ in sorting} <= set(SCORE_NAMES)


def test_meanings_do_not_swap_the_coverages():
    """The originals' page did. A small explanation inside the region is the subset, a wide one round it depends."""
    ground_truth = np.zeros((2, 30, 44), dtype=bool)
    ground_truth[:, 5:15, 6:22] = True
    explanation = np.zeros_like(ground_truth)
    explanation[0, 6:10, 10:15] = True
    explanation[1] = True
    scores = coverage(ground_truth, explanation)
    exclusive, _ = patterns.assign(*(scores[name] for name in SCORE_NAMES), [True, True], patterns.BANDS["objects"])
    assert exclusive.tolist() == ["sufficient_subset", "context_dependent"]
    assert "covers little of it" in patterns.MEANING["sufficient_subset"]
    assert "together with its surroundings" in patterns.MEANING["context_dependent"]


def test_what_has_no_pattern():
    # Empty explanation; empty annotation; both; no usable annotation; no label; no label and no explanation.
    ec = [NAN, 0.0, NAN, NAN, 0.8, NAN]
    gtc = [0.0, NAN, NAN, NAN, 0.8, 0.0]
    iou = [0.0, 0.0, NAN, NAN, 0.667, 0.0]
    exclusive, matches = patterns.assign(ec, gtc, iou, [0, 0, 1, 1, NAN, NAN], patterns.BANDS["objects"])
    assert exclusive.tolist() == ["no_explanation", "", "", "", "", "no_explanation"]
    assert not matches.any()


def test_scores_of_coverage_go_straight_in():
    ground_truth = np.zeros((3, 10, 14), dtype=bool)
    ground_truth[:2, 2:8, 3:11] = True
    explanation = np.zeros_like(ground_truth)
    explanation[1, 2:8, 3:10] = True
    explanation[2, 0, 0] = True
    scores = coverage(torch.from_numpy(ground_truth), torch.from_numpy(explanation))
    exclusive, _ = patterns.assign(
        *(scores[name] for name in SCORE_NAMES), torch.tensor([True, True, True]), patterns.BANDS["objects"]
    )
    assert exclusive.tolist() == ["no_explanation", "human_aligned", ""]


def test_subset_and_dependent_lie_inside_context_with_the_bands_of_objects():
    generator = np.random.default_rng(0)
    ec, gtc = generator.random((2, 20_000))
    iou = 1 / (1 / ec + 1 / gtc - 1)
    _, matches = patterns.assign(ec, gtc, iou, generator.random(20_000) < 0.5, patterns.BANDS["objects"])
    column = {key: matches[:, place] for place, key in enumerate(patterns.KEYS)}
    assert column["sufficient_subset"].sum() > 100 and column["context_confusion"].sum() > 100
    for narrow, wide in (
        ("sufficient_subset", "sufficient_context"),
        ("context_dependent", "sufficient_context"),
        ("insufficient_subset", "distracted"),
        ("context_confusion", "distracted"),
    ):
        assert not (column[narrow] & ~column[wide]).any()


def test_bands_from_quantiles():
    generator = np.random.default_rng(1)
    ec, gtc, iou = generator.random((3, 4000))
    ec[:10] = NAN
    bands = patterns.bands_for("quantile", ec, gtc, iou)
    low, high = np.quantile(iou, [0.25, 0.75])
    assert (bands.context_iou, bands.aligned_iou) == ((0.0, low), (high, 1.0))
    assert bands.subset_ec == (pytest.approx(np.nanquantile(ec, 2 / 3), rel=1e-12), 1.0)
    exclusive, matches = patterns.assign(ec, gtc, iou, np.ones(4000, dtype=bool), bands)
    assert matches[:, 0].mean() == pytest.approx(0.25, abs=0.01)
    assert matches[:, 1].mean() == pytest.approx(1 / 9, abs=0.02)
    assert (exclusive == "no_explanation").sum() == 10
    assert patterns.Bands(**bands.as_dict()).as_dict() == bands.as_dict()


def test_quantiles_that_tell_nothing_apart_make_no_bands():
    bands = patterns.bands_for("quantile", [0.5] * 8, [NAN] * 8, [0.0] * 7 + [0.9])
    assert bands.aligned_iou is bands.context_iou is bands.subset_ec is bands.dependent_gtc is None
    exclusive, matches = patterns.assign([0.5] * 2, [0.5] * 2, [0.0, 0.9], [True, True], bands)
    assert exclusive.tolist() == ["unclassified"] * 2 and not matches.any()


def test_an_empty_run_and_bad_input():
    exclusive, matches = patterns.assign([], [], [], [], patterns.bands_for("quantile", [], [], []))
    assert exclusive.shape == (0,) and matches.shape == (0, 8)
    assert patterns.bands_for("lesions", [], [], []) is patterns.BANDS["lesions"]
    with pytest.raises(BadInput, match="one of objects, lesions, quantile"):
        patterns.bands_for("birds", [], [], [])
    with pytest.raises(BadInput, match="one shape"):
        patterns.assign([0.1], [0.1, 0.2], [0.1], [True], patterns.BANDS["lesions"])
    with pytest.raises(BadInput, match="correct"):
        patterns.assign([0.1], [0.1], [0.1], [True, False], patterns.BANDS["lesions"])

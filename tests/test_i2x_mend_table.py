"""What `mend` says of its strategies, against pandas, scipy, loops and planted calls."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from xai_core.i2x import mend_table
from xai_core.i2x.mend_table import MEASURES, Calls
from xai_core.i2x.strategies import STRATEGIES
from xai_core.scores import resampling

LABELS = np.repeat([0, 1, 2], (60, 50, 30))


def calls(wrong: dict[str, int], repeats: int = 5, seed: int = 0) -> Calls:
    """Return calls in which each strategy confuses classes 0 and 1 so often, give or take one; 2 is called right."""
    rng = np.random.default_rng(seed)
    called = {}
    for name in ("before", *STRATEGIES):
        rows = np.tile(LABELS, (1 if name == "before" else repeats, 1))
        for row in rows:
            confused = rng.choice(110, wrong.get(name, 10) + rng.integers(0, 2), replace=False)
            row[confused] = 1 - row[confused]
        called[name] = rows
    return Calls(LABELS, (0, 1), called)


def test_means_and_stds_are_those_of_pandas():
    given = calls({"full": 4, "curated-full": 7})
    rows = mend_table.rows(given)
    for name, called in given.called.items():
        cells = [(k, *pair) for k, row in enumerate(called) for pair in zip(LABELS, row, strict=True)]
        frame = pd.DataFrame(cells, columns=["repeat", "label", "called"])
        each = frame.groupby("repeat").apply(
            lambda rows: pd.Series(
                {
                    "accuracy": (rows.label == rows.called).mean(),
                    "confusions": sum({label, c} == {0, 1} for label, c in zip(rows.label, rows.called, strict=True)),
                }
            ),
            include_groups=False,
        )
        for measure in MEASURES:
            row = rows[name][measure]
            assert row["each"] == pytest.approx(each[measure].tolist())
            assert row["mean"] == pytest.approx(each[measure].mean())
            assert row["std"] is None if name == "before" else row["std"] == pytest.approx(each[measure].std())


def test_intervals_are_those_of_a_loop_over_resamples():
    given = calls({"curated-full": 3})
    first, second = given.called["curated-full"], given.called["full-full"]
    strata = [np.arange(start, stop) for start, stop in ((0, 60), (60, 110), (110, 140))]
    accuracies, gaps = [], []
    for block in resampling.weights(strata, resamples=mend_table.RESAMPLES, seed=0):
        for weights in block.astype(int):
            drawn = np.repeat(np.arange(len(LABELS)), weights)
            accuracies.append(np.mean([(row[drawn] == LABELS[drawn]).mean() for row in first]))
            counts = [[(LABELS[drawn] + row[drawn] == 1).sum() for row in rows] for rows in (first, second)]
            gaps.append(np.mean(counts[0]) - np.mean(counts[1]))
    row = mend_table.rows(given)["curated-full"]["accuracy"]
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.percentile(accuracies, [2.5, 97.5])))
    compared = next(each for each in mend_table.comparisons(given)
                    if (each["against"], each["measure"]) == ("full-full", "confusions"))  # fmt: skip
    ends = compared["over_samples"]
    assert (ends["low"], ends["high"]) == pytest.approx(tuple(np.percentile(gaps, [2.5, 97.5])))
    assert ends["p"] == pytest.approx(2 / (len(gaps) + 1)), "no resample reaches 0"


def test_tests_over_repeats_are_those_of_scipy():
    given = calls({"curated-full": 8}, seed=3)
    for each in mend_table.comparisons(given):
        first, second = (given.per_repeat(each[k], each["measure"]) for k in ("strategy", "against"))
        t = stats.ttest_rel(first, second)
        ends = t.confidence_interval(0.95)
        over = each["over_repeats"]
        assert over["p_t"] == pytest.approx(t.pvalue)
        assert (over["low"], over["high"]) == pytest.approx((ends.low, ends.high))
        counts = [
            np.round(len(LABELS) * values if each["measure"] == "accuracy" else values) for values in (first, second)
        ]
        assert over["p_wilcoxon"] == pytest.approx(stats.wilcoxon(*counts).pvalue)
        assert each["difference"] == pytest.approx(first.mean() - second.mean())


@pytest.mark.parametrize(
    ("wrong", "said", "found"),
    [
        (
            {"curated-full": 2},
            "A gain was seen: curated-full confuses the pair less often than full-full and than",
            "gain",
        ),
        ({}, "No gain was seen: curated-full does not confuse the pair less often than full-full", "none"),
        (
            {"curated-full": 30},
            "No gain was seen but a loss: curated-full confuses the pair more often than full",
            "loss",
        ),
        (
            {"curated-full": 2, "random-full": 2},
            "No gain from the choice of samples was seen: dropping as many",
            "gain",
        ),
    ],
)
def test_the_verdict_is_the_planted_one(wrong, said, found):
    compared = mend_table.comparisons(calls(wrong))
    sentences = mend_table.verdict(compared)
    assert sentences[0].startswith(said)
    assert next(e["found"] for e in compared if e["measure"] == "confusions") == found
    assert len(sentences) == 1 + len(compared)
    for each, sentence in zip(compared, sentences[1:], strict=True):
        share = each["measure"] == "accuracy"
        figures = [f"{100 * v:.2f} %" if share else f"{v:.1f}" for v in each["values"]]
        assert all(figure in sentence for figure in figures)


def test_equal_calls_are_no_gain_and_one_repeat_cannot_tell():
    same = np.tile(LABELS, (5, 1))
    same[:, :9] = 1
    equal = Calls(LABELS, (0, 1), {"before": same[:1], **dict.fromkeys(STRATEGIES, same)})
    for each in mend_table.comparisons(equal):
        assert (each["difference"], each["found"], each["over_samples"]["p"]) == (0.0, "none", 1.0)
        assert each["over_repeats"]["p_t"] is None
        assert each["over_repeats"]["p_wilcoxon"] is None
    shifted = np.tile(LABELS, (5, 1))
    shifted[:, :10] = 1
    apart = Calls(LABELS, (0, 1), equal.called | {"curated-full": shifted})
    for each in mend_table.comparisons(apart):
        ends = each["over_repeats"]
        assert ends["low"] == ends["high"] == pytest.approx(each["difference"])
        assert (ends["p_t"], ends["p_wilcoxon"], each["found"]) == (None, 0.0625, "none")
    single = mend_table.comparisons(calls({"curated-full": 0, "full-full": 40, "random-full": 40}, repeats=1))
    assert {each["found"] for each in single} == {"none"}
    assert "no interval over repeats" in mend_table.verdict(single)[1]


def test_a_null_is_called_a_difference_at_most_as_often_as_the_level():
    found = [e["found"] for seed in range(30) for e in mend_table.comparisons(calls({}, seed=100 + seed))]
    assert sum(f != "none" for f in found) <= 0.05 * len(found)


def test_the_csv_holds_the_rows():
    rows = mend_table.rows(calls({}))
    table = pd.read_csv(io.StringIO(mend_table.as_csv(rows)), index_col="strategy")
    assert list(table.index) == ["before", *STRATEGIES]
    for name in STRATEGIES:
        assert table.loc[name, "confusions mean"] == rows[name]["confusions"]["mean"]
        assert table.loc[name, "accuracy high"] == rows[name]["accuracy"]["high"]
    assert np.isnan(table.loc["before", "accuracy std"])

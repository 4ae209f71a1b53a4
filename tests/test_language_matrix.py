"""The four cells are those of a count by hand, and follow the operating point."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from xai_core.errors import BadInput
from xai_core.language import matrix
from xai_core.review.records import Records, join
from xai_core.runs import open_run

RUN = "sample_data/runs/grad_cam/malignant"


@pytest.fixture(scope="module")
def joined(request):
    return join(open_run(request.config.rootpath / RUN))


@pytest.fixture(scope="module")
def judgements(joined):
    """Return scores of all but ten records, in another order than the records'."""
    generator = np.random.default_rng(3)
    ids = generator.permutation(joined.table["sample_id"].to_numpy(object))[10:]
    scores = pd.array(generator.integers(0, 6, len(ids)), dtype="Int8")
    scores[:7] = pd.NA
    return pd.DataFrame({"sample_id": ids, "score": scores})


@pytest.mark.parametrize("operating_point", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("threshold", [2.5, 4.0])
def test_the_cells_equal_a_hand_count(joined, judgements, operating_point, threshold):
    found = matrix.cells(Records(joined, operating_point).table, judgements, threshold)
    by_hand = joined.table[["sample_id", "label", "positive_probability"]].merge(judgements, how="left")
    called = by_hand["positive_probability"].ge(operating_point).map({True: "malignant", False: "benign"})
    for name, cell in list(found.items())[:4]:
        right = (called == by_hand["label"]) if name.startswith("correct") else (called != by_hand["label"])
        high = by_hand["score"] >= threshold if name.endswith("high") else by_hand["score"] < threshold
        assert cell.ids == tuple(by_hand["sample_id"][right & high.fillna(False)]), name
        assert cell.count == len(cell.ids)
    assert set(found[matrix.UNDECIDED].ids) == set(by_hand["sample_id"][by_hand["score"].isna()])
    assert found[matrix.UNDECIDED].count == 17
    assert sum(cell.count for cell in found.values()) == len(joined.table)


def test_a_record_without_label_is_undecided_however_it_was_judged():
    table = pd.DataFrame({"sample_id": ["a", "b", "c"], "outcome": ["unknown", "right", "wrong"]})
    judged = pd.DataFrame({"sample_id": ["c", "a", "b"], "score": pd.array([2, 5, 3], dtype="Int8")})
    assert matrix.cell_of(table, judged).tolist() == ["undecided", "correct_high", "wrong_low"]
    both = matrix.joined(table, judged)
    assert both["judge_score"].tolist() == [5, 3, 2]
    assert both["judged"].astype(str).tolist() == ["undecided", "correct_high", "wrong_low"]


def test_two_judges_at_once_are_refused():
    judged = pd.DataFrame({"sample_id": ["a", "a"], "score": [1, 5]})
    with pytest.raises(BadInput, match="one judge"):
        matrix.cells(pd.DataFrame({"sample_id": ["a"], "outcome": ["right"]}), judged)

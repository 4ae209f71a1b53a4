"""Which records pass and in which order, held against plain pandas and against counting by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from review_fixtures import SQUASH, failed, record, write_run

from xai_core.review.leads import leads, missed
from xai_core.review.linked import Bins, bins_of, counts, levels, matrix, undefined
from xai_core.review.presets import figures
from xai_core.review.queries import UNREVIEWED, Among, Query, Range, Selection
from xai_core.review.records import RIGHT, WRONG, Records, join
from xai_core.review.subgroups import subgroups
from xai_core.runs import open_run, summarise
from xai_core.runs.tables import table_of
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.scores.patterns import KEYS

SAMPLE = ROOT / "sample_data" / "runs"
RUNS = {name: join(open_run(SAMPLE / name)) for name in ("grad_cam/predicted", "lime/predicted", "lime/malignant")}
RECORDS = {(name, at): Records(joined, at) for name, joined in RUNS.items() for at in (0.5, 0.13)}

ranges = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: (min(pair) / 20, max(pair) / 20))
filters = st.fixed_dictionaries(
    {},
    optional={
        "label": st.sets(st.sampled_from(["benign", "malignant"]), min_size=1),
        "called": st.sets(st.sampled_from(["benign", "malignant"]), min_size=1),
        "outcome": st.sets(st.sampled_from(["right", "wrong"]), min_size=1),
        "pattern": st.sets(st.sampled_from([*KEYS, "unclassified", "no_explanation"]), min_size=1),
        "missing": st.sets(st.sampled_from(["scored", "empty_explanation"]), min_size=1),
        "verdict": st.sets(st.sampled_from(["unsure", UNREVIEWED]), min_size=1),
        "meta_sex": st.sets(st.sampled_from(["female", "male"]), min_size=1),
        "meta_has_patch": st.sets(st.sampled_from([0, 1]), min_size=1),
        "meta_age": st.just((30.0, 55.0)),
        **dict.fromkeys([*SCORE_NAMES, "confidence"], ranges),
    },
)


def condition(value):
    return Among(tuple(sorted(value))) if isinstance(value, set) else Range(*value, closed=value[1] == 1)


def plainly(run, threshold, chosen, sort, descending, verdicts):
    """Return the ids that pandas alone gives for the same question, from the run's own files."""
    table = table_of(run, None, threshold)
    table["outcome"] = np.where(table["correct"].fillna(False), "right", "wrong")
    table["verdict"] = [verdicts.get(i, UNREVIEWED) for i in table["sample_id"]]
    reason = table["explanation_coverage_undefined"]
    table["missing"] = reason.where(reason != "", "scored")
    for name, value in chosen.items():
        if isinstance(value, set):
            table = table[table[name].isin(value)]
        else:
            low, high = value
            table = table[table[name].between(low, high, inclusive="both" if high == 1 else "left")]
    return table.sort_values(sort, ascending=not descending, kind="stable", na_position="last")["sample_id"].tolist()


@settings(max_examples=120, deadline=None)
@given(
    which=st.sampled_from(sorted(RECORDS)),
    chosen=filters,
    sort=st.sampled_from([*SCORE_NAMES, "confidence", "sample_id", "label", "meta_age", "meta_sex"]),
    descending=st.booleans(),
    every=st.integers(2, 7),
)
def test_any_combination_gives_what_pandas_gives(which, chosen, sort, descending, every):
    records = RECORDS[which]
    verdicts = dict.fromkeys(records.table["sample_id"][::every], "unsure")
    query = Query({name: condition(value) for name, value in chosen.items()}, sort, descending)
    order = Selection(records, query, verdicts).order()
    found = records.table["sample_id"].iloc[order].tolist()
    assert found == plainly(records.run, records.threshold, chosen, sort, descending, verdicts)


@settings(max_examples=60, deadline=None)
@given(which=st.sampled_from(sorted(RECORDS)), chosen=filters, column=st.sampled_from([*SCORE_NAMES, "meta_sex"]))
def test_a_histogram_counts_what_passes_every_filter_but_its_own(which, chosen, column):
    records = RECORDS[which]
    query = Query({name: condition(value) for name, value in chosen.items()})
    selection, bins = Selection(records, query), bins_of(records, column)
    others = Query({name: c for name, c in query.conditions.items() if name != column})
    passing = Selection(records, others).passing()
    tally = counts(records, column, bins, selection.passing(without=(column,)))
    for place in range(len(bins)):
        alone = Selection(records, Query({**others.conditions, column: bins.condition(place, place)}))
        assert tally["right"][place] + tally["wrong"][place] == alone.passing().sum()
    assert sum(tally["right"]) + sum(tally["wrong"]) + undefined(records, column, passing) == passing.sum()


@pytest.mark.parametrize("column", [*SCORE_NAMES, "meta_age", "meta_sex", "meta_hairs", "meta_abcd_score"])
def test_every_defined_value_lies_in_one_bin(column):
    records = RECORDS["lime/predicted", 0.5]
    bins = bins_of(records, column)
    tally = counts(records, column, bins, np.ones(len(records), bool))
    assert sum(tally["all"]) == records.table[column].notna().sum()


@given(first=st.integers(0, 19), extra=st.integers(0, 19))
def test_a_brushed_range_is_drawn_where_it_was_brushed(first, extra):
    last = min(first + extra, 19)
    for bins in (bins_of(RECORDS["lime/predicted", 0.5], "iou"), Bins(categories=tuple("abcdefghijklmnopqrst"))):
        assert bins.selected(bins.condition(first, last)) == (first, last)


@settings(max_examples=40, deadline=None)
@given(which=st.sampled_from(sorted(RECORDS)), chosen=filters, score=st.sampled_from(SCORE_NAMES))
def test_the_matrix_counts_and_averages_its_cells(which, chosen, score):
    records = RECORDS[which]
    query = Query({name: condition(value) for name, value in chosen.items()})
    found = matrix(Selection(records, query), score)
    rest = {name: c for name, c in query.conditions.items() if name not in ("label", "called")}
    table = records.table[Selection(records, Query(rest)).passing()]
    for i, label in enumerate(found.labels):
        for j, called in enumerate(found.called):
            cell = table[(table["label"] == label) & (table["called"] == called)]
            assert found.count[i, j] == len(cell)
            np.testing.assert_allclose(found.mean[i, j], cell[score].mean() if len(cell) else np.nan)
    assert found.count.sum() + found.left_out == len(table)


def test_a_matrix_of_many_classes_shows_the_most_confused(tmp_path):
    names = [f"class {k:02}" for k in range(12)]
    labels = ["class 03"] * 4 + ["class 07"] * 3 + ["class 01"] * 5
    called = ["class 05", "class 05", "class 03", "class 09", "class 03", "class 03", "class 07", *["class 01"] * 5]
    records = object.__new__(Records)
    records.table = pd.DataFrame({"label": labels, "called": called})
    records.table["outcome"] = np.where(records.table["label"] == records.table["called"], RIGHT, WRONG)
    records.table["iou"] = np.linspace(0, 1, 12)
    records.answers = {}
    records.run = type("Run", (), {"settings": {"class_names": names}})
    found = matrix(Selection(records, Query()), "iou", most=2)
    # two labels with errors; the two calls they are most often mistaken for; correct ones of these classes count
    assert found.labels == ("class 03", "class 05", "class 07")
    assert found.count.tolist() == [[1, 2, 0], [0, 0, 0], [2, 0, 1]]
    assert found.left_out == 6


def test_chance_levels_are_those_of_the_records_that_pass():
    records = RECORDS["grad_cam/predicted", 0.5]
    passing = Selection(records, Query({"label": Among(("malignant",))})).passing()
    summary = summarise(records.run)["by"]["label"]["malignant"]["scores"]["iou"]["chance"]
    found = levels(records, "iou", passing)
    assert found == pytest.approx({name: level["mean"] for name, level in summary.items()})


def test_the_operating_point_moves_calls_and_patterns():
    low, half = RECORDS["grad_cam/predicted", 0.13], RECORDS["grad_cam/predicted", 0.5]
    assert (low.table["called"] == "malignant").sum() > (half.table["called"] == "malignant").sum()
    assert low.recalled() == (low.table["called"].astype(str) != half.table["called"].astype(str)).sum() > 0
    assert half.recalled() == 0
    for records in (low, half):
        truth = records.rank("positive_probability") >= records.threshold
        assert ((records.table["called"] == "malignant") == truth).all()


def test_the_missed_melanomas_are_where_the_first_sentence_points():
    records = RECORDS["grad_cam/predicted", 0.5]
    first = leads(records)[0]
    assert first.sentence.startswith("8 of 41 malignant records were called benign; in 7 of the 8")
    assert first.query == missed(records)
    table = records.table.iloc[Selection(records, first.query).order()]
    assert len(table) == first.count == 8
    assert set(table["label"]) == {"malignant"} and set(table["called"]) == {"benign"}
    assert table["explanation_coverage"].is_monotonic_increasing


def test_unreadable_images_come_first_and_count_as_no_call(tmp_path):
    records = [record(k, (90, 150), SQUASH) for k in range(6)]
    records += [failed(k, label="malignant", label_index=1) for k in range(6, 9)]
    run = write_run(tmp_path / "run", tmp_path / "data", records)
    found = Records(join(run))
    first, *others = leads(found, most=9)
    assert first.sentence.startswith("3 of 9 images could not be read") and first.count == 3
    assert set(Selection(found, first.query).order()) == {6, 7, 8}
    answered = found.table["called"].notna()
    positives = (found.table["label"] == "malignant") & answered
    assert all("3 of 3" not in lead.sentence for lead in others)
    assert all(f" of {positives.sum()} malignant" in s for s in (o.sentence for o in others) if "malignant rec" in s)
    none = Records(join(write_run(tmp_path / "none", tmp_path / "data", [failed(0), failed(1)])))
    assert [lead.count for lead in leads(none)] == [2]


@pytest.mark.parametrize("which", sorted(RECORDS))
def test_every_sentence_counts_what_its_link_shows(which):
    found = leads(RECORDS[which], most=9)
    assert found
    for lead in found:
        assert len(Selection(RECORDS[which], lead.query).order()) == lead.count
        assert str(lead.count) in lead.sentence


def test_the_planted_patch_is_found_and_nothing_is_found_without_it():
    records = RECORDS["grad_cam/predicted", 0.5]
    assert [lead.query.conditions["meta_has_patch"] for lead in leads(records) if "patch is present" in lead.sentence]
    shuffled = Records(RUNS["grad_cam/predicted"])
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(40):
        column = generator.permutation(shuffled.rank("excess_explanation_coverage"))
        shuffled.answers[Records.rank.__wrapped__.__module__, "Records.rank", "excess_explanation_coverage"] = column
        found += any("less than elsewhere" in lead.sentence for lead in leads(shuffled, most=9))
    # one family of groups in twenty may speak by chance, on either side; only the lower side is told
    assert found <= 5


def test_figures_of_the_article_are_asked_of_lesions_and_not_of_what_they_never_showed():
    found = {figure.number: figure.query for figure in figures(RECORDS["lime/predicted", 0.5])}
    assert sorted(found) == [6, 7, 8]
    assert (found[6].sort, found[6].descending) == ("iou", True)
    assert found[7].conditions == {"label": Among(("malignant",)), "outcome": Among((WRONG,))}
    assert (found[8].sort, found[8].descending) == ("explanation_coverage", False)


def test_subgroups_are_those_of_the_records():
    records = RECORDS["grad_cam/predicted", 0.5]
    found = subgroups(records)
    assert list(found) == ["Sex", "Age", "Outlined area"]
    assert found["Age"]["group"].tolist() == ["under 40", "40 to 59", "60 and over"]
    table = records.table
    for _, row in found["Sex"].iterrows():
        rows = table[table["meta_sex"] == row["group"]]
        malignant = rows[rows["label"] == "malignant"]
        assert row["records"] == len(rows)
        assert row["sensitivity"] == pytest.approx((malignant["called"] == "malignant").mean())
        assert row["excess"] == pytest.approx(rows["excess_explanation_coverage"].mean())
    assert sum(found["Outlined area"]["records"]) == len(table)

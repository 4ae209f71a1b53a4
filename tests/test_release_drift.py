"""Drift: identities, scipy and a slow twin, and what is undefined with its reason."""

from __future__ import annotations

import numpy as np
import pytest
from review_fixtures import CROP, PAD, SQUASH, failed, lime, record, write_run

from xai_core.errors import BadInput
from xai_core.geometry import upsample
from xai_core.release.drift import MEASURES, drift, equal_area_iou, summary
from xai_core.runs import open_run, rows

SAMPLE = "sample_data/runs/{}/predicted"


def run_with(folder, maps, frame=SQUASH, size=(90, 150), **settings):
    records = [
        record(k, size, frame) | (rows.encode_heatmap(m.astype(np.float32)) if m is not None else {})
        for k, m in enumerate(maps)
    ]
    return write_run(folder, folder.parent / "data", records, frame, **settings)


@pytest.mark.parametrize("method", ["grad_cam", "lime"])
def test_a_run_against_itself_is_the_same_everywhere(method):
    run = open_run(SAMPLE.format(method))
    table = drift(run, run, run.records(["sample_id"])["sample_id"].tolist()[:12])
    assert len(table) == 12 and table["same_target"].all()
    for name in MEASURES:
        known = table[f"{name}_undefined"] == ""
        assert known.any() and (table.loc[known, name] == 1).all() and table.loc[~known, name].isna().all()


def test_strength_alone_changes_nothing(tmp_path):
    """Each run is divided by its own 99th percentile: another unit is no drift."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(5, 6, 8))
    table = drift(run_with(tmp_path / "a", maps), run_with(tmp_path / "b", maps * 1024, classifier_digest="c2"))
    for name in MEASURES:
        assert table[name].to_numpy() == pytest.approx(1, abs=1e-9)


def test_correlations_are_scipys(tmp_path):
    from scipy.stats import pearsonr, spearmanr

    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 4, 6, 8))
    second[1] = -first[1]
    one, two = run_with(tmp_path / "a", first), run_with(tmp_path / "b", second)
    table = drift(one, two)
    for k in range(4):
        maps = [
            upsample(rows.decode_heatmap(run.map_of(f"id{k:03d}"), SQUASH.size)[None], SQUASH.size)[0].ravel()
            for run in (one, two)
        ]
        assert table["spearman"][k] == pytest.approx(spearmanr(*maps).statistic, abs=1e-9)
        assert table["pearson"][k] == pytest.approx(pearsonr(*maps).statistic, abs=1e-5)
    assert table["pearson"][1] == pytest.approx(-1) and table["spearman"][1] == pytest.approx(-1)
    assert table["iou"][1] == 0


def slow_iou(first, second, share):
    """Return what `equal_area_iou` does, pixel by pixel."""
    places = [(y, x) for y in range(first.shape[0]) for x in range(first.shape[1])]
    positive = [sum(m[p] > 0 for p in places) for m in (first, second)]
    k = min(int(share * len(places) + 0.5), *positive)
    chosen = [set(sorted(places, key=lambda p, m=m: (-m[p], p))[:k]) for m in (first, second)]
    return len(chosen[0] & chosen[1]) / len(chosen[0] | chosen[1])


def test_regions_of_equal_area():
    rng = np.random.default_rng(2)
    for share in (0.1, 0.2, 0.5):
        # few values, so that most of them are ties, as in maps behind a ReLU
        first, second = rng.integers(-1, 3, (2, 7, 9)).astype(float)
        assert equal_area_iou(first, second, share) == slow_iou(first, second, share)
    few, many = np.zeros((2, 5, 8))
    few[1, 2] = 1
    many[:, 2] = [3, 9, 1, 1, 1]
    assert equal_area_iou(few, many, 0.5) == 1.0  # one positive pixel: one of each
    assert np.isnan(equal_area_iou(few, -many, 0.5))


def test_what_is_undefined_has_its_reason(tmp_path):
    rng = np.random.default_rng(3)
    good = rng.normal(size=(6, 8))
    first = run_with(tmp_path / "a", [good, good, np.ones((6, 8)), good])
    records = [record(k, (90, 150), SQUASH) for k in range(3)]
    for row, heatmap in zip(records, (np.zeros((6, 8)), -np.abs(good), good), strict=True):
        row |= rows.encode_heatmap(heatmap.astype(np.float32))
    second = write_run(tmp_path / "b", tmp_path / "data", [*records, failed(3)])
    table = drift(first, second).set_index("sample_id")
    for place, reason in ((0, "constant_map"), (2, "constant_map"), (3, "error")):
        row = table.loc[f"id{place:03d}"]
        assert all(np.isnan(row[name]) and row[f"{name}_undefined"] == reason for name in MEASURES)
    row = table.loc["id001"]
    assert np.isnan(row["iou"]) and row["iou_undefined"] == "no_positive_evidence" and not np.isnan(row["ssim"])
    found = summary(table.reset_index())
    assert found["ssim"]["n"] == 1 and found["ssim"]["undefined"] == {"constant_map": 2, "error": 1}
    assert found["iou"]["mean"] is None and found["samples"] == 4


def test_frames_cut_otherwise_are_compared_on_the_image(tmp_path):
    """A ramp over the original, as a crop and as a padded frame see it: the same place has the same value."""
    size = (150, 90)
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    ramp = 1 + x / 90 + 2 * y / 150
    maps = {}
    for name, frame in (("crop", CROP), ("pad", PAD)):
        place = frame.place(size)
        rows_, columns = (np.clip(np.interp(np.arange(n), axis, np.arange(m)), 0, m - 1)
                          for n, m, axis in zip(frame.size, size, place._axes(), strict=True))  # fmt: skip
        maps[name] = run_with(
            tmp_path / name, [ramp[np.round(rows_).astype(int)[:, None], np.round(columns).astype(int)]], frame, size
        )
    (row,) = drift(maps["crop"], maps["pad"]).to_dict("records")
    assert row["pearson"] > 0.995 and row["spearman"] > 0.99
    flipped = [rows.decode_heatmap(maps["pad"].map_of("id000"), PAD.size)[::-1]]
    (row,) = drift(maps["crop"], run_with(tmp_path / "flipped", flipped, PAD, size)).to_dict("records")
    assert row["pearson"] < 0.5


def test_lime_and_order(tmp_path):
    ids = ["id002", "id000", "id001"]
    records = [record(k, (90, 150), SQUASH) | lime(k, SQUASH) for k in range(3)]
    segments = write_run(tmp_path / "lime", tmp_path / "data", records, method="lime", region_rule="top_segments:5")
    cam = run_with(tmp_path / "cam", np.random.default_rng(4).normal(size=(3, 6, 8)))
    table = drift(cam, segments, ids)
    assert table["sample_id"].tolist() == ids
    assert table[list(MEASURES)].notna().all(axis=None)
    alone = drift(cam, segments, ids[1:2])
    assert alone.iloc[0].equals(table.iloc[1])
    with pytest.raises(BadInput):
        drift(cam, segments, ["id009"])
    with pytest.raises(BadInput, match="share"):
        drift(cam, segments, share=0)

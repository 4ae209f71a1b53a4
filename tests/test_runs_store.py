"""What is stored comes back, damage is found, and a run cut off anywhere goes on (SPEC.md)."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xai_core.errors import BadInput
from xai_core.runs import rows
from xai_core.runs.store import Run, RunWriter, content_digest, open_run

SETTINGS = {"class_names": ["a", "b"], "frame": {"size": [3, 5]}, "seed": 0, "region_rule": "half"}


def record(k: int) -> dict:
    heatmap = np.random.default_rng(k).normal(size=(2, 3)).astype(np.float32)
    return {
        "sample_id": f"id{k}",
        "position": k,
        "image": f"{k}.png",
        "image_hash": "ff",
        "split": "",
        "group": "",
        "label": "a",
        "label_index": 0,
        "height": 30,
        "width": 50,
        "status": "ok",
        "error": "",
        "annotation": "no_annotation",
        "probabilities": [0.25, 0.75],
        "metadata": json.dumps({"age": k, "note": None if k % 2 else "x"}),
    } | rows.encode_heatmap(heatmap)


def write(folder, order, part, **more):
    writer = RunWriter(folder, SETTINGS, **more)
    left = [record(k) for k in order if f"id{k}" not in writer.done]
    for start in range(0, len(left), part):
        writer.add(left[start : start + part])
    return writer


def test_a_run_reads_back_with_pandas_alone(tmp_path):
    run = write(tmp_path / "r", range(5), 2).finish()
    table = pd.read_parquet(tmp_path / "r" / "records.parquet")
    assert list(table["sample_id"]) == [f"id{k}" for k in range(5)]
    assert table["meta_age"].tolist() == list(range(5))
    assert table["meta_note"].isna().tolist() == [False, True, False, True, False]
    assert np.array_equal(run.probabilities(), np.tile(np.float32([0.25, 0.75]), (5, 1)))
    assert run.verify() == [] and len(run) == 5
    assert {row["sample_id"] for row in run.maps()} == set(table["sample_id"])


def test_content_does_not_depend_on_order_or_part_size(tmp_path):
    runs = [
        write(tmp_path / name, order, part).finish()
        for name, order, part in [("a", range(9), 9), ("b", [4, 8, 0, 2, 1, 3, 7, 6, 5], 2), ("c", range(9), 1)]
    ]
    assert len({run.manifest["content_digest"] for run in runs}) == 1
    frames = [run.records() for run in runs]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frame, frames[0])


def test_changed_content_changes_the_digest(tmp_path):
    run = write(tmp_path / "a", range(3), 3).finish()
    other = RunWriter(tmp_path / "b", SETTINGS)
    other.add([record(0), record(1), record(2) | {"probabilities": [0.25000003, 0.75]}])
    assert other.finish().manifest["content_digest"] != run.manifest["content_digest"]


def test_a_damaged_part_counts_as_absent_and_is_done_again(tmp_path):
    whole = write(tmp_path / "whole", range(6), 2).finish()
    write(tmp_path / "cut", range(4), 2)
    part = sorted((tmp_path / "cut" / "parts").glob("*.parquet"))[0]
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    (tmp_path / "cut" / "parts" / ".00009-x.parquet.1.tmp").write_bytes(b"torn")
    resumed = write(tmp_path / "cut", range(6), 2, resume=True).finish()
    assert resumed.manifest["content_digest"] == whole.manifest["content_digest"]
    assert not list((tmp_path / "cut").rglob("*.tmp"))


def test_verify_finds_a_flipped_bit_anywhere(tmp_path):
    run = write(tmp_path / "r", range(4), 2).finish()
    for file in [tmp_path / "r" / "records.parquet", *(tmp_path / "r" / "parts").glob("*.parquet")]:
        original = file.read_bytes()
        flipped = bytearray(original)
        flipped[len(flipped) // 3] ^= 4
        file.write_bytes(flipped)
        assert [file.name in line for line in run.verify()] == [True]
        file.write_bytes(original)
    assert run.verify() == []


def test_a_flipped_bit_is_refused_and_gives_no_other_figure(tmp_path):
    run = write(tmp_path / "r", range(4), 2).finish()
    reads = {"records.parquet": lambda: open_run(run.folder).records()}
    reads |= {entry["file"]: lambda: list(open_run(run.folder).maps()) for entry in run.manifest["parts"]}
    for name, read in reads.items():
        file = run.folder / name
        original = file.read_bytes()
        assert len(read()) == 4
        for place in range(8, len(original), 97):
            flipped = bytearray(original)
            flipped[place] ^= 4
            file.write_bytes(flipped)
            with pytest.raises(BadInput, match=r"expected the bytes that run.json names.*--resume"):
                read()
        file.write_bytes(original)


def test_refusals_are_one_line_and_name_what_differs(tmp_path):
    write(tmp_path / "r", range(2), 2)
    with pytest.raises(BadInput, match="--resume"):
        RunWriter(tmp_path / "r", SETTINGS)
    with pytest.raises(BadInput, match="seed: 0 there, 7 asked"):
        RunWriter(tmp_path / "r", SETTINGS | {"seed": 7}, resume=True)
    with pytest.raises(BadInput, match="cut off"):
        open_run(tmp_path / "r")
    with pytest.raises(BadInput, match="no such folder"):
        open_run(tmp_path / "nowhere")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").write_text("mine")
    with pytest.raises(BadInput, match="other files"):
        RunWriter(tmp_path / "other", SETTINGS)
    assert (tmp_path / "other" / "thesis.doc").exists()
    write(tmp_path / "both" / "x", range(1), 1).finish()
    with pytest.raises(BadInput, match="both/x"):
        open_run(tmp_path / "both")
    with pytest.raises(BadInput, match="id9"):
        Run(tmp_path / "both" / "x").map_of("id9")
    manifest = tmp_path / "both" / "x" / "run.json"
    for names in ('"ab"', "[]", "[1, 2]", "null"):
        told = json.loads(manifest.read_text())
        told["settings"]["class_names"] = json.loads(names)
        manifest.write_text(json.dumps(told))
        with pytest.raises(BadInput, match="a damaged run.json"):
            open_run(tmp_path / "both" / "x")


@given(st.integers(1, 9), st.integers(1, 7), st.floats(-30, 30), st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_heatmaps_keep_eleven_bits(height, width, exponent, seed):
    heatmap = (np.random.default_rng(seed).normal(size=(height, width)) * 10.0**exponent).astype(np.float32)
    row = {"segments": None} | rows.encode_heatmap(heatmap)
    back = rows.decode_heatmap(row, (40, 40))
    scale = np.abs(heatmap).max()
    assert np.abs(back - heatmap).max() <= scale * 2.0**-11
    assert rows.encode_heatmap(back)["heatmap"] == row["heatmap"]


def test_a_zero_map_stays_zero():
    row = {"segments": None} | rows.encode_heatmap(np.zeros((2, 4), np.float32))
    assert row["heatmap_scale"] == 0 and not rows.decode_heatmap(row, (2, 4)).any()


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 400), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_segments_and_regions_come_back(height, width, most, seed):
    rng = np.random.default_rng(seed)
    segments = rng.integers(0, most + 1, (height, width))
    coefficients = rng.normal(size=segments.max() + 1)
    row = rows.encode_segments(segments, coefficients, 0.5)
    assert np.array_equal(rows.decode_segments(row, (height, width)), segments)
    painted = rows.decode_heatmap(row, (height, width))
    assert np.array_equal(painted, coefficients.astype(np.float32)[segments])
    region = rng.random((height, width)) < 0.5
    assert np.array_equal(rows.decode_region(rows.encode_region(region), (height, width)), region)


def test_digest_reads_in_batches(tmp_path):
    """More rows than one batch of the reader: the digest covers the later ones too."""
    first = write(tmp_path / "a", range(130), 130).finish()
    files = [tmp_path / "a" / part["file"] for part in first.manifest["parts"]]
    assert content_digest(files) == first.manifest["content_digest"]
    assert write(tmp_path / "b", range(129), 129).finish().manifest["content_digest"] != content_digest(files)

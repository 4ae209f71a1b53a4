"""Cases: image, heat, frame and outlines lie on each other, and the facts say what the run says."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from review_fixtures import (
    FRAMES,
    PAD,
    SIZES,
    SQUASH,
    agreement,
    drawn,
    failed,
    lime,
    make_run,
    picture,
    record,
    write_run,
)

from xai_core.datasets import read_image
from xai_core.errors import BadInput
from xai_core.review.case import case_of
from xai_core.review.tiles import scale_of
from xai_core.runs import Run, rows
from xai_core.runs.scoring import regions_of
from xai_core.runs.summary import table_of


def bytes_of(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def image_of(viewer: dict) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(bytes_of(viewer["image"]))).convert("RGB"))


def values_of(heat: dict) -> np.ndarray:
    numbers = np.frombuffer(base64.b64decode(heat["data"]), "<i2").reshape(heat["height"], heat["width"])
    return numbers / 32767 * heat["scale"]


@pytest.fixture
def run(tmp_path) -> Run:
    return make_run(tmp_path)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.fit)
@pytest.mark.parametrize("k", [0, 1, 2])
def test_heat_frame_and_outlines_lie_where_the_placement_puts_them(tmp_path, frame, k):
    run = make_run(tmp_path, 3, frame)
    sample_id, (height, width) = f"id{k:03d}", SIZES[k]
    viewer = case_of(run, sample_id).viewer
    (panel,) = viewer["panels"]
    assert (viewer["height"], viewer["width"]) == (height, width) and viewer["note"] == ""
    row, placement = run.map_of(sample_id), frame.place((height, width))
    # ramps in frame coordinates, brought to the original by the placement: what the rectangle must say as well
    for axis, (start, length) in enumerate([("y", "height"), ("x", "width")]):
        ramp = np.mgrid[0 : frame.size[0], 0 : frame.size[1]][axis]
        moved = placement.heatmap_on_original(ramp.astype(np.float32))
        pixels = np.mgrid[0:height, 0:width][axis] + 0.5
        said = (pixels - panel["frame"][start]) / panel["frame"][length] * frame.size[axis] - 0.5
        inside = (said > 0) & (said < frame.size[axis] - 1) & ~np.isnan(moved)
        assert inside.mean() > 0.3 and np.abs(said - moved)[inside].max() < 0.03
    truth = rows.decode_region(row["region"], frame.size)
    region = regions_of(run, [row], "half")[0]
    for path, mask in [(viewer["truth"], truth), (panel["explanation"], region)]:
        exact = np.kron(placement.mask_on_original(mask), np.ones((4, 4))) > 0
        assert agreement(drawn(path, (height, width), 4), exact) > 0.92


def test_heat_is_the_stored_map(run):
    (panel,) = case_of(run, "id004").viewer["panels"]
    stored = rows.decode_heatmap(run.map_of("id004"), SQUASH.size)
    assert (panel["heat"]["height"], panel["heat"]["width"]) == stored.shape == (6, 8)
    assert np.abs(values_of(panel["heat"]) - stored).max() <= np.abs(stored).max() / 32767
    assert panel["smooth"] and not panel["signed"]
    assert panel["note"].startswith("Grad-CAM for malignant, p 0.")


def test_a_map_of_segments_is_not_smoothed_and_a_map_of_zeros_is_a_map(tmp_path, run):
    records = [record(0, SIZES[0], SQUASH) | lime(0, SQUASH)]
    other = write_run(tmp_path / "l", tmp_path / "data", records, method="lime", region_rule="top_segments:5")
    blank = [record(0, SIZES[0], SQUASH, **rows.encode_heatmap(np.zeros((6, 8), np.float32)))]
    zeros = write_run(tmp_path / "z", tmp_path / "data", blank, method="edge_map", classifier_digest="c2")
    panels = case_of(run, "id000", beside=[other, zeros], rule="half").viewer["panels"]
    assert len(panels) == 3 and len({panel["key"] for panel in panels}) == 3
    row = other.map_of("id000")
    exact = np.array(row["coefficients"])[rows.decode_segments(row, SQUASH.size)]
    assert np.abs(values_of(panels[1]["heat"]) - exact).max() <= np.abs(exact).max() / 32767
    assert (panels[1]["smooth"], panels[1]["signed"]) == (False, True)
    assert panels[1]["note"].endswith(", stability 0.50") and "stability" not in panels[0]["note"]
    assert panels[2]["heat"]["scale"] == 0 and panels[2]["limit"] > 0 and panels[2]["explanation"] == ""
    assert not values_of(panels[2]["heat"]).any() and "the same for every class" in panels[2]["note"]
    json.dumps(panels, allow_nan=False)


def test_one_colour_scale_for_the_targets_of_one_explainer_and_classifier(tmp_path, run):
    def again(name, factor, **more):
        records = [
            record(k, SIZES[k % 3], SQUASH, target="benign", target_index=0, classifier_digest=name)
            | rows.encode_heatmap(np.full((6, 8), factor, np.float32) + np.eye(6, 8, dtype=np.float32))
            for k in range(6)
        ]
        return write_run(tmp_path / name, tmp_path / "data", records, **more)

    stronger, other = again("a", 50.0), again("b", 900.0, classifier_digest="c2")
    panels = case_of(run, "id001", beside=[stronger, other]).viewer["panels"]
    assert [panel["limit"] for panel in panels] == [scale_of(stronger), scale_of(stronger), scale_of(other)]
    assert scale_of(stronger) > scale_of(run)
    assert f"{scale_of(other):.3g}" in panels[2]["unit"]


def test_what_says_the_same_or_knows_no_such_sample_is_left_out(tmp_path, run):
    records = [record(k, SIZES[k % 3], SQUASH) for k in range(2)]
    twin = write_run(tmp_path / "twin", tmp_path / "data", records, target="predicted")
    assert len(case_of(run, "id001", beside=[run, twin]).viewer["panels"]) == 1
    fewer = write_run(tmp_path / "fewer", tmp_path / "data", [record(0, SIZES[0], SQUASH)], seed=1)
    assert len(case_of(run, "id000", beside=[fewer]).viewer["panels"]) == 2
    assert len(case_of(run, "id001", beside=[fewer]).viewer["panels"]) == 1
    with pytest.raises(BadInput, match="'nobody'"):
        case_of(run, "nobody", beside=[fewer])


def saved(name: str) -> dict:
    """Return how a picture is saved that a browser would not show as it is read."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"turned.jpg": {"exif": exif}}.get(name, {})


@pytest.mark.parametrize(
    ("name", "mode", "kind", "own"),
    [
        ("plain.jpg", "RGB", "jpeg", True),
        ("plain.png", "RGB", "png", True),
        ("grey.png", "L", "png", True),
        ("turned.jpg", "RGB", "jpeg", False),
        ("alpha.png", "RGBA", "jpeg", False),
        ("palette.png", "P", "jpeg", False),
        ("plain.webp", "RGB", "jpeg", False),
    ],
)
def test_the_picture_is_what_read_image_gives(tmp_path, name, mode, kind, own):
    data = tmp_path / "data"
    data.mkdir()
    image = Image.fromarray(picture((90, 150)))
    (image.quantize(200) if mode == "P" else image.convert(mode)).save(data / name, **saved(name))
    size = read_image(data / name).shape[:2]
    run = write_run(tmp_path / "run", data, [record(0, size, SQUASH, image=name)])
    viewer = case_of(run, "id000").viewer
    assert viewer["image"].startswith(f"data:image/{kind};base64,")
    assert (bytes_of(viewer["image"]) == (data / name).read_bytes()) == own
    assert np.abs(image_of(viewer).astype(float) - read_image(data / name)).mean() < 3
    assert (viewer["height"], viewer["width"]) == size


def test_a_very_large_picture_is_shown_smaller_with_all_that_lies_on_it(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    Image.fromarray(picture((300, 8192))).save(data / "long.png")
    run = write_run(tmp_path / "run", data, [record(0, (300, 8192), PAD, image="long.png")], PAD)
    viewer = case_of(run, "id000").viewer
    assert (viewer["width"], viewer["height"]) == (4096, 150) == image_of(viewer).shape[1::-1]
    assert "8192 x 300" in viewer["note"]
    frame = viewer["panels"][0]["frame"]
    assert (frame["x"], frame["width"]) == (0, 4096)
    assert (frame["height"], frame["y"]) == pytest.approx((4096 * 48 / 64, -(4096 * 48 / 64 - 150) / 2))
    places = [float(number) for number in viewer["truth"].strip("MZ").replace("ZM", " ").replace(",", " ").split()]
    assert max(places[::2]) <= 4096 and max(places[1::2]) == 150 and max(places[::2]) > 3000


def test_records_that_failed_and_pictures_that_are_gone(tmp_path, run):
    records = [
        failed(0, image="broken.png"),
        failed(1, image="id001.png"),
        *(record(k, SIZES[k], SQUASH) for k in (2,)),
    ]
    (tmp_path / "data" / "broken.png").write_bytes(b"no picture")
    other = write_run(tmp_path / "failed", tmp_path / "data", records)
    broken, readable = case_of(other, "id000"), case_of(other, "id001", beside=[run])
    assert broken.viewer["panels"] == readable.viewer["panels"] == []
    assert broken.facts["error"] == "it is no picture" and broken.facts["confidences"] == []
    assert "broken.png" in broken.viewer["note"] and readable.viewer["note"] == ""
    assert broken.viewer["lost"] and not readable.viewer["lost"]
    assert np.array_equal(image_of(readable.viewer), read_image(tmp_path / "data" / "id001.png"))
    assert image_of(broken.viewer).shape[:2] == (broken.viewer["height"], broken.viewer["width"])
    (tmp_path / "data" / "id002.png").unlink()
    gone = case_of(other, "id002").viewer
    assert image_of(gone).shape[:2] == SIZES[2] and gone["panels"][0]["explanation"] and gone["truth"]
    json.dumps([broken.facts, readable.facts, broken.viewer], allow_nan=False)


def test_facts_are_those_of_the_run(run):
    table = table_of(run)
    facts = json.loads(json.dumps(case_of(run, "id003").facts, allow_nan=False))
    row = table.iloc[3]
    for name, score in facts["scores"].items():
        assert score["value"] == pytest.approx(row[name]) and score["undefined"] == ""
        for level in ("random", "centre", "other"):
            assert score["chance"][level] == pytest.approx(row[f"chance_{level}_{name}"])
            assert score["excess"][level] == pytest.approx(row[name] - row[f"chance_{level}_{name}"])
    assert facts["pattern"] == row["pattern"] and facts["called"] == row["called"]
    assert facts["metadata"] == {"age": 33, "sex": "male"} and facts["stability"] is None
    assert facts["provenance"]["versions"] == {"numpy": "2"} and facts["provenance"]["region_rule"] == "half"
    assert case_of(run, "id000").facts["metadata"]["sex"] == "not stated"
    other = case_of(run, "id003", rule="top_share:0.2").facts
    assert other["provenance"]["region_rule"] == "top_share:0.2" and other["explanation_area"] == pytest.approx(
        0.2, abs=0.01
    )


def test_what_is_undefined_says_why(tmp_path, run):
    records = [
        record(0, SIZES[0], SQUASH, region=None, annotation="no_annotation", annotation_area=None),
        record(1, SIZES[1], SQUASH, **rows.encode_heatmap(np.zeros((6, 8), np.float32))),
    ]
    other = write_run(tmp_path / "undefined", tmp_path / "data", records)
    bare, blank = case_of(other, "id000"), case_of(other, "id001")
    assert {s["undefined"] for s in bare.facts["scores"].values()} == {"nobody drew an outline for this image"}
    assert bare.viewer["truth"] == "" and bare.facts["annotation_area"] is None
    scores = blank.facts["scores"]
    assert "nothing spoke for the target" in scores["explanation_coverage"]["undefined"]
    assert (
        scores["explanation_coverage"]["value"] is None and scores["explanation_coverage"]["excess"]["random"] is None
    )
    assert scores["iou"]["value"] == 0 and scores["iou"]["undefined"] == ""


def test_ten_classes_at_most_with_those_that_play_a_part(tmp_path):
    names = [f"class {k}" for k in range(30)]
    probabilities = (np.arange(30) ** 2 / (np.arange(30) ** 2).sum()).tolist()
    data = tmp_path / "data"
    data.mkdir()
    Image.fromarray(picture((90, 150))).save(data / "id000.png")
    many = {
        "probabilities": probabilities,
        "predicted": "class 29",
        "predicted_index": 29,
        "confidence": probabilities[29],
    }
    labelled = {"label": "class 1", "label_index": 1, "target": "class 2", "target_index": 2}
    rows_ = [record(0, (90, 150), SQUASH, **many, **labelled)]
    run = write_run(tmp_path / "run", data, rows_, class_names=names, positive=None, bands="quantile", threshold=None)
    facts = case_of(run, "id000").facts
    shown = facts["confidences"]
    assert [c["name"] for c in shown] == [f"class {k}" for k in (29, 28, 27, 26, 25, 24, 23, 22, 2, 1)]
    assert [c["name"] for c in shown if c["label"]] == ["class 1"] and [c["name"] for c in shown if c["target"]] == [
        "class 2"
    ]
    assert shown[0]["predicted"] and shown[0]["called"] and facts["classes"] == 30
    assert [c["probability"] for c in shown] == pytest.approx(sorted((c["probability"] for c in shown), reverse=True))


def test_with_a_table_at_hand_no_whole_table_is_read(run, monkeypatch):
    table, expected = table_of(run), case_of(run, "id002", beside=[run])
    monkeypatch.delattr(pd, "read_parquet")
    assert case_of(run, "id002", beside=[run], table=table) == expected

"""Small runs with pictures on disk and regions in known places, made without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from xai_core.geometry import Frame
from xai_core.runs import Run, rows
from xai_core.runs.store import RunWriter

CLASSES = ("benign", "malignant")
CROP = Frame((48, 64), "crop", 64)
SQUASH = Frame((48, 64), "squash", 0)
PAD = Frame((48, 64), "pad_mean", 0)
FRAMES = [CROP, SQUASH, PAD]
# chosen so that a frame pads them as it pads pictures four times as large: a whole pixel on each side
SIZES = [(90, 150), (150, 70), (291, 500)]


def picture(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Return an (H, W, 3) uint8 image with a red mark off its centre."""
    height, width = size
    image = cv2.resize(np.random.default_rng(seed).integers(90, 160, (4, 5, 3)).astype(np.uint8), (width, height))
    image[height // 8 : height // 3, width // 2 : width * 4 // 5] = (230, 20, 20)
    return image


def blob(size: tuple[int, int], y: float, x: float, ry: float, rx: float) -> np.ndarray:
    """Return an (h, w) bool ellipse; all numbers are shares of the size."""
    yy, xx = np.mgrid[0 : size[0], 0 : size[1]]
    return ((yy + 0.5) / size[0] - y) ** 2 / ry**2 + ((xx + 0.5) / size[1] - x) ** 2 / rx**2 < 1


def record(k: int, size: tuple[int, int], frame: Frame, **more) -> dict:
    """Return a row of a part: a heatmap of 6 x 8, and a region, both different for each `k`."""
    rng = np.random.default_rng(k)
    probabilities = rng.dirichlet(np.ones(2)).astype(np.float32)
    heatmap = rng.normal(size=(6, 8)).astype(np.float32) * (k + 1)
    region = blob(frame.size, 0.3 + 0.05 * (k % 5), 0.7, 0.25, 0.2)
    return {
        "sample_id": f"id{k:03d}",
        "position": k,
        "image": f"id{k:03d}.png",
        "image_hash": "",
        "split": "test",
        "group": "",
        "label": CLASSES[k % 2],
        "label_index": k % 2,
        "height": size[0],
        "width": size[1],
        "status": "ok",
        "error": "",
        "annotation": "",
        "annotation_area": 0.1,
        "annotation_kept": 1.0,
        "region_area": float(region.mean()),
        "region": rows.encode_region(region),
        "probabilities": probabilities.tolist(),
        "predicted": CLASSES[int(probabilities.argmax())],
        "predicted_index": int(probabilities.argmax()),
        "confidence": float(probabilities.max()),
        "target": "malignant",
        "target_index": 1,
        "target_probability": float(probabilities[1]),
        "method": "grad_cam",
        "parameters": "{}",
        "layer": "layer4",
        "seed": 0,
        "classifier_digest": "c1",
        "versions": '{"numpy": "2"}',
        "metadata": json.dumps({"age": 30 + k, "sex": None if k == 0 else "male"}),
        **rows.encode_heatmap(heatmap),
        **more,
    }


def lime(k: int, frame: Frame) -> dict:
    """Return the map columns of a LIME row: a checkerboard of twelve segments."""
    yy, xx = np.mgrid[0 : frame.size[0], 0 : frame.size[1]]
    segments = yy * 3 // frame.size[0] * 4 + xx * 4 // frame.size[1]
    coefficients = np.random.default_rng(k).normal(size=12)
    blank = {"heatmap": None, "heatmap_height": None, "heatmap_width": None, "heatmap_scale": None}
    return blank | {"method": "lime", "stability": 0.5} | rows.encode_segments(segments, coefficients, 0.1)


def failed(k: int, **more) -> dict:
    """Return a row of an image that could not be read."""
    row = record(k, (0, 0), SQUASH)
    answer = ("probabilities", "predicted", "confidence", "target", "target_probability", *rows.MAP_COLUMNS)
    no_index = {"predicted_index": -1, "target_index": -1}
    return row | dict.fromkeys(answer) | no_index | {"status": "error", "error": "it is no picture"} | more


def write_run(folder: Path, root: Path, records: list[dict], frame: Frame = SQUASH, part: int = 4, **more) -> Run:
    """Return a run of these rows, whose parts are not in data set order."""
    settings = {
        "dataset": "table:x",
        "dataset_root": str(Path(*[".."] * len(folder.parts), *root.parts[1:])),
        "class_names": list(CLASSES),
        "positive": "malignant",
        "bands": "lesions",
        "clinical": False,
        "synthetic": True,
        "classifier": "models/x",
        "classifier_digest": "c1",
        "frame": frame.as_dict(),
        "method": "grad_cam",
        "parameters": {},
        "layer": "layer4",
        "target": "malignant",
        "threshold": 0.5,
        "region_rule": "half",
        "seed": 0,
        "precision": "float32",
        "device": "cpu",
        "versions": {},
    }
    writer = RunWriter(folder, settings | more)
    backwards = records[::-1]
    for start in range(0, len(records), part):
        writer.add(backwards[start : start + part])
    return writer.finish()


def make_run(tmp_path: Path, n: int = 6, frame: Frame = SQUASH, name: str = "run", **more) -> Run:
    """Return a run of `n` records over pictures of several shapes, which are written too."""
    root = tmp_path / "data"
    root.mkdir(exist_ok=True)
    records = []
    for k in range(n):
        size = SIZES[k % 3]
        records.append(record(k, size, frame))
        Image.fromarray(picture(size, k)).save(root / f"id{k:03d}.png")
    return write_run(tmp_path / name, root, records, frame, **more)


def drawn(path: str, size: tuple[int, int], zoom: int = 4) -> np.ndarray:
    """Return the inside of an SVG path of `size` (height, width), by the even-odd rule, `zoom` times as fine."""
    fine = 4 * zoom
    canvas = np.zeros((size[0] * fine, size[1] * fine), np.uint8)
    polygons = [np.array(re.findall(r"-?[\d.]+", sub), float).reshape(-1, 2) for sub in path.split("Z")[:-1]]
    # OpenCV's pixel k has its middle at k; a path's at k + 0.5
    cv2.fillPoly(canvas, [np.round((p * fine - 0.5) * 256).astype(np.int32) for p in polygons], 1, shift=8)
    # OpenCV fills the border as well: half a pixel too much on the fine canvas, an eighth on what is returned
    return canvas[2::4, 2::4].astype(bool)


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Return the intersection over union of two masks."""
    return float((a & b).sum() / max((a | b).sum(), 1))

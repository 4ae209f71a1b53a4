"""The columns of a part, and how arrays go into them and come back (SPEC.md)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT = "string"
RECORD_COLUMNS = {
    "sample_id": _TEXT,
    "position": "int32",
    "image": _TEXT,
    "image_hash": _TEXT,
    "split": _TEXT,
    "group": _TEXT,
    "label": _TEXT,
    "label_index": "int32",
    "height": "int32",
    "width": "int32",
    "status": _TEXT,
    "error": _TEXT,
    "annotation": _TEXT,
    "annotation_area": "float64",
    "annotation_kept": "float64",
    "region_area": "float64",
    "probabilities": "list<float32>",
    "predicted": _TEXT,
    "predicted_index": "int32",
    "confidence": "float32",
    "target": _TEXT,
    "target_index": "int32",
    "target_probability": "float32",
    "stability": "float64",
    "method": _TEXT,
    "parameters": _TEXT,
    "layer": _TEXT,
    "seed": "int64",
    "classifier_digest": _TEXT,
    "versions": _TEXT,
    "metadata": _TEXT,
}
MAP_COLUMNS = {
    "heatmap": "binary",
    "heatmap_height": "int32",
    "heatmap_width": "int32",
    "heatmap_scale": "float32",
    "segments": "binary",
    "segments_dtype": _TEXT,
    "coefficients": "list<float64>",
    "intercept": "float64",
    "region": "binary",
}


@cache
def schema() -> pa.Schema:
    """Return the Arrow schema of a part: record columns, then map columns."""
    import pyarrow as pa

    kinds = {
        _TEXT: pa.string(),
        "list<float32>": pa.list_(pa.float32()),
        "list<float64>": pa.list_(pa.float64()),
    }
    columns = RECORD_COLUMNS | MAP_COLUMNS
    return pa.schema([(name, kinds.get(kind) or pa.type_for_alias(kind)) for name, kind in columns.items()])


def encode_heatmap(heatmap: np.ndarray) -> dict:
    """Return the four heatmap columns of one (h, w) float32 map: float16 of map / scale, and the scale."""
    scale = np.float32(np.abs(heatmap).max(initial=0.0))
    scaled = np.zeros(heatmap.shape, "<f2") if scale == 0 else (heatmap / scale).astype("<f2")
    return {
        "heatmap": scaled.tobytes(),
        "heatmap_height": heatmap.shape[0],
        "heatmap_width": heatmap.shape[1],
        "heatmap_scale": float(scale),
    }


def encode_segments(segments: np.ndarray, coefficients: np.ndarray, intercept: float) -> dict:
    """Return the LIME columns of one record: (h, w) int segments, (S,) float64 coefficients, the intercept."""
    dtype = np.dtype(np.uint8 if segments.max() < 256 else np.uint16)
    return {
        "segments": segments.astype(dtype.newbyteorder("<")).tobytes(),
        "segments_dtype": dtype.name,
        "coefficients": coefficients.tolist(),
        "intercept": float(intercept),
    }


def encode_region(region: np.ndarray | None) -> bytes | None:
    """Return a (h, w) bool region as packed bits, or None for none."""
    return None if region is None else np.packbits(region).tobytes()


def decode_region(packed: bytes, size: tuple[int, int]) -> np.ndarray:
    """Return the (h, w) bool region that `encode_region` packed."""
    height, width = size
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=height * width)
    return bits.reshape(height, width).astype(bool)


def decode_segments(row: dict, size: tuple[int, int]) -> np.ndarray:
    """Return the (h, w) int64 segments of a row."""
    dtype = np.dtype(row["segments_dtype"]).newbyteorder("<")
    return np.frombuffer(row["segments"], dtype).reshape(size).astype(np.int64)


def decode_heatmap(row: dict, size: tuple[int, int]) -> np.ndarray:
    """Return a row's heatmap, (h, w) float32 at the explainer's own resolution; LIME's at the frame's `size`."""
    if row["segments"] is not None:
        coefficients = np.asarray(row["coefficients"], np.float64)
        return coefficients[decode_segments(row, size)].astype(np.float32)
    shape = (row["heatmap_height"], row["heatmap_width"])
    values = np.frombuffer(row["heatmap"], "<f2").reshape(shape).astype(np.float32)
    return values * np.float32(row["heatmap_scale"])

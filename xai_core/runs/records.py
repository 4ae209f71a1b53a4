"""One sample's row in a run: what is known of the sample, and what the explainer answered (SPEC.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.runs import rows
from xai_core.runs.prepare import Prepared

if TYPE_CHECKING:
    from xai_core.explainers import Explanation


def of_sample(prepared: Prepared, position: int, root: Path, label: int, class_names: Sequence[str]) -> dict:
    """Return the columns that need no classifier; `label` is an index into `class_names`, -1 for none."""
    sample, region = prepared.sample, prepared.region
    return {
        "sample_id": sample.id,
        "position": position,
        "image": sample.image.relative_to(root).as_posix(),
        "image_hash": prepared.image_hash,
        "split": sample.split,
        "group": sample.group or "",
        "label": None if label < 0 else class_names[label],
        "label_index": label,
        "height": prepared.size[0],
        "width": prepared.size[1],
        "annotation": prepared.annotation,
        "annotation_area": prepared.annotation_area,
        "annotation_kept": prepared.annotation_kept,
        "region_area": None if region is None else float(region.mean()),
        "region": rows.encode_region(region),
        "predicted_index": -1,
        "target_index": -1,
        "metadata": json.dumps(dict(sample.metadata), sort_keys=True, ensure_ascii=False),
    }


def of_explanation(explanation: Explanation, place: int, class_names: Sequence[str]) -> dict:
    """Return the probability, target and map columns of the image at `place` of an explained batch."""
    probabilities = explanation.probabilities[place].cpu().numpy().astype(np.float32)
    predicted, target = int(probabilities.argmax()), int(explanation.targets[place])
    answer = {
        "probabilities": probabilities.tolist(),
        "predicted": class_names[predicted],
        "predicted_index": predicted,
        "confidence": float(probabilities[predicted]),
        "target": class_names[target],
        "target_index": target,
        "target_probability": float(probabilities[target]),
    }
    if explanation.coefficients is None:
        return answer | rows.encode_heatmap(explanation.heatmaps[place].cpu().numpy())
    segments = explanation.segments[place].cpu().numpy()
    coefficients = explanation.coefficients[place, : segments.max() + 1].cpu().numpy()
    return (
        answer
        | {"stability": float(explanation.stability[place])}
        | rows.encode_segments(segments, coefficients, float(explanation.intercepts[place]))
    )

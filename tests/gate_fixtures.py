"""Runs whose calls and explanations are planted, a review set over them, and what probing would have stored."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from review_fixtures import CLASSES, SQUASH, record, write_run

from xai_core.files import sealed, write_json
from xai_core.release import review_set, trust
from xai_core.release.policy import Policy
from xai_core.release.review_set import ReviewSet
from xai_core.runs import Run, rows

N = 48
ON, OFF, EMPTY = "on", "off", "empty"
POLICY = {
    "name": "Test",
    "metric": [{"metric": "auc", "floor": 0.8}],
    "explanation": [{"score": "explanation_coverage", "floor": 0.1}],
    "randomisation_check": "ignored",
    "sha256": "0" * 64,
}


def policy(**changes) -> Policy:
    """Return a policy that `planted` runs pass: AUC 0.8 and a mean excess of 0.1, by the bound."""
    return Policy(**POLICY | changes)


def area_of(k: int) -> float:
    """Return which share of the frame the region of record k takes: a quarter or a half, from the left."""
    return (0.25, 0.5)[k // 2 % 2]


def row(k: int, look: str, chance: float, **more) -> dict:
    """Return a record whose explanation lies inside the region, off it, or is empty; called malignant by `chance`."""
    region = np.zeros(SQUASH.size, bool)
    region[:, : round(SQUASH.size[1] * area_of(k))] = True
    heatmap = np.zeros((6, 8), np.float32)
    if look != EMPTY:
        heatmap[3, 0 if look == ON else 6] = 1
    called = int(chance >= 0.5)
    answer = {
        "probabilities": [1 - chance, chance],
        "predicted": CLASSES[called],
        "predicted_index": called,
        "confidence": max(chance, 1 - chance),
        "image_hash": f"hash{k}",
        "annotation_area": area_of(k),
        "region_area": area_of(k),
        "region": rows.encode_region(region),
    }
    return record(k, (90, 150), SQUASH) | answer | rows.encode_heatmap(heatmap) | more


def chances(right: bool, seed: int = 0, n: int = N) -> np.ndarray:
    """Return probabilities of malignant: nearly in the order of the labels, or without any relation to them."""
    rng = np.random.default_rng(seed)
    return np.clip(np.arange(n) % 2 * 0.6 * right + rng.uniform(0.02, 0.38 + 0.6 * (not right), n), 0, 1)


def planted(folder: Path, looks: str | Iterable[str] = ON, right: bool = True, seed: int = 0, **settings) -> Run:
    """Return a run of N records, class k % 2; every record looks as told, alone or all alike."""
    looks = [looks] * N if isinstance(looks, str) else list(looks)
    probabilities = chances(right, seed)
    records = [row(k, look, float(probabilities[k])) for k, look in enumerate(looks)]
    return write_run(folder, folder.parent / "data", records, split="test", **settings)


def items_of(tmp_path: Path) -> ReviewSet:
    """Return a review set with items of every stratum, whose reference runs are none of those that are judged."""
    references = [planted(tmp_path / f"reference{seed}", right=seed == 0, seed=seed) for seed in (0, 5)]
    return review_set.choose(references, per_cell=4)


def probed(run: Run, passed: bool | None) -> Run:
    """Return the run after storing a randomisation check beside it."""
    last = {"layer": "all", "spearman": 0.1, "spearman_low": 0.0, "spearman_high": 0.2, "n": 10}
    finding = f"planted: {passed}"
    found = {
        "format": trust.FORMAT,
        "content_digest": run.manifest["content_digest"],
        "randomisation": {"layers": [last], "passed": passed, "rule": "planted", "finding": finding},
    }
    write_json(run.folder / trust.FILE, sealed(found))
    return run

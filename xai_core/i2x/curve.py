"""How well each number of prototypes fits, and which one the curve suggests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xai_core.i2x import prototypes as fitting
from xai_core.one_thread import one_thread

COUNTS = (4, 8, 16, 32, 64, 128)
POSITIONS, SAMPLES = 20_000, 4000  # places that a curve is made from, and images they are drawn from
SEEN = 3000  # places that the silhouette compares, each with each


@one_thread()
def curve(
    features: np.ndarray, dimensions: float, counts: Sequence[int] = COUNTS, *, method: str = "kmeans", seed: int = 0
) -> dict:
    """Return what a number of prototypes is chosen by, from (n, d) float32 features, which are centred in place.

    Returns
    -------
    dict
        ``rows`` [{``prototypes``, ``inertia``: mean squared distance to the nearest centre, as a share of the variance,
        ``silhouette``: -1 to 1, of a part of the places}], and ``suggested``: the count at which the inertia, over the
        logarithm of the count, lies farthest below the straight line from the first to the last.

    Raises
    ------
    BadInput
        Where there are fewer distinct features than the smallest count asks for.
    """
    from sklearn.metrics import silhouette_score

    _, components, _ = fitting.project(features, dimensions)
    projected = features @ components.T
    fitting.check_distinct(projected, min(counts))
    total = float((projected.astype(np.float64) ** 2).sum())
    part = np.random.default_rng(seed).permutation(len(projected))[:SEEN]
    rows = []
    for count in counts:
        if 2 * count > len(part):
            break
        found = fitting.clustered(projected, count, method, seed)
        labels = found.labels_[part]
        several = 1 < len(set(labels.tolist())) < len(part)
        silhouette = float(silhouette_score(projected[part], labels)) if several else 0.0
        rows.append({"prototypes": count, "inertia": float(found.inertia_) / total, "silhouette": silhouette})
    return {"rows": rows, "suggested": knee([(row["prototypes"], row["inertia"]) for row in rows])}


def knee(points: Sequence[tuple[int, float]]) -> int:
    """Return the count of the point farthest below the line from the first to the last, over the count's logarithm."""
    x = np.log([count for count, _ in points])
    y = np.array([inertia for _, inertia in points])
    if len(points) < 3:
        return int(points[-1][0])
    line = y[0] + (y[-1] - y[0]) * (x - x[0]) / (x[-1] - x[0])
    return int(points[int((line - y).argmax())][0])

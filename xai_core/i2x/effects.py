"""How a rise of a prototype's intensity moved the confidence in each class: ridge regression, its spread and its null.

For one step, x (N, K) are the changes of intensity and y (N, M) those of confidence; `Groups` are of y. An *effect*
(K, M) is confidence per unit of intensity. A *pull* is the effect of a usual change: effect x `usual_change`, in
confidence (0.1: ten points), comparable between prototypes, steps, classifiers and units of intensity.

With fewer groups than prototypes, as a rule, many effects fit the means equally well, and the ridge takes the smallest:
prototypes that rise together share what they did. A pull says that confidence moved *with* a prototype, not by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xai_core.i2x.changes import Groups
from xai_core.i2x.options import Options

CELLS = 4_000_000  # weights held at once: 32 MB
FACTORS = (0.1, 10.0)


@dataclass(frozen=True, eq=False)
class Fit:
    """What one step says in one unit of intensity.

    Attributes
    ----------
    effect, pull : (K, M) float64
        Rows sum to zero, for confidences sum to one.
    usual : (K,) float64
        The usual change of each prototype.
    drawn : (resamples, K, M) float32
        The pull in bootstrap resamples of the samples, groups as they are.
    stability : (K, M) float64
        Share of random halves, clustered anew, in which the effect has the same sign.
    sensitivity : dict
        {factor: share of the pulls of at least `tau` that keep their sign where lambda is so many times as large}.
    """

    effect: np.ndarray
    pull: np.ndarray
    usual: np.ndarray
    drawn: np.ndarray
    stability: np.ndarray
    sensitivity: dict[str, float | None]


def usual_change(x: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """Return (K,) float64: the root mean square change over the samples that carry each prototype; 0 for none."""
    squares = np.einsum("nk,nk,nk->k", x, x, carried, dtype=np.float64)
    return np.sqrt(squares / np.maximum(carried.sum(0), 1))


def ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Return (..., K, M): (x'x + penalty I)^-1 x'y of (..., c, K) and (..., c, M), without intercept.

    Where c < K the smaller system x'(xx' + penalty I)^-1 y is solved: the same by algebra.
    """
    turned = np.swapaxes(x, -1, -2)
    rows, columns = x.shape[-2:]
    if rows < columns:
        return turned @ np.linalg.solve(x @ turned + penalty * np.eye(rows), y)
    return np.linalg.solve(turned @ x + penalty * np.eye(columns), turned @ y)


def group_means(values: np.ndarray, groups: Groups, weights: np.ndarray | None = None) -> np.ndarray:
    """Return (c, D) float64 means of (N, D) values over each group, or (R, c, D) for (R, N) weights.

    A group that a resample missed altogether has the mean 0: it then says nothing in a ridge without intercept.
    """
    if weights is None:
        return group_means(values, groups, np.ones((1, len(values))))[0]
    means = np.zeros((len(weights), groups.count, values.shape[1]))
    for k in range(groups.count):
        inside = np.flatnonzero(groups.labels == k)
        of_group = weights[:, inside]
        means[:, k] = of_group @ values[inside] / np.maximum(of_group.sum(1), 1e-300)[:, None]
    return means


def effects(
    x: np.ndarray, y: np.ndarray, groups: Groups, usual: np.ndarray, options: Options, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the effects (K, M), or (R, K, M) for (R, N) weights.

    By `cluster_means`, one ridge from the mean changes of intensity of the groups to their mean changes of
    confidence, each group counting the same. By `within_groups`, a ridge over the samples of each group, averaged by
    size (or weight): the groups being chosen by how confidence changed, little of that is left within them, and
    effects are small. With the scale `usual_change` each column of x is divided by its usual change first, and the
    effect after.
    """
    unit = _unit(usual, options)
    rows = np.ones((1, len(x))) if weights is None else weights
    if options.reading == "cluster_means":
        found = ridge(group_means(x, groups, rows) / unit, group_means(y, groups, rows), options.ridge)
    else:
        found = np.stack([_within(x / unit, y, groups, row, options.ridge) for row in rows])
    found = found / unit[:, None]
    return found[0] if weights is None else found


def _unit(usual: np.ndarray, options: Options) -> np.ndarray:
    return np.where(usual > 0, usual, 1.0) if options.scale == "usual_change" else np.ones(len(usual))


def _within(x: np.ndarray, y: np.ndarray, groups: Groups, weights: np.ndarray, penalty: float) -> np.ndarray:
    total = np.zeros((x.shape[1], y.shape[1]))
    for k in range(groups.count):
        inside = np.flatnonzero(groups.labels == k)
        root = np.sqrt(weights[inside])[:, None]
        total += weights[inside].sum() * ridge(x[inside] * root, y[inside] * root, penalty)
    return total / max(weights[groups.labels >= 0].sum(), 1e-300)


def fit(
    x: np.ndarray,
    y: np.ndarray,
    carried: np.ndarray,
    groups: Groups,
    halves: Sequence[tuple[np.ndarray, Groups]],
    options: Options,
) -> Fit:
    """Return everything that one step says in one unit of intensity.

    Draws are seeded by the options and fall on positions: bring samples into one canonical order first. `halves` are
    those of `changes.halves`.
    """
    usual = usual_change(x, carried)
    effect = effects(x, y, groups, usual, options)
    return Fit(
        effect,
        effect * usual[:, None],
        usual,
        resampled(x, y, groups, usual, options),
        stability(x, y, carried, effect, halves, options),
        sensitivity(x, y, groups, usual, options),
    )


def resampled(x: np.ndarray, y: np.ndarray, groups: Groups, usual: np.ndarray, options: Options) -> np.ndarray:
    """Return (resamples, K, M) float32: the pull in resamples of the N samples with replacement, by weights."""
    generator, samples = np.random.default_rng([options.seed, 2]), len(x)
    rows, found = max(1, CELLS // samples), []
    for start in range(0, options.resamples, rows):
        count = min(rows, options.resamples - start)
        places = generator.integers(0, samples, (count, samples)) + samples * np.arange(count)[:, None]
        weights = np.bincount(places.ravel(), minlength=count * samples).reshape(count, samples).astype(float)
        found.append((effects(x, y, groups, usual, options, weights) * usual[:, None]).astype(np.float32))
    return np.concatenate(found)


def stability(
    x: np.ndarray,
    y: np.ndarray,
    carried: np.ndarray,
    effect: np.ndarray,
    halves: Sequence[tuple[np.ndarray, Groups]],
    options: Options,
) -> np.ndarray:
    """Return (K, M): the share of the halves, each grouped anew, that keep the effect's sign.

    A half in which no groups are found keeps none.
    """
    kept = np.zeros(effect.shape)
    for rows, groups in halves:
        if groups.count:
            usual = usual_change(x[rows], carried[rows])
            kept += np.sign(effects(x[rows], y[rows], groups, usual, options)) == np.sign(effect)
    return kept / max(len(halves), 1)


def sensitivity(x: np.ndarray, y: np.ndarray, groups: Groups, usual: np.ndarray, options: Options) -> dict:
    """Return {factor: share of pulls of at least `tau` that keep their sign at so many times lambda}."""
    pull = effects(x, y, groups, usual, options) * usual[:, None]
    counts = np.abs(pull) >= options.tau
    shares = {}
    for factor in FACTORS:
        other = effects(x, y, groups, usual, replace(options, ridge=options.ridge * factor))
        same = np.sign(other) == np.sign(pull)
        shares[f"{factor:g}"] = float(same[counts].mean()) if counts.any() else None
    return shares


def permuted(
    x: np.ndarray, y: np.ndarray, groups: Groups, usual: np.ndarray, options: Options, step: int
) -> np.ndarray:
    """Return (permutations, K, M) float32: the pull where samples are paired with the confidence change of another.

    The changes of intensity are dealt out anew over all samples of the step. What remains under this null is that
    intensities and confidences moved at all; what goes is that they moved in the same samples. Draws are seeded by the
    options and the `step`, so that both units of intensity see the same permutations.
    """
    generator = np.random.default_rng([options.seed, 4, step])
    orders = (generator.permutation(len(x)) for _ in range(options.permutations))
    if options.reading == "cluster_means":
        unit = _unit(usual, options)
        found = ridge(_dealt_means(x, groups, orders) / unit, group_means(y, groups), options.ridge) / unit[:, None]
    else:
        found = np.stack([effects(x[order], y, groups, usual, options) for order in orders])
    return (found * usual[:, None]).astype(np.float32)


def _dealt_means(x: np.ndarray, groups: Groups, orders: Iterable[np.ndarray]) -> np.ndarray:
    """Return (R, c, K): the means over groups of ``x[order]``, as products with the members of each group."""
    inside = groups.labels >= 0
    found = []
    for order in orders:
        members = np.zeros((groups.count, len(x)))
        members[groups.labels[inside], order[inside]] = 1.0
        found.append(members @ x)
    return np.stack(found) / groups.sizes[:, None]

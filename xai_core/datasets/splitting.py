"""Splits for data sets that come without: stratified by label, never parting what belongs together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from xai_core.datasets import fingerprints, near_duplicates
from xai_core.errors import BadInput, SampleError
from xai_core.types import DataSet, Sample


def with_validation(
    dataset: DataSet, *, share: float = 0.2, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> DataSet:
    """Return the data set with a validation split; unchanged where it has one, or where nothing can be carved.

    It is carved out of train. Where the source has no splits at all, test is carved as well, of the same share.
    Samples of one `group` stay together; where no sample has a group, near-duplicates do. The outcome depends on the
    samples and on `seed`, not on the samples' order.

    Parameters
    ----------
    dataset : DataSet
    share : float
        Of the samples, for each split that is carved: 1 / share, rounded, is the number of folds.
    seed : int
    progress : callable, optional
        Called with (done, total) images where near-duplicates have to be looked for.

    Raises
    ------
    BadInput
        Where there are fewer groups than folds.
    """
    have = dataset.count("split")
    source = "train" if "train" in have else ""
    if "validation" in have or source not in have:
        return dataset
    carved = ("validation",) if source or "test" in have else ("validation", "test")
    pool = sorted((s for s in dataset.samples if s.split == source), key=lambda s: s.id)
    groups, grouping = _groups(pool, progress)
    folds = _folds(pool, groups, round(1 / share), seed, dataset.spec)
    rest = source or "train"
    split = {s.id: carved[f] if f < len(carved) else rest for s, f in zip(pool, folds, strict=True)}
    samples = tuple(replace(s, split=split[s.id]) if s.id in split else s for s in dataset.samples)
    note = (
        f"{dataset.split_note}; {' and '.join(carved)}: {share:.0%} of "
        f"{'train' if source else 'all samples'}{' each' if len(carved) > 1 else ''}, "
        f"stratified by label, {grouping}, seed {seed}"
    )
    return replace(dataset, samples=samples, split_note=note)


def _groups(pool: Sequence[Sample], progress) -> tuple[np.ndarray, str]:
    if any(s.group is not None for s in pool):
        names = [("sample", s.id) if s.group is None else ("group", s.group) for s in pool]
        order = {name: k for k, name in enumerate(sorted(set(names)))}
        return np.array([order[name] for name in names]), f"kept together by group ({len(order)} groups)"
    found = fingerprints.in_threads(_fingerprint, pool, progress)
    readable = [k for k, fingerprint in enumerate(found) if fingerprint is not None]
    pairs = near_duplicates.find([found[k] for k in readable])
    groups = near_duplicates.clusters(len(pool), [(readable[i], readable[j]) for i, j in pairs])
    count = len(set(groups.tolist()))
    return groups, f"near-duplicates kept together ({count} clusters of {len(pool)} images)"


def _fingerprint(sample: Sample) -> fingerprints.Fingerprint | None:
    try:
        return fingerprints.take(sample.image)[1]
    except SampleError:
        return None  # `check` reports it; a run records it


def _folds(pool: Sequence[Sample], groups: np.ndarray, count: int, seed: int, spec: str) -> np.ndarray:
    from sklearn.model_selection import StratifiedGroupKFold

    if len(set(groups.tolist())) < count:
        raise BadInput(
            where=spec,
            expected=f"at least {count} groups of samples to split",
            found=f"{len(set(groups.tolist()))}",
            remedy="name the splits in the data, or ask for a larger share",
        )
    folds = np.empty(len(pool), int)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for fold, (_, chosen) in enumerate(splitter.split(np.zeros(len(pool)), _strata(pool, count), groups)):
        folds[chosen] = fold
    return folds


def _strata(pool: Sequence[Sample], count: int) -> list[int]:
    """Return the label of each sample; classes too small to be in every fold count as one, or as the largest."""
    labels = [-1 if s.label is None else s.label for s in pool]
    size = Counter(labels)
    small = {label for label, n in size.items() if n < count}
    if sum(size[label] for label in small) >= count or len(small) == len(size):
        return [-2 if label in small else label for label in labels]
    largest = min(size, key=lambda label: (-size[label], label))
    return [largest if label in small else label for label in labels]

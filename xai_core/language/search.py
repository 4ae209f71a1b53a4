"""The search for what goes with what: suggestive pairs on one half of the records, tested on the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xai_core.language.facts import Fact
from xai_core.language.fourfold import benjamini_hochberg, chi_squared, fisher

CANDIDATES = 6
LEAST = 5
"""Least count of each margin of a four-fold table: with and without the term, with and without the fact."""
SUGGESTIVE = 3.841
ALIKE = 0.6
"""Share of common records from which two terms count as one."""
_NONE = np.empty(0, int)


class Tested(NamedTuple):
    """Pairs that were tested: places of subject and fact, four counts on the held-out half, p and adjusted p."""

    subject: np.ndarray
    fact: np.ndarray
    counts: np.ndarray
    p: np.ndarray
    q: np.ndarray


class Search:
    """The same search for real and for shuffled descriptions: pick on the first half, test on the other."""

    def __init__(self, has: np.ndarray, facts: Sequence[Fact], held_out: np.ndarray) -> None:
        self.has, self.held_out = has.astype(np.float32), held_out
        self.holds = np.stack([fact.mask & fact.known for fact in facts], axis=1).astype(np.float32)
        self.known = np.stack([fact.known for fact in facts], axis=1).astype(np.float32)
        kinds = [fact.kind for fact in facts]
        self.kinds = np.array([kinds.index(kind) for kind in kinds])
        common, sizes = self.has.T @ self.has, self.has.sum(axis=0)
        either = sizes[:, None] + sizes[None] - common
        # a term and the lack of another may be the same thing too
        lack = (sizes[:, None] - common) >= ALIKE * (len(has) - sizes[None] + common)
        self.alike = (common >= ALIKE * either) | lack | lack.T
        self.sizes = sizes
        self.pairs = len(sizes) * len(facts)

    def __call__(self, order: np.ndarray) -> Tested:
        """Return what is found where the facts of row ``order[k]`` are told of the description of row k."""
        holds, known = self.holds[order], self.known[order]
        picked = self._pick(*self._counts(~self.held_out, holds, known))
        subject, fact, sign = (np.array(values, int) for values in zip(*picked, strict=True)) if picked else [_NONE] * 3
        counts = np.stack([each[subject, fact] for each in self._counts(self.held_out, holds, known)])
        p = fisher(*counts)
        both, first, second, total = counts
        # what points the other way on the held-out half is no finding
        p = np.where(np.sign(both * total - first * second) == sign, p, 1.0)
        return Tested(subject, fact, counts.astype(int), p, benjamini_hochberg(p))

    def _counts(self, rows: np.ndarray, holds: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
        """Return the four counts of each pair: (subjects, facts) each."""
        has, holds, known = self.has[rows], holds[rows], known[rows]
        shape = (has.shape[1], holds.shape[1])
        second, total = (np.broadcast_to(values.sum(axis=0), shape) for values in (holds, known))
        return [values.astype(float) for values in (has.T @ holds, has.T @ known, second, total)]

    def _pick(self, both: np.ndarray, first: np.ndarray, second: np.ndarray, total: np.ndarray) -> list[tuple]:
        """Return the most suggestive pairs, at most `CANDIDATES` of a kind: place of subject, of fact, and the sign."""
        margins = np.minimum.reduce([first, second, total - first, total - second])
        strength = np.where(margins >= LEAST, chi_squared(both, first, second, total), 0.0)
        above = both * total > first * second
        chosen: list[tuple] = []
        tally: dict[int, int] = {}
        # of equal ones the rarer: what few descriptions say is said on purpose
        rarity = np.broadcast_to(self.sizes[:, None], strength.shape)
        for flat in np.lexsort((rarity.ravel(), -strength.ravel().round(6))):
            subject, fact = np.unravel_index(flat, strength.shape)
            if strength[subject, fact] < SUGGESTIVE:
                break
            kind = self.kinds[fact]
            same = (each[0] for each in chosen if self.kinds[each[1]] == kind and each[1] == fact)
            if tally.get(kind, 0) < CANDIDATES and not any(self.alike[subject, other] for other in same):
                chosen.append((subject, fact, 1 if above[subject, fact] else -1))
                tally[kind] = tally.get(kind, 0) + 1
        return chosen

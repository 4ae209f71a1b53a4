"""Sentences about a data set: what descriptions say goes with what is known of their records.

A sentence is looked for on one half of the records and tested on the other, and it is kept only where nearly no data
set with shuffled descriptions, searched in the same way, has one as strong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xai_core.language.facts import Fact, facts_of
from xai_core.language.fourfold import odds_ratio
from xai_core.language.groups import Group
from xai_core.language.search import Search, Tested
from xai_core.language.terms import share_words, vocabulary

if TYPE_CHECKING:
    import pandas as pd

SHUFFLES = 199
FALSE_DISCOVERIES = 0.05
AS_STRONG = 0.01
"""Highest share of shuffled data sets, this one counted among them, that may have a sentence as strong."""
MOST_RECORDS = 5000
_LEAST_SHARE = 0.03


@dataclass(frozen=True)
class Sentence:
    """One association, with its figures on the held-out half.

    Attributes
    ----------
    subject : str
        A term, or the name of a group.
    is_group : bool
    kind, fact : str
        The column, and what goes with the term, in words.
    count, of : int
        Records with the term that have the fact, of all with the term.
    count_without, of_without : int
        The same of the records without the term.
    odds, low, high : float
        Odds ratio with its 95 % interval.
    p, q : float
        Of Fisher's exact test, and adjusted for all that were tested (Benjamini and Hochberg).
    as_strong, shuffles : int
        How many shuffled data sets had anything as strong, of how many.
    ids : tuple of str
        The `count` records, sorted.
    """

    subject: str
    is_group: bool
    kind: str
    fact: str
    count: int
    of: int
    count_without: int
    of_without: int
    odds: float
    low: float
    high: float
    p: float
    q: float
    as_strong: int
    shuffles: int
    ids: tuple[str, ...]

    @property
    def claim(self) -> str:
        """Return what goes with what."""
        subject = f"a description like “{self.subject}”" if self.is_group else f"“{self.subject}” in the description"
        return f"{subject} goes with {self.fact}"

    @property
    def evidence(self) -> str:
        """Return the figures."""
        against = f"{self.count} of {self.of} against {self.count_without} of {self.of_without}"
        odds = f"{_ratio(self.odds)} ({_ratio(self.low)} to {_ratio(self.high)})"
        return f"{against}, odds ratio {odds}, held-out {_p(self.p)}"

    @property
    def text(self) -> str:
        """Return claim and figures."""
        return f"{self.claim[0].upper()}{self.claim[1:]}: {self.evidence}."


@dataclass(frozen=True)
class Found:
    """What a search gave.

    Attributes
    ----------
    sentences : tuple of Sentence
        By kind, the surest first.
    searched, tested : int
        Pairs of term and fact that were looked at on the first half, and those of them tested on the other.
    first, held_out : int
        Records in each half.
    dropped : int
        Pairs that passed the test, and did not beat the shuffled descriptions.
    """

    sentences: tuple[Sentence, ...]
    searched: int
    tested: int
    first: int
    held_out: int
    dropped: int


class _Subject(NamedTuple):
    name: str
    is_group: bool


def find(
    table: pd.DataFrame,
    judgements: pd.DataFrame,
    groups: Sequence[Group] = (),
    *,
    class_names: Sequence[str] = (),
    seed: int = 0,
    shuffles: int = SHUFFLES,
) -> Found:
    """Return the sentences that hold on held-out records and that shuffled descriptions do not have.

    Parameters
    ----------
    table : DataFrame
        ``sample_id``, and any of ``outcome``, ``label``, ``called``, ``judged`` and ``meta_`` columns.
    judgements : DataFrame
        ``sample_id`` and ``description``; a record without a description does not enter.
    groups : sequence of Group
        Of similar descriptions, as further subjects.
    class_names : sequence of str
        Terms with a word of these are no subjects: a judge is told the predicted class.
    seed : int
        Of the halves and of the shuffling.
    shuffles : int
        At least 99.

    Notes
    -----
    With more than 5,000 described records that many are taken, by hash of their ids. Records count as independent:
    several pictures of one patient make a sentence look surer than it is.
    """
    said = judgements[judgements["description"].fillna("") != ""].set_index("sample_id")["description"]
    table = table[table["sample_id"].isin(said.index)]
    order = np.argsort([_hash(seed, each) for each in table["sample_id"]])[:MOST_RECORDS]
    table = table.iloc[np.sort(order)]
    ids = table["sample_id"].to_numpy(object)
    subjects, has = _subjects(said.loc[ids].tolist() if len(ids) else [], ids, groups, class_names)
    facts = facts_of(table)
    held_out = np.array([_hash(seed, each) % 2 == 1 for each in ids], bool)
    sizes = {"first": int((~held_out).sum()), "held_out": int(held_out.sum())}
    if not subjects or not facts:
        return Found((), 0, 0, **sizes, dropped=0)
    search = Search(has, facts, held_out)
    tested = search(np.arange(len(ids)))
    generator = np.random.default_rng(seed)
    strongest = np.array([search(generator.permutation(len(ids))).p.min(initial=1.0) for _ in range(shuffles)])
    passed = tested.q <= FALSE_DISCOVERIES
    as_strong = (strongest[None] <= tested.p[:, None] * (1 + 1e-9)).sum(axis=1)
    kept = np.flatnonzero(passed & ((as_strong + 1) / (shuffles + 1) <= AS_STRONG))
    made = [
        _sentence(tested, place, subjects, facts, has, held_out, ids, (int(as_strong[place]), shuffles))
        for place in kept
    ]
    kinds = [fact.kind for fact in facts]
    made.sort(key=lambda each: (kinds.index(each.kind), each.p, each.subject))
    return Found(tuple(made), search.pairs, len(tested.p), **sizes, dropped=int(passed.sum()) - len(made))


def _subjects(
    texts: Sequence[str], ids: np.ndarray, groups: Sequence[Group], class_names: Sequence[str]
) -> tuple[list[_Subject], np.ndarray]:
    """Return groups and terms, and which record has which: (N, S) bool.

    Of terms in the same records that is taken whose words are rarest, then the longest: "patch" before "colour beside".
    """
    if not texts:
        return [], np.empty((0, 0), bool)
    terms, sparse = vocabulary(texts, _LEAST_SHARE)
    has = sparse.toarray() > 0
    named = " ".join(class_names).lower().replace("_", " ")
    subjects = [_Subject(each.name, True) for each in groups] if len(groups) > 1 else []
    columns = [np.isin(ids, each.ids) for each in groups] if len(groups) > 1 else []
    seen = {column.tobytes() for column in columns}
    often = dict(zip(terms, has.sum(axis=0).tolist(), strict=True))
    common = [max(often.get(word, 0) for word in term.split()) for term in terms]
    for place in sorted(range(len(terms)), key=lambda k: (common[k], -len(terms[k]), terms[k])):
        column = has[:, place]
        if not column.all() and column.tobytes() not in seen and not share_words(terms[place], named):
            seen.add(column.tobytes())
            subjects.append(_Subject(terms[place], False))
            columns.append(column)
    return subjects, np.stack(columns, axis=1) if columns else np.empty((len(texts), 0), bool)


def _sentence(
    tested: Tested,
    place: int,
    subjects: Sequence[_Subject],
    facts: Sequence[Fact],
    has: np.ndarray,
    held_out: np.ndarray,
    ids: np.ndarray,
    shuffled: tuple[int, int],
) -> Sentence:
    subject, fact = subjects[tested.subject[place]], facts[tested.fact[place]]
    both, first, second, total = (int(value) for value in tested.counts[:, place])
    rows = held_out & has[:, tested.subject[place]] & fact.known
    words, mask = fact.holds, fact.mask
    if both * total < first * second:
        words = fact.fails or f"less of {fact.holds}"
        if fact.fails:
            both, second, mask = first - both, total - second, ~fact.mask
    return Sentence(
        *subject,
        fact.kind,
        words,
        both,
        first,
        second - both,
        total - first,
        *odds_ratio(both, first, second, total),
        float(tested.p[place]),
        float(tested.q[place]),
        *shuffled,
        tuple(sorted(ids[rows & mask])),
    )


def _hash(seed: int, sample_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{sample_id}".encode()).digest()[:8], "big")


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"

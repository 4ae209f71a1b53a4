"""Which words and phrases descriptions are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

RARE = 0.02
# a phrase ends at a stop, at a number, at "and", and at a verb that says no more than "is"
_CLAUSE = re.compile(r"[^\w\s'’-]+|\d+|\b(?:is|are|was|were|lies?|takes?|and|or|but)\b")
_WORD = re.compile(r"[^\W\d_]{2,}", re.UNICODE)
# words that join others and say nothing alone; 'no' and 'not' do
_JOINING_WORDS = """
an the of it its be been being to in on at by with for from that this these those there their
they as than then which who has have had does do did can could may might will would also if so such into onto over
about some any other each very too only just both while where when what because
see sees seen visible visibly show shows showing shown appear appears appeared appearing seem seems look looks looking
observe observed noted noticed noticeable evident present contain contains containing depict depicts depicting depicted
display displays displaying displayed
"""
_JOINING = frozenset(_JOINING_WORDS.split())
_MOST_JOINING = 2


def terms_of(text: str) -> list[str]:
    """Return the words and phrases of a text, each once, in order: words that mean something, and pairs of them.

    A pair is as it stands in the text, with at most two joining words in between ("outside the lesion"), and never
    across a number, a stop, "and", or a verb like "is" and "lies". Case is lowered.
    """
    found: dict[str, None] = {}
    for clause in _CLAUSE.split(text.lower()):
        words = _WORD.findall(clause)
        places = [place for place, word in enumerate(words) if word not in _JOINING]
        found.update(dict.fromkeys(words[place] for place in places))
        for place, following in pairwise(places):
            if following - place <= _MOST_JOINING + 1:
                found.setdefault(" ".join(words[place : following + 1]))
    return list(found)


def share_words(term: str, other: str) -> bool:
    """Return whether two terms have a word in common that means something."""
    return bool((set(term.split()) & set(other.split())) - _JOINING)


def vocabulary(texts: Sequence[str], rare: float = RARE) -> tuple[list[str], csr_matrix]:
    """Return the terms of texts in alphabetical order, and which text has which: (N, T) sparse of 0 and 1.

    Left out is what fewer than a share `rare` of the texts have, or fewer than two.
    """
    from scipy.sparse import csr_matrix

    each = [terms_of(text) for text in texts]
    places = {term: place for place, term in enumerate(sorted({term for terms in each for term in terms}))}
    row = np.repeat(np.arange(len(each)), [len(terms) for terms in each])
    column = np.array([places[term] for terms in each for term in terms], int)
    has = csr_matrix((np.ones(len(row)), (row, column)), shape=(len(texts), len(places)))
    common = np.asarray(has.sum(axis=0)).ravel() >= max(2, rare * len(texts))
    return [term for term, kept in zip(places, common, strict=True) if kept], has[:, common]

"""A judge without any model: it says in words what can be measured, and scores it by rules that it states.

The score, by the first rule that holds (the numbers are in `LIMITS`, and in the settings of every judgement):

* None where no part of the picture spoke for the class.
* Where nobody outlined the object: 0 where the evidence is scattered (four parts or more, none with half of it);
  1 where at least half of it lies on an artefact; else None: whether it is on the object cannot be measured.
* 1 where the outlined object lies outside what the classifier saw.
* None where the object takes 80 % of the picture or more: hardly any map could miss it.
* 0 where the evidence is scattered and less than 35 % of it lies inside the outline.
* 1 where less than 10 % of it does.
* 2 where less than 35 % of it does, or no more than by chance (the object's share of the picture), or at least 25 % of
  it lies on an artefact outside.
* 3 where less than 70 % of it does.
* 4 where less than 90 % of it does.
* 5 otherwise.

How much of the object the evidence covers does not count: a small part of it may be reason enough. Artefacts, a patch
of colour or the dark rim, are looked for in pictures of lesions alone; so are hairs, which are told but do not count.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.language import artefacts
from xai_core.language.asking import Request
from xai_core.language.judge import Answer
from xai_core.language.measures import NEAR, PART, Measures, measure
from xai_core.language.schema import RUBRIC, block
from xai_core.language.wording import SETTINGS, WORDS, describe, on_artefacts, percent

LIMITS = {
    "inside": [0.10, 0.35, 0.70, 0.90],
    "whole_picture": 0.80,
    "scattered_parts": 4,
    "scattered_largest": 0.50,
    "scattered_inside": 0.35,
    "artefact": 0.25,
    "artefact_alone": 0.50,
}


class MeasuredJudge:
    """Says what can be measured of a record's evidence.

    Parameters
    ----------
    words : str
        ``clinical`` speaks of lesion and skin and looks for artefacts, ``general`` of objects.
    """

    name = "measured"
    remote = False
    batch = 16
    wants_facts = True

    def __init__(self, words: str = "clinical") -> None:
        if words not in WORDS:
            raise BadInput(where="words", expected=f"one of {', '.join(WORDS)}", found=repr(words), remedy="name one")
        self.words = words
        self.settings = {
            "words": words,
            "code": _digest_of_code(),
            "limits": LIMITS,
            "near": NEAR,
            "part": PART,
            "told": SETTINGS,
            "artefacts": artefacts.SETTINGS if words == "clinical" else None,
        }

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Return an answer for each request, from its facts and its picture alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Answer:
        started, facts, words = time.perf_counter(), request.facts, WORDS[self.words]
        if not facts["explanation"].any():
            described = f"No part of the picture spoke for {request.predicted}."
            raw = block(described, "Without evidence there is nothing to judge.", None)
        else:
            dermoscopy = self.words == "clinical"
            found = measure(request.image, facts["explanation"], facts["region"], dermoscopy=dermoscopy)
            raw = block(describe(found, words), *score(found, words))
        return Answer(raw, time.perf_counter() - started)


def _digest_of_code() -> str:
    """Return the sha256 (hex) over what measures and words: judgements by other code are made anew."""
    folder = Path(__file__).parent
    names = ("artefacts.py", "measured.py", "measures.py", "wording.py")
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()


def score(found: Measures, words: dict) -> tuple[str, int | None]:
    """Return the reason and the score, by the rules above; `words` is one of `wording.WORDS`."""
    thing, seen = words["object"], found.outlined
    scattered = found.parts >= LIMITS["scattered_parts"] and found.largest < LIMITS["scattered_largest"]
    artefact, share = next(iter(on_artefacts(found).items()), ("", 0.0))
    if seen is None:
        return _without_outline(found, scattered, artefact, share, thing)
    if not seen.region_area:
        return f"The {thing} lies outside what the classifier saw, so the evidence is on something else.", 1
    if seen.region_area >= LIMITS["whole_picture"]:
        return f"The {thing} takes {percent(seen.region_area)} of the picture: hardly any map could miss it.", None
    of_it = f"{percent(seen.inside)} of the evidence is on the {thing} (by chance {percent(seen.region_area)})"
    if scattered and seen.inside < LIMITS["scattered_inside"]:
        return f"Scattered over {found.parts} parts: {of_it}.", 0
    reached = 1 + sum(seen.inside >= limit for limit in LIMITS["inside"])
    if reached > 2 and seen.inside <= seen.region_area:
        return f"No better than by chance: {of_it}.", 2
    if reached > 2 and share >= LIMITS["artefact"]:
        return f"{of_it}, but {percent(share)} on {artefact}.", 2
    meaning = RUBRIC[reached].replace("the object", f"the {thing}")
    return f"{meaning[0].upper()}{meaning[1:]}: {of_it}.", reached


def _without_outline(
    found: Measures, scattered: bool, artefact: str, share: float, thing: str
) -> tuple[str, int | None]:
    if scattered:
        return f"Scattered over {found.parts} parts; nobody outlined the {thing}.", 0
    if share >= LIMITS["artefact_alone"]:
        return f"{percent(share)} of the evidence is on {artefact}; nobody outlined the {thing}.", 1
    return f"Nobody outlined the {thing}: whether the evidence is on it cannot be measured.", None

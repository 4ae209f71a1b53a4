"""What a judge says about one record, and how it is read from the judge's own text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from xai_core.errors import BadInput

HIGHEST = 5
RUBRIC = {
    0: "scattered or incoherent",
    1: "consistently on something else",
    2: "minor overlap with the object",
    3: "partly on the object, partly on irrelevant things",
    4: "mostly on the object, with minor distraction",
    5: "fully on the object",
}
FIELDS = ("description", "justification", "score")
_SCORE = re.compile(r"(?:score\s*[:=]\s*)?(-?\d{1,4})(?:\.0{1,4})?(?:\s*(?:/|out of)\s*5)?\.?", re.IGNORECASE)
_LONGEST = 1_000_000
_BRACES = 50
_CLIP = 60


@dataclass(frozen=True)
class Judgement:
    """What a judge said about one record.

    Attributes
    ----------
    sample_id : str
    description, justification : str
        What is to be seen, and the reason for the score; '' where the answer could not be read.
    score : int or None
        0 to 5 (`RUBRIC`); None where it could not be read, or the judge says that it cannot tell.
    raw : str
        The judge's own text, '' where there was no answer.
    error : str
        Why there is no judgement; '' where there is one.
    seconds : float
        That the answer took.
    tokens : int or None
        That the answer cost, where the judge tells.
    key : str
        sha256 (hex) over all that decides the answer (SPEC.md); '' where nothing was asked.
    """

    sample_id: str
    description: str = ""
    justification: str = ""
    score: int | None = None
    raw: str = ""
    error: str = ""
    seconds: float = 0.0
    tokens: int | None = None
    key: str = ""


def parse(raw: str) -> tuple[str, str, int | None]:
    """Return description, justification and score of the last tagged block of an answer, or of its last JSON object.

    The block is ``<judgement>`` with ``<description>``, ``<justification>`` and ``<score>``, each once; the object
    has the same three names. A score is an integer from 0 to 5, or ``none`` where the judge cannot tell.

    Raises
    ------
    ValueError
        With the reason in one line, where there is neither, or a field is absent, twice there, or out of range.
    """
    if len(raw) > _LONGEST:
        raise _unreadable(f"an answer of {len(raw)} characters")
    found = _last_block(raw)
    return _checked(_last_object(raw) if found is None else found)


def block(description: str, justification: str, score: int | None) -> str:
    """Return the tagged block that `parse` reads back; angle brackets in the texts become ‹ ›."""
    texts = [text.replace("<", "‹").replace(">", "›") for text in (description, justification)]
    values = [*texts, "none" if score is None else str(score)]
    lines = [f"<{name}>{value}</{name}>" for name, value in zip(FIELDS, values, strict=True)]
    return "\n".join(["<judgement>", *lines, "</judgement>"])


def json_schema() -> dict:
    """Return the JSON schema of an answer, for servers that hold a model to one."""
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "description": text,
            "justification": text,
            "score": {"type": "integer", "minimum": 0, "maximum": HIGHEST},
        },
        "required": list(FIELDS),
        "additionalProperties": False,
    }


def clean(text: str) -> str:
    """Return text that any file can hold: lone surrogates, which a server may send, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _last_block(raw: str) -> dict | None:
    end = raw.rfind("</judgement>")
    start = raw.rfind("<judgement>", 0, max(end, 0))
    if end < 0 or start < 0:
        return None
    inside, found = raw[start + len("<judgement>") : end], {}
    for name in FIELDS:
        opening, closing = f"<{name}>", f"</{name}>"
        if inside.count(opening) != 1 or inside.count(closing) != 1:
            raise _unreadable(f"{inside.count(opening)} times {opening} and {inside.count(closing)} times {closing}")
        found[name] = inside[inside.index(opening) + len(opening) :].partition(closing)[0]
    return found


def _last_object(raw: str) -> dict:
    """Return the last JSON object that has a score: whole answers, fenced ones, and those behind some words."""
    decoder, place = json.JSONDecoder(), len(raw)
    for _ in range(_BRACES):
        place = raw.rfind("{", 0, place)
        if place < 0:
            break
        try:
            value, _ = decoder.raw_decode(raw, place)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and "score" in value:
            return value
    raise _unreadable(_clip(raw) or "nothing")


def _number(value: object) -> object:
    """Return the number that a text says, None for ``none``; anything else as it is, for pydantic to refuse."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return "" if value is None else value
    text = value.strip()
    if text.lower() == "none":
        return None
    found = _SCORE.fullmatch(text)
    return int(found.group(1)) if found else value


class _Answer(BaseModel, strict=True):
    description: str
    justification: str
    score: Annotated[Annotated[int, Field(ge=0, le=HIGHEST)] | None, BeforeValidator(_number)]


def _checked(found: dict) -> tuple[str, str, int | None]:
    try:
        answer = _Answer.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _unreadable(f"{place}: {first['msg']} ({_clip(str(first['input']))})") from None
    return clean(answer.description.strip()), clean(answer.justification.strip()), answer.score


def _unreadable(found: str) -> BadInput:
    return BadInput(
        where="answer",
        expected="one <judgement> block, or a JSON object, with description, justification and a score of 0 to 5",
        found=clean(found),
        remedy="it is kept as it came",
    )


def _clip(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _CLIP else f"{text[:_CLIP]}…"

"""Chat completions of OpenAI's kind as data: the body of a request, and what a response says. No network here."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from xai_core.language import privacy
from xai_core.language.judge import Answer
from xai_core.language.schema import json_schema
from xai_core.language.views import png

if TYPE_CHECKING:
    from xai_core.language.asking import Request

# parts of a body that a server may not know: those its complaint names are left out, the first where it names none
OPTIONAL = ("response_format", "seed", "temperature", "max_tokens")
_COMPLAINT = 200


class LaterError(Exception):
    """A try failed that may succeed later, `seconds` from now at the earliest; `gone` where nobody listens."""

    def __init__(self, reason: str, seconds: float = 0.0, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.seconds, self.gone = seconds, gone


class NeverError(Exception):
    """A request will not be answered, others may."""


def body_of(request: Request, model: str, tokens: int, unknown: Collection[str] = ()) -> dict:
    """Return the body of a request as plain JSON values: the picture, the text and nothing else about the record.

    Parameters
    ----------
    request : Request
    model : str
    tokens : int
        The longest answer.
    unknown : collection of str
        Those of `OPTIONAL` that the server does not know; a newer name takes the place of ``max_tokens``.
    """
    source = f"data:image/png;base64,{base64.b64encode(png(request.image)).decode('ascii')}"
    content = [{"type": "image_url", "image_url": {"url": source}}, {"type": "text", "text": request.prompt}]
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    named = {"name": "judgement", "strict": True, "schema": json_schema()}
    values = ({"type": "json_schema", "json_schema": named}, 0, 0, tokens)
    if "max_tokens" in unknown:
        body["max_completion_tokens"] = tokens
    return body | {part: value for part, value in zip(OPTIONAL, values, strict=True) if part not in unknown}


def answer_of(data: bytes, seconds: float) -> Answer:
    """Return what a chat completion says.

    Raises
    ------
    LaterError
        Where the bytes are none.
    """
    try:
        found = json.loads(data)
        message = found["choices"][0]["message"]
        content = message.get("content") or message.get("refusal") or ""
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content)
        text = content.strip()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise LaterError("an answer that is no chat completion") from None
    usage = found.get("usage")
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    return Answer(text, seconds, tokens if type(tokens) is int and 0 <= tokens < 2**31 else None)


def complaint_of(data: bytes) -> str:
    """Return what a server complains of, one short line without keys."""
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        found = found.get("error") or found.get("detail") or found
        text = str(found.get("message") or found) if isinstance(found, dict) else str(found)
    except (ValueError, AttributeError, RecursionError):
        pass
    return " ".join(privacy.without_keys(text).split())[:_COMPLAINT]


def seconds_of(retry_after: str) -> float:
    """Return the seconds of a Retry-After header, which is a number or a date; 0 where it is neither."""
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0

"""A server as the judge: any that speaks OpenAI's chat completions, on this machine or, where allowed, elsewhere."""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.language import privacy
from xai_core.language.completions import (
    OPTIONAL,
    LaterError,
    NeverError,
    answer_of,
    body_of,
    complaint_of,
    seconds_of,
)
from xai_core.language.judge import Answer

if TYPE_CHECKING:
    import httpx2

    from xai_core.language.asking import Request

TOKENS = 512
TIMEOUT = 120.0
TRIES = 6
FAILED_IN_A_ROW = 32
_CONNECT = 10.0
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_LONGEST_PAUSE = 600.0
_LARGEST = 4_000_000
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 529})


class OpenAIJudge:
    """A judge behind a server: vLLM, Ollama, LM Studio, ``transformers serve`` and the like.

    A request holds the picture as a PNG of nothing but pixels, and the text. Redirects are not followed, and on this
    machine no proxy is asked. A request that fails for now (no connection, no whole answer in time, 429, 5xx) is sent
    again after twice as long each time, or as long as the server says.

    Parameters
    ----------
    url : str
        Up to ``/v1``.
    model : str
        As the server calls it.
    tokens : int
        The longest answer.
    timeout : float
        Seconds for one try, from the connection to the last byte.
    tries : int
        Of each request.
    seed : int
        Of the jitter of waiting times.
    wait : callable, optional
        Takes seconds; by default it sleeps, until `stop` is called.

    Attributes
    ----------
    host : str
    remote : bool
        Whether `host` is another machine.

    Raises
    ------
    BadInput
        For a URL that is none, no model, or a key that no header can hold. Nothing is sent yet.
    """

    batch = 1  # so that a kill loses no answer that came while others of its batch were on their way

    def __init__(
        self,
        url: str,
        model: str,
        *,
        tokens: int = TOKENS,
        timeout: float = TIMEOUT,
        tries: int = TRIES,
        seed: int = 0,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self.host = privacy.host_of(url)
        self.remote = not privacy.is_loopback(self.host)
        if not model:
            raise BadInput(where="model", expected="a model's name", found="none", remedy="name one by --model")
        if "?" in url or "#" in url:
            found = "more behind it"  # which is not repeated: it may hold a key
            raise BadInput(
                where="url", expected="a URL up to /v1", found=found, remedy="keys come from the environment"
            )
        base = url.rstrip("/").removesuffix("/chat/completions")
        self.url = f"{base}/chat/completions"
        self.name = model
        self.settings = {"kind": "openai", "url": base, "model": model, "tokens": tokens, "temperature": 0, "seed": 0}
        self._timeout, self._tries, self._seed = timeout, tries, seed
        self._halted = threading.Event()
        self._wait = wait or self._halted.wait
        self._client = _client(timeout, proxies=self.remote)
        self._unknown: frozenset[str] = frozenset()
        self._paused_until = 0.0
        self._failed_in_a_row = 0
        self._stopped: BadInput | None = None
        weakref.finalize(self, self._client.close)

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Return an answer for each request, in order, one after the other; meant for many threads.

        Raises
        ------
        BadInput
            Where the server is gone, refuses the key, the model or everything, or wants a long pause.
        """
        return [self._one(request) for request in requests]

    def stop(self) -> None:
        """Let no request be tried again, in any thread; those that are on their way come to their end."""
        if self._stopped is None:
            self._stopped = BadInput(
                where=self.settings["url"], expected="an answer", found="an interruption", remedy="go on with --resume"
            )
        self._halted.set()

    def _one(self, request: Request) -> Answer:
        jitter = random.Random(f"{self._seed} {request.sample_id}")
        reason = "no try was allowed"
        for attempt in range(self._tries):
            if self._stopped:
                raise self._stopped
            self._wait_for(self._paused_until - time.monotonic())
            try:
                answer = self._ask(request)
            except LaterError as later:
                reason = str(later)
                if attempt + 1 < self._tries:
                    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt)
                    self._wait_for(later.seconds + longest * jitter.uniform(0.5, 1))
                elif later.gone:
                    self._stop("a server that answers", reason)
            except NeverError as never:
                reason = str(never)
                break
            else:
                self._failed_in_a_row = 0
                return answer
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= FAILED_IN_A_ROW:
            self._stop("a server that answers", f"{self._failed_in_a_row} failures in a row, the last: {reason}")
        return Answer("", error=reason)

    def _ask(self, request: Request) -> Answer:
        """Return the answer to one request, without the optional parts that the server complains of."""
        unknown = self._unknown
        while True:
            started = time.monotonic()
            response, data = self._send(body_of(request, self.name, self.settings["tokens"], unknown))
            if response.status_code not in (400, 422):
                break
            complaint = complaint_of(data)
            named = {part for part in OPTIONAL if part in complaint} - unknown
            if not (more := named or {OPTIONAL[0]} - unknown):
                raise NeverError(f"the server refuses the request: {complaint}")
            unknown |= more
        self._check(response, data)
        answer = answer_of(data, time.monotonic() - started)
        self._unknown |= unknown
        return answer

    def _send(self, body: dict) -> tuple[httpx2.Response, bytes]:
        """Return a response and its bytes, within the time there is."""
        import httpx2

        ends, data = time.monotonic() + self._timeout, bytearray()
        try:
            with self._client.stream("POST", self.url, json=body, headers=_authorization()) as response:
                for chunk in response.iter_bytes():
                    data += chunk
                    if time.monotonic() > ends:
                        raise LaterError(f"no whole answer in {self._timeout:g} s")
                    if len(data) > _LARGEST:
                        raise NeverError(f"an answer of more than {_LARGEST} bytes")
                return response, bytes(data)
        except httpx2.TimeoutException:
            raise LaterError(f"no whole answer in {self._timeout:g} s") from None
        except httpx2.ConnectError:
            raise LaterError(f"no server at {self.host}", gone=True) from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise LaterError(f"a connection that broke off ({type(error).__name__})") from None

    def _check(self, response: httpx2.Response, data: bytes) -> None:
        """Raise unless the server answered: for now, for this request, or for all."""
        status = response.status_code
        if status == 200:
            return
        if status in _AGAIN:
            seconds = seconds_of(response.headers.get("retry-after", ""))
            if seconds > _LONGEST_PAUSE:
                self._stop("a server with room for requests", f"one that asks for a pause of {seconds:.0f} s")
            if status == 429:
                self._paused_until = max(self._paused_until, time.monotonic() + seconds)
            raise LaterError(f"the server says {status}: {complaint_of(data)}", seconds)
        if status in (401, 403):
            self._stop(f"a key in {privacy.KEYS[0]} or {privacy.KEYS[1]} that {self.host} takes", f"status {status}")
        if status == 404 or 300 <= status < 400:
            self._stop("a URL up to /v1 and a model that is there", f"status {status}: {complaint_of(data)}")
        raise NeverError(f"the server says {status}: {complaint_of(data)}")

    def _stop(self, expected: str, found: str) -> None:
        """Raise what keeps every further request from being answered, in this thread and in the others."""
        remedy = "correct that and go on with --resume; what was answered is kept"
        found = privacy.without_keys(found)
        self._stopped = BadInput(where=self.settings["url"], expected=expected, found=found, remedy=remedy)
        self._halted.set()
        raise self._stopped

    def _wait_for(self, seconds: float) -> None:
        if seconds > 0:
            self._wait(seconds)


def _client(timeout: float, *, proxies: bool) -> httpx2.Client:
    import httpx2

    _authorization()
    times = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT))
    return httpx2.Client(timeout=times, trust_env=proxies, headers={"User-Agent": "right-reasons"})


def _authorization() -> dict[str, str]:
    """Return the header with the key of the environment, none where there is no key."""
    key = next((os.environ[name].strip() for name in privacy.KEYS if os.environ.get(name, "").strip()), "")
    if not (key.isascii() and key.isprintable()):
        found = "other characters"  # the key is not repeated
        raise BadInput(where="key", expected="printable ASCII", found=found, remedy=f"set {privacy.KEYS[0]} anew")
    return {"Authorization": f"Bearer {key}"} if key else {}

"""Who may see the pages, by a password that every request carries or an identity provider; and the reviewer's name."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, unquote

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import auth_util, config

from xai_core.errors import BadInput

PASSWORD = "RIGHT_REASONS_PASSWORD"
SHORTEST = 12
COOKIE = "right_reasons"
REVIEWER = "x-right-reasons-reviewer"
FREE, LONGEST, REMEMBERED = 3, 60.0, 1000


def password() -> str | None:
    """Return the password that every request must carry; None where there is none.

    Raises
    ------
    BadInput
        Where it is too short to withstand guessing.
    """
    text = os.environ.get(PASSWORD)
    if text is not None and len(text) < SHORTEST:
        found = f"{len(text)} characters"
        raise BadInput(where=PASSWORD, expected=f"{SHORTEST} or more characters", found=found, remedy="choose a longer")
    return text


def providers() -> list[str | None]:
    """Return the names of the identity providers in secrets.toml, None for the one without a name.

    Raises
    ------
    BadInput
        Where one is configured and the package that speaks to it is absent.
    """
    section = auth_util.get_secrets_auth_section()
    named = [name for name, value in section.items() if isinstance(value, Mapping) and "client_id" in value]
    found = [*([None] if "client_id" in section else []), *named]
    if found and not auth_util.is_authlib_installed():
        raise BadInput(
            where="[auth] in secrets.toml",
            expected="the package Authlib, which speaks to identity providers",
            found="none",
            remedy='install "streamlit[auth]==1.67.0", or take [auth] out',
        )
    return found


def configured() -> bool:
    """Return whether nobody sees a page without signing in."""
    return password() is not None or bool(providers())


def reviewer() -> str:
    """Return the name of whoever is signed in; '' where nobody has to."""
    if password() is not None and (name := st.context.headers.get(REVIEWER)):
        return unquote(name)
    if providers() and st.user.is_logged_in:
        return str(st.user.get("name") or st.user.get("email") or "")
    return ""


def require() -> None:
    """Go on only for whoever may see the pages; called first by the script that draws them."""
    if config._server_mode == "starlette-managed":
        st.error("This server was not started by app.py, so nothing guards it. End it, and start: streamlit run app.py")
        st.stop()
    names = providers()
    if names and not st.user.is_logged_in:
        st.title("Right Reasons")
        for name in names:
            arguments = [] if name is None else [name]
            st.button(f"Sign in with {name}" if name else "Sign in", on_click=st.login, args=arguments, type="primary")
        st.stop()


class Patience:
    """How long an address has to wait before its next password is looked at: doubling after the third wrong one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.failures = clock, {}

    def wait(self, address: str) -> float:
        """Return the seconds left to wait, 0 for none."""
        count, last = self.failures.get(address, (0, 0.0))
        due = last + min(2.0 ** (count - FREE), LONGEST) if count >= FREE else 0.0
        return max(due - self.clock(), 0.0)

    def failed(self, address: str) -> None:
        """Count a wrong password; the address that failed longest ago is forgotten for a new one."""
        count, _ = self.failures.pop(address, (0, 0.0))
        self.failures[address] = (count + 1, self.clock())
        if len(self.failures) > REMEMBERED:
            del self.failures[next(iter(self.failures))]

    def passed(self, address: str) -> None:
        """Forget the failures of an address."""
        self.failures.pop(address, None)


class Gate:
    """Lets through what carries the password (HTTP Basic, any user name) or the cookie that it is answered with.

    The cookie ends with the browser or the server. It is there for browsers that send no password with a WebSocket,
    and for people who sign in while somebody behind the same proxy guesses.
    """

    def __init__(self, app: ASGIApp, password: str, patience: Patience | None = None) -> None:
        self.app, self.password, self.patience = app, password.encode(), patience or Patience()
        self.key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket handshake."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        name = self._by_cookie(headers)
        if name is not None:
            await self.app(_as_reviewer(scope, name), receive, send)
            return
        name, wait = self._by_password(headers, scope)
        if name is None:
            await _refusal(wait)(scope, receive, send)
            return
        await self.app(_as_reviewer(scope, name), receive, self._with_cookie(scope, send, name))

    def _by_password(self, headers: Headers, scope: Scope) -> tuple[str | None, float]:
        """Return the user name (None where the password is absent or wrong), and the seconds to wait."""
        given = headers.get("authorization")
        if given is None:
            return None, 0.0
        address = (scope.get("client") or ("",))[0]
        if wait := self.patience.wait(address):
            return None, wait
        name, given_password = _basic(given)
        if not hmac.compare_digest(given_password, self.password):
            self.patience.failed(address)
            return None, 0.0
        self.patience.passed(address)
        return name, 0.0

    def _by_cookie(self, headers: Headers) -> str | None:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        name, _, signature = (morsel.value if morsel else "").partition(".")
        return unquote(name) if hmac.compare_digest(signature.encode(), self._sign(name).encode()) else None

    def _sign(self, name: str) -> str:
        return hmac.new(self.key, name.encode(), sha256).hexdigest()

    def _with_cookie(self, scope: Scope, send: Send, name: str) -> Send:
        name = quote(name, safe="").replace(".", "%2E")
        secure = "; Secure" if scope["scheme"] in ("https", "wss") else ""
        cookie = f"{COOKIE}={name}.{self._sign(name)}; Path=/; HttpOnly; SameSite=Strict{secure}".encode()

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message.get("headers", []), (b"set-cookie", cookie)]}
            await send(message)

        return send_with_cookie


def _basic(header: str) -> tuple[str, bytes]:
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
    except binascii.Error:
        text = b""
    name, _, given = text.partition(b":")
    return name.decode("utf-8", "replace"), given


def _as_reviewer(scope: Scope, name: str) -> Scope:
    """Return the request with the reviewer's name in place of the password, which nothing further in needs."""
    hidden = (b"authorization", REVIEWER.encode())
    kept = [(key, value) for key, value in scope["headers"] if key.lower() not in hidden]
    return scope | {"headers": [*kept, (REVIEWER.encode(), quote(name).encode())]}


def _refusal(wait: float) -> PlainTextResponse:
    if wait:
        return PlainTextResponse("Too many wrong passwords. Wait.", 429, {"retry-after": str(int(wait) + 1)})
    challenge = 'Basic realm="Right Reasons", charset="UTF-8"'
    return PlainTextResponse("Sign in.", 401, {"www-authenticate": challenge})

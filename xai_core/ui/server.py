"""What stands between the network and the pages: options that must hold, and middleware around every answer."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers as request_headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.web import bootstrap

from xai_core.errors import BadInput
from xai_core.ui import sign_in

# one of these set otherwise would open the app to other sites, other people or other machines
HELD = {
    "browser.gatherUsageStats": False,
    "global.developmentMode": False,
    "server.corsAllowedOrigins": [],
    "server.enableAgentApi": False,
    "server.enableCORS": True,
    "server.enableStaticServing": False,
    "server.enableXsrfProtection": True,
    "server.scriptHealthCheckEnabled": False,
    "server.trustedUserHeaders": {},
}
FROM_ENVIRONMENT = {"server.address": str, "server.port": int}
REFUSED = ("/_stcore/metrics", "/_stcore/upload_file")
PLAIN = "nothing sent is encrypted, the password included: set server.sslCertFile, or put a proxy with TLS in front"
HEADERS = {
    # Streamlit needs 'unsafe-eval' and inline styles; what counts is that a page can reach its own server alone
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; connect-src 'self'; "
    "worker-src 'self' blob:; form-action 'self'; frame-ancestors 'none'; object-src 'none'; base-uri 'self'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def settle(launcher: Path, *, own: bool) -> dict[str, object]:
    """Return the options to start the server with, after checking that all that must hold does.

    Parameters
    ----------
    launcher : Path
        ``app.py``: the ``.streamlit/config.toml`` beside it is read last.
    own : bool
        Whether the launcher starts the server itself. Else ``streamlit run`` has read its flags and environment
        already, and bound the port.

    Notes
    -----
    A refusal is one line on stderr and exit code 2; nothing has been answered by then.
    """
    config._main_script_path = str(launcher)
    try:
        options = _own_options() if own else {}
        _check(config.get_option)
        if not (is_loopback(_address()) or config.get_option("server.sslCertFile")):
            print(f"warning: {PLAIN}", file=sys.stderr)
        if own:
            _check_free(_address(), config.get_option("server.port"))
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    return options


def middleware() -> list[Middleware]:
    """Return what every request and every WebSocket passes through, the outermost first."""
    hosts = config.get_option("server.allowedHosts")
    return [
        Middleware(Headers),
        Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
        Middleware(Local),
        *([Middleware(sign_in.Gate, password=password)] if (password := sign_in.password()) else []),
        Middleware(Refused),
    ]


@contextlib.asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[dict]:
    """Hurry small answers, and say where the app is, while the server runs."""
    _send_at_once()
    scheme = "https" if config.get_option("server.sslCertFile") else "http"
    address = f"{scheme}://{_shown(_address())}:{config.get_option('server.port')}"
    print(f"Right Reasons is at {address}; Ctrl+C ends it", flush=True)
    if sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
    yield {}


class Headers:
    """Adds the headers that keep a page to its own server, and its pictures out of the browser's cache on disk."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        added = dict(HEADERS)
        # the app's own scripts and styles are the same for everybody
        if not scope.get("path", "").startswith("/static/"):
            added["cache-control"] = "no-store"
        added = {name.encode(): value.encode() for name, value in added.items()}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in added]
                message = message | {"headers": [*kept, *added.items()]}
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class Local:
    """Refuses what arrived at another address than a loopback one while nobody has to sign in.

    `settle` has refused to listen there; this holds also where another server (uvicorn) was told to.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.open = app, sign_in.configured()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] in ("http", "websocket") and not self.open and not is_loopback(scope["server"][0]):
            await PlainTextResponse("Sign-in is not configured.", 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)


class Refused:
    """Refuses what the app has no use for (the server's metrics, uploads) and what comes from another origin.

    Streamlit refuses other origins too, but takes every port of this machine for its own, and asks a service outside
    for this machine's address before it refuses the rest.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = self.app
        if scope["type"] in ("http", "websocket"):
            headers = request_headers(scope=scope)
            if "origin" in headers and urlsplit(headers["origin"]).netloc != headers.get("host"):
                answer = PlainTextResponse("Not from there.", 403)
            elif any(path in scope["path"] for path in REFUSED):
                answer = PlainTextResponse("Not here.", 404)
        await answer(scope, receive, send)


def is_loopback(address: str | None) -> bool:
    """Return whether only this machine can reach the address."""
    try:
        return address == "localhost" or ipaddress.ip_address(address or "0.0.0.0").is_loopback
    except ValueError:
        return False


def _own_options() -> dict[str, object]:
    options = dict(HELD)
    for name, kind in FROM_ENVIRONMENT.items():
        text = os.environ.get(f"STREAMLIT_{name.replace('.', '_').upper()}")
        if text:
            options[name] = _number(name, text) if kind is int else text
    bootstrap.load_config_options(options)
    # named, so that a port that is taken is an error and not an invitation to try the next
    return options | {"server.port": config.get_option("server.port")}


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise BadInput(where=name, expected="a port, 0 to 65535", found=text, remedy="change it")
    return int(text)


def _check(option) -> None:
    for name, value in HELD.items():
        if option(name) != value and (option(name) or value):
            raise BadInput(
                where=name, expected=str(value), found=str(option(name)), remedy="leave the flag or variable out"
            )
    hosts = option("server.allowedHosts")
    if not hosts or "*" in hosts:
        found = "any" if hosts else "none"
        raise BadInput(
            where="server.allowedHosts", expected="the names the app is called by", found=found, remedy="name them"
        )
    if not sign_in.configured() and not is_loopback(option("server.address")):
        raise BadInput(
            where="server.address",
            expected="127.0.0.1, which only this machine can reach, or sign-in",
            found=f"{option('server.address') or 'every address'} without sign-in",
            remedy=f"set {sign_in.PASSWORD}, or [auth] in .streamlit/secrets.toml, or leave the address out",
        )


def _check_free(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise BadInput(
                where=f"port {port}",
                expected="an address and a port that are free",
                found=error.strerror or str(error),
                remedy="choose another with --port, or end the server that has it",
            ) from error


def _address() -> str:
    return config.get_option("server.address") or "0.0.0.0"


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _send_at_once() -> None:
    """Set TCP_NODELAY on the sockets that listen: Streamlit 1.67 binds them so that asyncio does not (44 ms each)."""
    for listening in _listening():
        with contextlib.suppress(OSError):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _listening() -> Iterator[socket.socket]:
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            copy = socket.socket(fileno=os.dup(int(descriptor.name)))
        except OSError:
            continue
        with copy:
            if copy.family in (socket.AF_INET, socket.AF_INET6):
                with contextlib.suppress(OSError):
                    if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        yield copy

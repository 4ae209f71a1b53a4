"""What may leave the machine, and where to: nothing, unless somebody says so."""

from __future__ import annotations

import base64
import html
import ipaddress
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xai_core.errors import BadInput
from xai_core.language.views import png

if TYPE_CHECKING:
    from xai_core.language.asking import Request
    from xai_core.language.judge import Judge
    from xai_core.runs import Run

CONFIGURATION = "right-reasons.toml"
CLINICAL = "RIGHT_REASONS_ALLOW_REMOTE_CLINICAL"
KEYS = ("RIGHT_REASONS_API_KEY", "OPENAI_API_KEY")
_SECRET = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_SHORTEST = 8


def host_of(url: str) -> str:
    """Return the host that a URL speaks to, lower case.

    Raises
    ------
    BadInput
        Where it is no http or https URL, or carries a name or password: keys come from the environment.
    """
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname or "", parts.username is not None or parts.password is not None
        _ = parts.port  # a port that is no number is told only when it is asked for
    except ValueError:
        host, secret, parts = "", False, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or secret:
        # what was given is not repeated: it may hold a password
        found = "a URL with a name or password" if secret else "something else"
        expected = "http://HOST:PORT/... or https://..."
        raise BadInput(where="url", expected=expected, found=found, remedy="keys come from the environment")
    return host


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name, ``localhost``, 127.0.0.0/8 or ::1; nothing is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check(run: Run, judge: Judge, allow_remote: str = "") -> None:
    """Raise BadInput where a judge on another machine may not see a run.

    Parameters
    ----------
    run : Run
    judge : Judge
    allow_remote : str
        The host that the user named and confirmed; '' for none.
    """
    if not judge.remote:
        return
    host = getattr(judge, "host", "") or "another machine"
    if allow_remote != host:
        raise BadInput(
            where=judge.name,
            expected=f"leave to send pictures to {host}",
            found=f"leave for {allow_remote}" if allow_remote else "none",
            remedy=f"name it by --allow-remote {host}, or use a judge on this machine",
        )
    if run.settings["clinical"] and not clinical_allowed():
        raise BadInput(
            where=run.folder,
            expected="a judge on this machine, for these are clinical data",
            found=f"one on {host}",
            remedy=f"whoever answers for the data may set {CLINICAL}=1, or [language] allow_remote_clinical = true in "
            f"{CONFIGURATION}",
        )


def clinical_allowed() -> bool:
    """Return whether the environment or the working directory's configuration lets clinical data leave the machine.

    Raises
    ------
    BadInput
        Where the configuration cannot be read.
    """
    if os.environ.get(CLINICAL) == "1":
        return True
    path = Path(CONFIGURATION)
    if not path.is_file():
        return False
    try:
        section = tomllib.loads(path.read_text(encoding="utf-8")).get("language", {})
    except (OSError, ValueError) as error:
        raise BadInput(where=path, expected="a TOML file", found=str(error), remedy="correct or remove it") from error
    return isinstance(section, dict) and section.get("allow_remote_clinical") is True


def without_keys(text: str) -> str:
    """Return a text in which every key of the environment that occurs in it stands as ``[key]``.

    Keys are the values of variables whose names end in ``_KEY``, ``_TOKEN``, ``_SECRET`` or ``_PASSWORD``: servers
    repeat them in their complaints. A value of less than eight characters is one only where it is sent to a judge and
    has a digit: a server that wants any key often gets a word for it.
    """
    values = {value.strip() for name, value in os.environ.items() if _is_key(name, value.strip())}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "[key]")
    return text


def _is_key(name: str, value: str) -> bool:
    short_but_sent = name in KEYS and any(character.isdigit() for character in value)
    return name.upper().endswith(_SECRET) and (len(value) >= _SHORTEST or short_but_sent)


def preview(requests: Iterable[Request], judge: Judge) -> str:
    """Return an HTML page with the exact pixels and text of requests: what would be sent; nothing is."""
    where = f"to {getattr(judge, 'host', '')}" if judge.remote else "to a judge on this machine"
    shown = "\n".join(_section(number, request) for number, request in enumerate(requests, 1))
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>What a judge would get</title>\n'
        "<style>body{font:16px/1.5 system-ui;max-width:48rem;margin:2rem auto;padding:0 1rem}"
        "pre{white-space:pre-wrap;background:#f4f4f4;padding:1rem}img{max-width:100%;image-rendering:pixelated}"
        "</style>\n"
        f"<h1>What a judge would get</h1>\n<p>Each picture and its text would go {html.escape(where)}; nothing else "
        f"would, and nothing has been sent. Judge: {html.escape(judge.name)}.</p>\n{shown}\n</html>\n"
    )


def _section(number: int, request: Request) -> str:
    height, width = request.image.shape[:2]
    source = base64.b64encode(png(request.image)).decode("ascii")
    return (
        f"<h2>Request {number}</h2>\n"
        f'<img alt="the picture, {width} x {height} pixels" width="{2 * width}" src="data:image/png;base64,{source}">\n'
        f"<pre>{html.escape(request.prompt)}</pre>"
    )

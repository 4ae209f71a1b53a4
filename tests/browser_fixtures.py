"""A real browser on a real Streamlit server, for tests of what a reader sees.

`serve` starts a script and returns its address; `page` opens pages that fail their test on any error in the console,
and on any request that leaves this machine. conftest.py hands both to every test.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

# the same engine without a window of its own opens a page in half the time
BROWSERS = (Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium"))
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
START_SECONDS = 60
OPTIONS = [
    "--server.headless=true",
    "--server.address=127.0.0.1",
    "--server.fileWatcherType=none",
    "--browser.gatherUsageStats=false",
    "--client.toolbarMode=viewer",
]


@pytest.fixture(scope="session")
def browser():
    """Return one Chromium for the whole session; skip where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    there = [path for path in BROWSERS if path.exists()]
    if not there:
        pytest.skip(f"no browser at {' or '.join(map(str, BROWSERS))}")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=there[0], args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def serve(tmp_path_factory) -> Iterator[Callable[..., str]]:
    """Return ``serve(script, cwd=None, env=None) -> url``: a server of its own process, until the session ends."""
    servers = []

    def start(script: Path | str, cwd: Path | str | None = None, env: dict[str, str] | None = None) -> str:
        port = free_port()
        log = tmp_path_factory.mktemp("server") / "log.txt"
        command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}", *OPTIONS]
        with log.open("w") as output:
            server = subprocess.Popen(
                command, cwd=cwd, env=os.environ | (env or {}), stdout=output, stderr=subprocess.STDOUT
            )
        servers.append(server)
        url = f"http://127.0.0.1:{port}"
        wait_until_healthy(server, url, log)
        return url

    yield start
    for server in servers:
        server.terminate()
    for server in servers:
        server.wait(timeout=20)


@pytest.fixture
def page(browser) -> Iterator[Callable[..., object]]:
    """Return ``page(url, width=1440, height=1000, scheme="light") -> Page``, opened and without an error so far."""
    with contexts_of(browser, patience=30_000) as new_page:

        def open_page(url: str, **looks):
            new = new_page(**looks)
            new.goto(url)
            return new

        yield open_page


@contextlib.contextmanager
def contexts_of(browser, patience: int, known: Callable[[object], bool] = lambda line: False):
    """Hand out ``new_page(width, height, scheme)``, each page as in a browser of its own, with `patience` ms for all.

    Fails on leaving where any of them had an exception, a console error that is not `known`, or a request beyond this
    machine.
    """
    pages, faults, endings = [], [], []

    def new_page(width: int = 1440, height: int = 1000, scheme: str = "light"):
        page = kept_page(browser, len(pages))
        pages.append(page)
        page.set_default_timeout(patience)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        endings.append(watch(page, faults, known))
        return page

    yield new_page
    for page, ending in zip(pages, endings, strict=True):
        ending()
        forget(page)
    assert not faults, "\n".join(faults)


def kept_page(browser, place: int):
    """Return the page that is every test's first, second ...: what the app is made of has been compiled in it already.

    A new page costs a process, and that process compiles Streamlit's scripts anew: half of what opening a page takes.
    """
    kept = kept_pages(browser)
    if place == len(kept):
        kept.append(browser.new_context().new_page())
    elif kept[place].is_closed():
        kept[place] = browser.new_context().new_page()
    return kept[place]


@cache
def kept_pages(browser) -> list:
    return []


def forget(page) -> None:
    """Leave what a page shows, with whatever it stored, and close the windows it opened."""
    if page.is_closed():
        return
    context = page.context
    for each in context.pages[1:]:
        each.close()
    if page.url.startswith("http"):
        page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
    context.clear_cookies()
    page.mouse.move(0, 0)
    page.goto("about:blank")


def watch(page, faults: list[str], known: Callable[[object], bool] = lambda line: False) -> Callable[[], None]:
    """Add to `faults` each exception, console error that is not `known`, and request beyond this machine.

    Returns what ends the watch.
    """
    heard = {
        "pageerror": lambda error: faults.append(f"exception in the page: {error}"),
        "console": lambda line: line.type == "error" and not known(line) and faults.append(f"console: {line.text}"),
        "request": lambda request: leaves(request.url) and faults.append(f"request to {request.url}"),
    }
    for event, hear in heard.items():
        page.on(event, hear)

    def end() -> None:
        for event, hear in heard.items():
            page.remove_listener(event, hear)

    return end


def leaves(url: str) -> bool:
    """Say whether a request for this address leaves the machine."""
    parts = urlsplit(url)
    return parts.scheme not in {"data", "blob", "about"} and parts.hostname not in LOOPBACK


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_healthy(server: subprocess.Popen, url: str, log: Path) -> None:
    """Return when the server answers; fail with its log where it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    server.kill()
    pytest.fail(f"the server did not start:\n{log.read_text()}")

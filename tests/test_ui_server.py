"""The server as the network sees it: where it listens, whom it answers, what it refuses to start with."""

from __future__ import annotations

import base64
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser_fixtures import free_port

from xai_core.ui.server import is_loopback
from xai_core.ui.sign_in import FREE, LONGEST, REMEMBERED, Patience

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "a horse, correctly stapled"
COMMANDS = {
    "xai_core": [sys.executable, "-m", "xai_core", "app"],
    "python": [sys.executable, str(ROOT / "app.py")],
    "streamlit": [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")],
}


def own_address() -> str:
    """Return the address by which others reach this machine; the loopback's where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


OWN_ADDRESS = own_address()


def environment(port: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLIT_")}
    return kept | {"PYTHONPATH": str(ROOT), "STREAMLIT_SERVER_PORT": str(port)} | more


@contextmanager
def serving(command: str, folder: Path, *flags: str, **more: str) -> Iterator[int]:
    """Yield the port of a server that has said that it answers; end it as a terminal does."""
    port = free_port()
    with started([*COMMANDS[command], *flags], folder, environment(port, **more), "Ctrl+C ends it") as server:
        yield port
    assert command == "streamlit" or server.returncode == 0


@contextmanager
def started(command: list[str], folder: Path, env: dict[str, str], ready: str) -> Iterator[subprocess.Popen]:
    """Yield a process once it has printed a line with `ready`; end it as a terminal does, whatever happened."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=folder, env=env, **pipes) as process:
        try:
            said = []
            while ready not in (said or [""])[-1]:
                said.append(process.stdout.readline())
                assert said[-1], "".join(said)
            yield process
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    with serving("streamlit", tmp_path_factory.mktemp("open")) as port:
        yield port


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Return a server that asks for the password; whoever gives it a wrong one makes the next test wait."""
    with serving("python", tmp_path_factory.mktemp("guarded"), RIGHT_REASONS_PASSWORD=PASSWORD) as port:
        yield port


def ask(port: int, path: str = "/", method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    """Return the answer to one request, read; underscores in the headers' names are dashes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.text = answer.read().decode("utf-8", "replace")
        return answer
    finally:
        connection.close()


def handshake(port: int, **headers: str) -> int:
    """Return the status that a WebSocket handshake is answered with: 101 where it is accepted."""
    given = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": base64.b64encode(b"0123456789abcdef").decode(),
        "Sec_WebSocket_Protocol": "streamlit",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        names = {name.replace("_", "-"): value for name, value in (given | headers).items()}
        connection.request("GET", "/_stcore/stream", headers=names)
        return connection.getresponse().status
    finally:
        connection.close()


def basic(password: str, name: str = "Ann") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def listeners(port: int) -> set[str]:
    """Return the local addresses, as the system writes them, on which this port listens."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                found.add(local.rpartition(":")[0])
    return found


@pytest.mark.parametrize("command", ["xai_core"])
def test_it_listens_on_the_loopback_alone_whatever_the_working_directory_says(command, tmp_path):
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text(
        '[server]\naddress = "0.0.0.0"\nenableStaticServing = true\nenableCORS = false\nenableXsrfProtection = false\n'
        'allowedHosts = ["*"]\n[browser]\ngatherUsageStats = true\n'
    )
    with serving(command, tmp_path) as port:
        assert listeners(port) == {"0100007F"}
        assert ask(port, Host="evil.example").status == 400
        assert handshake(port, Origin="http://evil.example") == 403
        assert "enableCustomParentMessages" in ask(port, "/_stcore/host-config").text


def test_a_server_of_each_kind_listens_on_the_loopback_alone(open_server, guarded):
    assert listeners(open_server) == listeners(guarded) == {"0100007F"}
    if not is_loopback(OWN_ADDRESS):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((OWN_ADDRESS, open_server), timeout=5)


REFUSALS = {
    "every address": ({"STREAMLIT_SERVER_ADDRESS": "0.0.0.0"}, "or sign-in; found 0.0.0.0 without sign-in"),
    "every address, version 6": ({"STREAMLIT_SERVER_ADDRESS": "::"}, "or sign-in; found :: without sign-in"),
    "short password": ({"RIGHT_REASONS_PASSWORD": "eleven char"}, "12 or more characters; found 11 characters"),
    "empty password": ({"RIGHT_REASONS_PASSWORD": ""}, "12 or more characters; found 0 characters"),
}
FLAGS = {
    "address": (["--server.address", "0.0.0.0"], "server.address"),
    "static files": (["--server.enableStaticServing", "true"], "server.enableStaticServing"),
    "other origins": (["--server.enableCORS", "false"], "server.enableCORS"),
    "named origins": (["--server.corsAllowedOrigins", "http://evil.example"], "server.corsAllowedOrigins"),
    "no tokens": (["--server.enableXsrfProtection", "false"], "server.enableXsrfProtection"),
    "any host": (["--server.allowedHosts", "*"], "server.allowedHosts"),
    "telemetry": (["--browser.gatherUsageStats", "true"], "browser.gatherUsageStats"),
    "headers of a proxy": (["--server.trustedUserHeaders", '{"X-User": "name"}'], "server.trustedUserHeaders"),
}


def refusal(command: str, folder: Path, *flags: str, **more: str) -> str:
    """Return the one line with which the server refuses to start."""
    port = free_port()
    ended = subprocess.run(
        [*COMMANDS[command], *flags],
        cwd=folder,
        env=environment(port, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    *before, last = ended.stderr.strip().splitlines()
    assert (ended.returncode, ended.stdout) == (2, ""), ended
    # Streamlit itself warns of this one, at length
    assert not before or "server.enableCORS" in last
    assert last.startswith("error: ")
    return last


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("command", ["python", "streamlit"])
def test_it_refuses_to_be_open_in_one_line(command, case, tmp_path):
    more, said = REFUSALS[case]
    assert said in refusal(command, tmp_path, **more)


@pytest.mark.parametrize("case", FLAGS)
def test_it_refuses_flags_that_would_open_it(case, tmp_path):
    flags, named = FLAGS[case]
    assert f"error: {named}: expected" in refusal("streamlit", tmp_path, *flags)


def test_an_identity_provider_needs_the_package_that_speaks_to_it(tmp_path):
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        '[auth]\nclient_id = "x"\nredirect_uri = "http://localhost"\n'
    )
    assert "Authlib" in refusal("python", tmp_path, STREAMLIT_SERVER_ADDRESS="0.0.0.0")


def test_a_port_that_is_taken_is_one_line(tmp_path, open_server):
    said = refusal("xai_core", tmp_path, f"--port={open_server}")
    assert said.startswith(f"error: port {open_server}: expected an address and a port that are free")


def test_sign_in_opens_another_address(tmp_path):
    with serving(
        "streamlit",
        tmp_path,
        "--server.address=0.0.0.0",
        "--server.allowedHosts=127.0.0.1",
        RIGHT_REASONS_PASSWORD=PASSWORD,
    ) as port:
        assert listeners(port) == {"00000000"}
        assert ask(port).status == 401
        assert ask(port, Authorization=basic(PASSWORD)).status == 200


def test_another_server_told_to_listen_everywhere_answers_nobody_outside(tmp_path):
    if is_loopback(OWN_ADDRESS):
        pytest.skip("this machine has no other address than the loopback's")
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "app:app",
        "--app-dir",
        str(ROOT),
        "--host",
        "0.0.0.0",
        f"--port={port}",
    ]
    with started(command, tmp_path, environment(port), "Uvicorn running on"):
        for address, status in ((OWN_ADDRESS, 403), ("127.0.0.1", 200)):
            connection = http.client.HTTPConnection(address, port, timeout=30)
            connection.request("GET", "/", headers={"Host": "localhost"})
            assert connection.getresponse().status == status
            connection.close()


def test_pages_carry_the_headers_that_keep_them_to_themselves(open_server):
    for path in ("/", "/explore", "/_stcore/health", "/media/none.png"):
        answer = ask(open_server, path)
        policy = answer.headers["Content-Security-Policy"]
        assert "connect-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers.get_all("Cache-Control") == ["no-store"], path
    refused = ask(open_server, Host="evil.example")
    assert refused.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.0.2.1", "", "127.0.0.1@evil.example"])
def test_a_foreign_host_is_refused(open_server, host):
    assert ask(open_server, Host=host).status == 400
    assert handshake(open_server, Host=host, Origin=f"http://{host}") in (400, 403)


def test_a_foreign_origin_gets_nothing(open_server):
    assert handshake(open_server, Origin=f"http://127.0.0.1:{open_server}") == 101
    for origin in (
        "http://evil.example",
        f"http://127.0.0.1:{open_server + 1}",
        f"http://localhost:{open_server}",
        "null",
    ):
        assert handshake(open_server, Origin=origin) == 403
        assert ask(open_server, Origin=origin).status == 403


@pytest.mark.parametrize(
    "path", ["/_stcore/metrics", "/_stcore/metrics/", "/jobs/_stcore/metrics", "/_stcore/%6detrics"]
)
def test_metrics_are_refused(open_server, path):
    answer = ask(open_server, path)
    assert answer.status == 404
    assert answer.text == "Not here."


def test_uploads_are_refused(open_server):
    assert ask(open_server, "/_stcore/upload_file/a/b", "PUT").status == 404


PATHS = ("/", "/jobs", "/_stcore/health", "/_stcore/host-config", "/media/none.png", "/static/none.js", "/component/x")


@pytest.mark.parametrize("path", PATHS)
def test_without_the_password_nothing_is_answered(guarded, path):
    answer = ask(guarded, path)
    assert (answer.status, answer.text) == (401, "Sign in.")
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert ask(guarded, path, Cookie="right_reasons=Ann.").status == 401
    assert ask(guarded, path, Cookie="right_reasons=.; right_reasons=Ann.00ff").status == 401


def test_the_socket_needs_the_password_too(guarded):
    here = f"http://127.0.0.1:{guarded}"
    assert handshake(guarded, Origin=here) == 401
    assert handshake(guarded, Origin=here, Authorization=basic(PASSWORD)) == 101
    cookie = ask(guarded, Authorization=basic(PASSWORD)).headers["Set-Cookie"]
    assert "HttpOnly; SameSite=Strict" in cookie
    cookie = cookie.partition(";")[0]
    assert handshake(guarded, Origin=here, Cookie=cookie) == 101
    assert handshake(guarded, Origin="http://evil.example", Cookie=cookie) == 403
    assert handshake(guarded, Origin=here, Cookie=cookie.replace("Ann", "Bob")) == 401


@pytest.mark.parametrize("name", ["", "Ann", "Zoë Müller", 'a.b; c=d, "e"', "x" * 200])
def test_any_user_name_will_do_and_the_cookie_holds_it(guarded, name):
    answer = ask(guarded, Authorization=basic(PASSWORD, name))
    assert answer.status == 200
    assert ask(guarded, Cookie=answer.headers["Set-Cookie"].partition(";")[0]).status == 200


def test_wrong_passwords_say_nothing_and_are_slowed_down(tmp_path):
    with serving("python", tmp_path, RIGHT_REASONS_PASSWORD=PASSWORD) as port:
        cookie = ask(port, Authorization=basic(PASSWORD)).headers["Set-Cookie"].partition(";")[0]
        wrong = [PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper()]
        assert {ask(port, Authorization=basic(text)).text for text in wrong} == {"Sign in."}
        for given in (wrong[0], PASSWORD):  # right or wrong makes no difference now
            answer = ask(port, Authorization=basic(given))
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) >= 1
        assert ask(port, Cookie=cookie).status == 200  # whoever is in stays in


@pytest.mark.parametrize("headers", [("Basic", "Basic !!!", "Basic QQ"), ("Bearer x", "", "Basic " + "A" * 5000)])
def test_a_header_that_makes_no_sense_is_a_wrong_password(tmp_path, headers):
    with serving("python", tmp_path, RIGHT_REASONS_PASSWORD=PASSWORD) as port:
        assert [ask(port, Authorization=header).status for header in headers] == [401] * len(headers)


def test_patience_doubles_to_a_bound_and_forgets():
    now = [100.0]
    patience = Patience(clock=lambda: now[0])
    waits = []
    for _ in range(12):
        patience.failed("a")
        waits.append(patience.wait("a"))
    assert waits == [0.0] * (FREE - 1) + [min(2.0**k, LONGEST) for k in range(12 - FREE + 1)]
    assert patience.wait("b") == 0
    now[0] += LONGEST
    assert patience.wait("a") == 0
    for k in range(REMEMBERED):
        patience.failed(str(k))
    assert len(patience.failures) == REMEMBERED
    patience.passed("1")
    assert "1" not in patience.failures


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        *[(address, True) for address in ("127.0.0.1", "127.8.8.8", "::1", "localhost")],
        *[(address, False) for address in ("0.0.0.0", "::", None, "", "192.0.2.1", "example.org", "unix:///x")],
    ],
)
def test_which_addresses_only_this_machine_reaches(address, expected):
    assert is_loopback(address) is expected


def test_a_page_asks_nobody_outside(open_server, page):
    opened = page(f"http://localhost:{open_server}/")
    opened.get_by_text("Overview", exact=True).first.wait_for()


def test_a_browser_signs_in_and_its_socket_follows(guarded, browser):
    context = browser.new_context(http_credentials={"username": "Ann", "password": PASSWORD})
    opened = context.new_page()
    opened.goto(f"http://127.0.0.1:{guarded}/jobs")
    opened.get_by_role("button", name="Start").first.wait_for()
    context.close()


LAUNCHER = """
from pathlib import Path
import streamlit as st
from xai_core.ui import server
settings = server.settle(Path(__file__), own=True)
app = st.App(Path("main.py").resolve(), lifespan=server.lifespan, middleware=server.middleware())
app.run(config=settings)
"""
SCRIPT = """
import streamlit as st
from xai_core.ui import sign_in
sign_in.require()
st.text(f"[{sign_in.reviewer()}] {'Authorization' in st.context.headers}")
"""


def test_the_page_knows_the_reviewer_and_never_the_password(tmp_path, browser):
    (tmp_path / "app.py").write_text(LAUNCHER)
    (tmp_path / "main.py").write_text(SCRIPT)
    settings = {
        "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
        "RIGHT_REASONS_PASSWORD": PASSWORD,
    }
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text('[server]\nallowedHosts = ["127.0.0.1"]\nheadless = true\n')
    port = free_port()
    with started([sys.executable, "app.py"], tmp_path, environment(port, **settings), "Ctrl+C ends it"):
        context = browser.new_context(
            http_credentials={"username": "Zoë Müller", "password": PASSWORD},
            extra_http_headers={"X-Right-Reasons-Reviewer": "Mallory"},
        )
        opened = context.new_page()
        opened.goto(f"http://127.0.0.1:{port}/")
        opened.get_by_text("[Zoë Müller] False").wait_for()
        context.close()


def test_a_server_that_nothing_guards_shows_no_page(tmp_path, browser):
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(ROOT / "xai_core" / "ui" / "main.py"),
        "--server.headless=true",
    ]
    quiet = ["--server.address=127.0.0.1", "--browser.gatherUsageStats=false"]
    with started([*command, *quiet], tmp_path, environment(port), "URL:"):
        opened = browser.new_page()
        opened.goto(f"http://127.0.0.1:{port}/")
        opened.get_by_text("nothing guards it").wait_for()
        assert not opened.get_by_text("records").count()
        opened.context.close()

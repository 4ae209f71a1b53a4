"""A server on loopback, in a process of its own, that speaks OpenAI's chat completions as well or badly as it is told.

``python chat_server.py`` prints its port. ``POST /plan`` with ``{"steps": [...]}`` says what the first, second, ... and
every further request about one picture gets; ``GET /seen`` says what came, ``POST /release`` lets go what is held.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections import defaultdict
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = "<judgement><description>{0}</description><justification>It is so.</justification><score>4</score></judgement>"
AT_ONCE = 16
LONGEST = 60


class State:
    """What the server was told to do, and what it has seen."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.plan({"steps": ["ok"]})

    def plan(self, told: dict) -> None:
        with self.lock:
            self.steps, self.answer_only = told["steps"], told.get("answer_only")
            self.asked, self.answered = defaultdict(int), defaultdict(int)
            self.bodies, self.headers = [], []
            self.now = self.most = 0
            self.released = threading.Event()
            self.together = threading.Barrier(AT_ONCE)

    def seen(self) -> dict:
        with self.lock:
            return {name: getattr(self, name) for name in ("asked", "answered", "bodies", "headers", "most", "now")}


class Handler(BaseHTTPRequestHandler):
    """Answers as planned."""

    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send(200, json.dumps(self.state.seen()).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if self.path == "/plan":
            self.state.plan(body)
            return self.send(200, b"{}")
        if self.path == "/release":
            self.state.released.set()
            return self.send(200, b"{}")
        source = body["messages"][0]["content"][0]["image_url"]["url"]
        picture = hashlib.sha256(source.encode()).hexdigest()[:12]
        with self.state.lock:
            state = self.state
            step = state.steps[min(state.asked[picture], len(state.steps) - 1)]
            state.asked[picture] += 1
            state.bodies.append({"path": self.path, **body})
            state.headers.append(dict(self.headers))
            state.now += 1
            state.most = max(state.most, state.now)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.act(step, body, picture)
        finally:
            with state.lock:
                state.now -= 1
        return None

    def act(self, step: str, body: dict, picture: str) -> None:
        known = {
            "garbage": b"\xff\xfe\x00 no JSON",
            "wrong": b'{"choices": []}',
            "deep": b"[" * 100_000,
            "list": b"[1]",
        }
        if step.isdigit():
            self.send(int(step), b'{"error": {"message": "so it is"}}', **{"Location": "http://192.0.2.1/v1"})
        elif step.startswith("429 "):
            after = step.removeprefix("429 ")
            self.send(429, b"{}", **{"Retry-After": formatdate(usegmt=True) if after == "date" else after})
        elif step in known:
            self.send(200, known[step])
        elif step == "cut":
            self.send(200, b'{"choices": [{"mess', length=4000)
            self.close_connection = True
        elif step == "die":
            os._exit(1)
        elif step == "hold":
            self.state.released.wait(LONGEST)
        elif step == "drip":
            self.drip()
        elif step.startswith("without ") and (part := step.removeprefix("without ")) in body:
            self.send(400, json.dumps({"error": {"message": f"Unsupported parameter: '{part}'."}}).encode())
        elif step == "no schema" and "response_format" in body:
            self.send(400, b'{"detail": "grammar"}')
        elif step == "echo error":
            self.send(400, json.dumps({"error": {"message": self.headers["Authorization"]}}).encode())
        else:
            self.say(step, body, picture)

    def say(self, step: str, body: dict, picture: str) -> None:
        if step == "together":
            self.state.together.wait(LONGEST)
        text = TEXT.format(self.headers["Authorization"] if step == "echo" else picture)
        if step == "json" and "response_format" in body:
            text = json.dumps({"description": picture, "justification": "It is so.", "score": 4})
        message = {"role": "assistant", "content": None if step == "silent" else text}
        if step == "parts":
            message["content"] = [{"type": "text", "text": text}]
        with self.state.lock:
            only = self.state.answer_only
            held = only is not None and len(self.state.answered) >= only
            if not held:
                self.state.answered[picture] += 1
        if held:
            self.state.released.wait(LONGEST)
            return
        self.send(200, json.dumps({"choices": [{"message": message}], "usage": {"total_tokens": 77}}).encode())

    def drip(self) -> None:
        self.send(200, b"", length=100_000)
        while not self.state.released.wait(0.02):
            self.wfile.write(b" ")
            self.wfile.flush()

    def send(self, status: int, data: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(length or len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        pass


class ChatServer:
    """The server's process, seen from a test."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.root = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        self.url = f"{self.root}/v1"

    def plan(self, *steps: str, answer_only: int | None = None) -> None:
        self._speak("/plan", {"steps": steps, "answer_only": answer_only})

    def release(self) -> None:
        self._speak("/release", {})

    def seen(self) -> dict:
        return self._speak("/seen", None)

    def stop(self) -> None:
        self.process.stdin.close()  # ends it, whatever it holds
        self.process.wait(10)
        self.process.stdout.close()

    def _speak(self, path: str, told: dict | None) -> dict:
        data = None if told is None else json.dumps(told).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(self.root + path, data), timeout=20) as response:
            return json.loads(response.read())


def main() -> None:
    Handler.state = State()
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()  # until the test closes it, or is gone


if __name__ == "__main__":
    main()

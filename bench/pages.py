"""What a reader waits for: real Chromium against the real server, from the gesture to the picture on the screen."""

from __future__ import annotations

import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# in the order of the data: each filter then shows other records, and a page as many pictures as it has tiles
START = "explore?run=runs/big&sort=Data+set+order"
CHROMIUM = "/usr/bin/chromium-headless-shell"
LONGEST_MS = 60_000
# Watches, from inside the page and in step with its frames, what the gallery or the viewer shows. `arm` notes what is
# there; the clock starts at the next pointerup or key, and stops in the frame after other pictures, all decoded, are on
# the screen, and again after those below its edge are there too.
WATCH = """
(() => {
  const within = (key) => {
    const hosts = document.querySelectorAll(`.st-key-${key} *`);
    for (const host of hosts) if (host.shadowRoot) return host.shadowRoot;
    return document.querySelector(`.st-key-${key}`);
  };
  // of the tile: asking where a picture itself is would make the browser lay out tiles that nobody sees
  const seen = (one) => (one.closest(".tile") ?? one).getBoundingClientRect().top < innerHeight;
  const pictures = (root, everywhere) =>
    [...root.querySelectorAll("img, image")].filter((one) => everywhere || seen(one));
  const decoded = (picture) => picture.tagName !== "IMG" || (picture.complete && picture.naturalWidth > 0);
  const name = (picture) => picture.alt || (picture.getAttribute("href") ?? "").slice(-40);
  const shown = (everywhere = false) => {
    for (const key of ["viewer", "gallery"]) {
      const root = within(key);
      const there = root ? pictures(root, everywhere) : [];
      if (there.length && there.every(decoded)) return key + there.map(name).join();
    }
    return "";
  };
  const clock = { before: "", began: null, ended: null, whole: null };
  const start = (event) => { if (clock.before && clock.began === null) clock.began = event.timeStamp; };
  for (const kind of ["pointerup", "keydown"]) window.addEventListener(kind, start, true);
  const look = () => {
    if (clock.began !== null && clock.whole === null) {
      const end = clock.ended === null ? "ended" : "whole";
      const now = shown(end === "whole");
      if (now && !now.startsWith(clock.before)) requestAnimationFrame(() => { clock[end] ??= performance.now(); });
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  window.bench = {
    shown,
    arm: () => { Object.assign(clock, { before: shown(), began: null, ended: null, whole: null }); },
    taken: () => clock.whole && [clock.ended - clock.began, clock.whole - clock.began],
  };
})();
"""


def measure(folder: Path, actions: int) -> dict:
    """Return what each action takes in a server over ``folder/runs``: milliseconds, bytes, and the server's memory.

    Times are from the gesture to the frame in which other pictures are on the screen, in the gallery or the viewer, all
    decoded; `whole` to that in which those below the edge of the screen are too.
    """
    from playwright.sync_api import sync_playwright

    port = _free_port()
    started = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "STREAMLIT_SERVER_PORT": str(port)}
    log = (folder / "server.log").open("w")
    command = [sys.executable, str(ROOT / "app.py")]
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_until_healthy(server, port)
        healthy = time.perf_counter() - started
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            figures = _Session(browser, f"http://127.0.0.1:{port}/{START}", server.pid).run(actions)
            browser.close()
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()
    return {"server_answers_s": round(healthy, 2)} | figures


class _Session:
    """One reader with one page."""

    def __init__(self, browser, url: str, server: int) -> None:
        self.browser, self.url, self.server = browser, url, server
        self.received = self.sent = 0

    def run(self, actions: int) -> dict:
        memory = _memory(self.server)
        first = self._open()
        figures = {"memory_mb_at_start": memory, "first_page": first, "memory_mb_first_page": _memory(self.server)}
        self.page.close()
        figures["second_reader"] = self._open()
        figures["records"] = self.page.get_by_text(re.compile(r"records pass the filters")).first.inner_text()
        figures["actions"] = {
            name: self._repeated(act, actions)
            for name, act in {
                "brush": self._brush,
                "bar_click": self._bar,
                "matrix_cell": self._cell,
                "next_page": self._next_page,
                "open_case": self._open_case,
                "next_case": self._next_case,
            }.items()
        }
        return figures | {"memory_mb_at_end": _memory(self.server)}

    def _open(self) -> dict:
        """Return how long a new page takes until its gallery stands, in a browser that has nothing stored."""
        self.page = self.browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        self.page.add_init_script(WATCH)
        self.page.on("websocket", self._listen)
        self.received = self.sent = 0
        began = time.perf_counter()
        self.page.goto(self.url)
        self.page.wait_for_function("() => window.bench.shown()", timeout=10 * LONGEST_MS)
        took = time.perf_counter() - began
        self._settle()
        return {"s": round(took, 2), "kilobytes_received": round(self.received / 1000, 1)}

    def _repeated(self, act: Callable[[int], None], actions: int) -> dict:
        self.page.close()
        self._open()  # without the filters of the actions before
        times, wholes, received, sent = [], [], [], []
        for turn in range(actions):
            self._settle()
            self.received = self.sent = 0
            self.page.evaluate("() => window.bench.arm()")
            act(turn)
            self.page.wait_for_function("() => window.bench.taken()", timeout=LONGEST_MS)
            taken, whole = self.page.evaluate("() => window.bench.taken()")
            times.append(taken)
            wholes.append(whole)
            self._settle()
            received.append(self.received / 1000)
            sent.append(self.sent / 1000)
        return {
            "median_ms": round(statistics.median(times)),
            "longest_ms": round(max(times)),
            "whole_median_ms": round(statistics.median(wholes)),
            "kilobytes_received": round(statistics.median(received), 1),
            "kilobytes_sent": round(statistics.median(sent), 2),
        }

    def _settle(self) -> None:
        """Wait until the server has finished the page."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=LONGEST_MS)
        self.page.wait_for_timeout(150)

    def _listen(self, socket_) -> None:
        socket_.on("framereceived", lambda frame: self._count("received", frame))
        socket_.on("framesent", lambda frame: self._count("sent", frame))

    def _count(self, name: str, frame: bytes | str) -> None:
        setattr(self, name, getattr(self, name) + len(frame))

    def _chart(self) -> tuple[float, float, float, float]:
        box = self.page.locator(".st-key-histogram_ground_truth_coverage svg.chart").first.bounding_box()
        return box["x"], box["y"] + box["height"] / 2, box["width"], box["height"]

    def _brush(self, turn: int) -> None:
        left, middle, width, _ = self._chart()
        self.page.mouse.move(left + width * (0.15 + 0.05 * turn), middle)
        self.page.mouse.down()
        self.page.mouse.move(left + width * (0.45 + 0.05 * turn), middle, steps=4)
        self.page.mouse.up()

    def _bar(self, turn: int) -> None:
        left, middle, width, _ = self._chart()
        self.page.mouse.click(left + width * (0.9 - 0.07 * turn), middle)

    def _cell(self, turn: int) -> None:
        self.page.locator(".st-key-matrix td button").nth((turn + 1) % 4).click()

    def _next_page(self, turn: int) -> None:
        self.page.locator(".st-key-page button").last.click()

    def _open_case(self, turn: int) -> None:
        if self.page.locator(".st-key-close button").count():
            self._change_to("gallery", lambda: self.page.keyboard.press("Escape"))
        self.page.locator(".st-key-gallery .tile").nth(3 * turn + 1).click()

    def _next_case(self, turn: int) -> None:
        if not self.page.locator(".st-key-close button").count():
            self._change_to("viewer", self.page.locator(".st-key-gallery .tile").nth(1).click)
        self.page.keyboard.press("ArrowRight")

    def _change_to(self, view: str, act: Callable[[], None]) -> None:
        """Do what leads to the place of an action, and forget what it took."""
        act()
        self.page.wait_for_function(f"() => window.bench.shown().startsWith('{view}')", timeout=LONGEST_MS)
        self._settle()
        self.page.evaluate("() => window.bench.arm()")
        self.received = self.sent = 0


def _memory(process: int) -> float:
    """Return the resident memory of a process and its children in megabytes."""
    status = Path(f"/proc/{process}/status").read_text()
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    own = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1000
    return round(own + sum(_memory(int(child)) for child in children))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_until_healthy(server: subprocess.Popen, port: int) -> None:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    raise RuntimeError("the server did not start: see server.log")

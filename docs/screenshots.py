"""Pictures of every page from the sample data, for the README: ``python docs/screenshots.py`` (needs Chromium)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PORT = 8765
RUN = "run=sample_data/runs/grad_cam/predicted"
PAGES = {
    "overview": f"/?{RUN}",
    "explore": f"/explore?{RUN}&chance=true",
    "case": f"/explore?{RUN}&label=malignant&outcome=Wrong&case=synthetic_7_00234",
    "language": f"/language?{RUN}",
    "jobs": f"/jobs?{RUN}",
}
LOOKS = {"light": (1440, 900, "light"), "dark": (1440, 900, "dark"), "1024": (1024, 768, "light")}


def main() -> None:
    """Photograph the pages in every look, in a fresh clone in which the judge without a model has spoken."""
    with tempfile.TemporaryDirectory() as clone, sync_playwright() as playwright:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), clone], check=True)
        judge = [sys.executable, "-m", "xai_core", "judge", RUN.partition("=")[2], "--judge", "measured"]
        subprocess.run(judge, cwd=clone, check=True, stdout=subprocess.DEVNULL)
        command = [sys.executable, "-m", "xai_core", "app", "--port", str(PORT)]
        server = subprocess.Popen(command, cwd=clone, env={"PATH": "/usr/bin:/bin"})
        try:
            _wait()
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for look, (width, height, scheme) in LOOKS.items():
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
                for name, address in PAGES.items():
                    _photograph(context.new_page(), address, ROOT / "docs" / f"{name}-{look}.png")
        finally:
            server.terminate()
            server.wait()


def _wait() -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/_stcore/health")
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the app did not answer")


def _photograph(page: Page, address: str, path: Path) -> None:
    page.goto(f"http://127.0.0.1:{PORT}{address}")
    page.get_by_text("It is no diagnosis").wait_for(timeout=60_000)
    page.locator('[data-test-script-state="notRunning"]').wait_for(timeout=60_000)
    page.wait_for_function("""!document.querySelector('[data-testid="stSkeleton"]')""", timeout=60_000)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1000)
    page.screenshot(path=path)


if __name__ == "__main__":
    main()

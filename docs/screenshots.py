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
CHROMIUM = "/usr/bin/chromium-headless-shell"
DEMO, SECOND = "sample_data/runs/grad_cam/predicted", "runs/second"
RECIPE = "--pathway scratch --lr 0.003 --patience 0 --threads 2"
# what the sample data does not ship: judgements, a second candidate with a review set and an archive, a track
MADE = (
    f"judge {DEMO} --judge measured",
    f"train sample --arch test_resnet --size 192 --fit squash --epochs 8 {RECIPE} --out models/second",
    f"explain sample --split test --model models/second --method grad_cam --target predicted --out {SECOND}",
    f"review-set {DEMO} {SECOND} --out review.json",
    f"probe {DEMO} {SECOND} --limit 8",
    f"reliance {DEMO} {SECOND}",
    f"archive add {DEMO} --review-set review.json",
    f"archive add {SECOND} --review-set review.json",
    f"train strokes:strokes --arch test_resnet?output_stride=8 --size 64 --fit squash --epochs 10 --batch-size 16 "
    f"--augmentation 0 --orientation fixed --checkpoints 12 {RECIPE} --out models/strokes",
    "i2x fit strokes:strokes --model models/strokes --split train --prototypes 14 --out tracks/strokes",
    "i2x show tracks/strokes",
)
PAGES = {
    "overview": f"/?run={DEMO}",
    "explore": f"/explore?run={DEMO}&chance=true",
    "case": f"/explore?run={DEMO}&label=malignant&outcome=Wrong&case=synthetic_7_00234",
    "compare": f"/compare?run={DEMO}&with={SECOND}&items=review.json",
    "review": f"/review?review_set=review.json&candidate={DEMO}&candidate={SECOND}",
    "gate": f"/gate?run={SECOND}&baseline={DEMO}",
    "history": f"/history?run={SECOND}",
    "structure": "/structure?track=tracks/strokes",
    "language": f"/language?run={DEMO}",
    "jobs": f"/jobs?run={DEMO}",
}
LOOKS = {"light": (1440, 900, "light"), "dark": (1440, 900, "dark"), "1024": (1024, 768, "light")}


def main() -> None:
    """Photograph the pages in every look, in a fresh clone in which a reader has done what each page is for."""
    with tempfile.TemporaryDirectory() as clone, sync_playwright() as playwright:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), clone], check=True)
        for command in MADE:
            print(command, flush=True)
            subprocess.run(
                [sys.executable, "-m", "xai_core", *command.split()], cwd=clone, check=True, stdout=subprocess.DEVNULL
            )
        command = [sys.executable, "-m", "xai_core", "app", "--port", str(PORT)]
        server = subprocess.Popen(command, cwd=clone, env={"PATH": "/usr/bin:/bin"})
        try:
            _wait()
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
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
    if address.startswith("/review"):
        page.get_by_label("Reviewer").fill("Dr Ada")
        page.get_by_label("Reviewer").press("Enter")
        page.locator(".st-key-blind_viewer img").first.wait_for()
    page.get_by_text("It is no diagnosis").wait_for(timeout=60_000)
    page.locator('[data-test-script-state="notRunning"]').wait_for(timeout=60_000)
    page.wait_for_function("""!document.querySelector('[data-testid="stSkeleton"]')""", timeout=60_000)
    page.wait_for_timeout(3000)
    page.screenshot(path=path)


if __name__ == "__main__":
    main()

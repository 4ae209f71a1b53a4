"""The whole way of a release on synthetic lesions, by the command line: honest candidates, and one taught a shortcut.

`python -m tests.release_workflow SEED ...` prints the table for any seeds.

A patch lies in every benign image of the held-out part, as it would where a clinic's habit got into all of its data.
Three candidates are trained on the same lesions: `clean` never saw a patch; `either` saw it in half of the images of
either class, where it tells nothing; `planted` saw it in every benign image.

Two policies judge them. The numbers of `CALIBRATED` were fixed on the data of seed `CALIBRATION` alone:

* AUC there, on the held-out part: clean 0.558, either 0.810, planted 1.000. `clean` takes the patch's colours, which it
  never saw, for malignancy: it was foreseen to fail by its metric, and `either` is the honest one that may pass.
  The metric's floor is 0.6: better than chance by a margin, by the interval's lower end.
* Mean explanation coverage above chance, on the items: either 0.144, planted -0.081. The floor is half-way, 0.03; the
  mean itself decides, for 30 items give an interval of 0.12 to either side.
* 15 epochs on images of 64 pixels: the planted candidate called every validation image rightly from the eighth on.

On the first lesions it decided on, those of `DECIDING`, it let the planted candidate pass: 0.041, with an interval from
-0.048 to 0.134. It was left as it is. `SHIPPED`, the rules and numbers of sample_data/policy.toml that need no
baseline, by the interval's lower end, was taken up after that and before the figures of `MORE` were seen.

What came out, means above chance (planted: evidence in the patch; area 0.12 to 0.14):

=====  ======  =======  =====  =========================  ==========================
seed   either  planted  patch  calibrated passes          shipped passes
=====  ======  =======  =====  =========================  ==========================
7       0.304    0.041  0.694  either, planted            either
9       0.090   -0.003  0.646  either                     either
10      0.068   -0.003  0.636  either                     none
11      0.070   -0.044  0.618  either                     none
12      0.114    0.170  0.662  either, planted            planted
=====  ======  =======  =====  =========================  ==========================

So mean explanation coverage over 30 items does not reliably stop this shortcut, and a stricter rule stops the honest
candidate too; where the evidence lies inside the patch the shortcut shows on every seed. Nothing was tuned to hide it.
On seed 12, over the whole held-out part, the planted candidate's mean is -0.08 for benign images and 0.40 for malignant
ones: the shortcut is in one class alone, and a mean over both hides it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np

from xai_core.cli import main
from xai_core.cli.output import table
from xai_core.datasets import synthetic
from xai_core.files import read_json
from xai_core.geometry import Frame
from xai_core.runs import Run, open_run
from xai_core.runs.scoring import heatmaps_of

CALIBRATION, DECIDING, MORE = 8, 7, (9, 10, 11, 12)
CLEAN, EITHER, PLANTED = CANDIDATES = ("clean", "either", "planted")
CALIBRATED = """
name = "Calibrated on other lesions"
randomisation_check = "ignored"
[[metric]]
metric = "auc"
floor = 0.6
[[explanation]]
score = "explanation_coverage"
floor = 0.03
decides = "point"
"""
SHIPPED = """
name = "Rules of the shipped example that need no baseline"
randomisation_check = "ignored"
[[metric]]
metric = "auc"
floor = 0.65
[[explanation]]
score = "explanation_coverage"
floor = 0.0
[[explanation]]
score = "explanation_coverage"
item_passes_from = 0.0
least_share = 0.5
decides = "point"
"""
POLICIES = {"calibrated": CALIBRATED, "shipped": SHIPPED}
OPTIONS = "classes=benign,malignant&positive=malignant&bands=lesions&synthetic=true"
# a stride of 8 gives heatmaps of 8 x 8
RECIPE = {
    "arch": "test_resnet?output_stride=8",
    "pathway": "scratch",
    "size": 64,
    "fit": "squash",
    "epochs": 15,
    "lr": 0.003,
    "augmentation": 0.4,
    "patience": 0,
    "threads": 1,
    "checkpoints": 0,
}


def said(*command: object) -> tuple[int, str]:
    """Return a command's exit code and what it printed."""
    printed, told = StringIO(), StringIO()
    with redirect_stdout(printed), redirect_stderr(told):
        code = main([str(part) for part in command])
    return code, printed.getvalue() or told.getvalue()


def done(*command: object) -> str:
    """Return what a command printed, after it ended well."""
    code, printed = said(*command)
    assert code == 0, f"{' '.join(map(str, command))}: {printed}"
    return printed


class Workflow:
    """One seed's data, candidates, runs and judgements, in a folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self.runs = folder, seed, {}
        self.items = folder / "items.json"
        for name, text in POLICIES.items():
            (folder / f"{name}.toml").write_text(text)
        self.data = self._data()

    def _data(self) -> dict[str, str]:
        """Return each candidate's data set, all of the same lesions."""
        clean = f"table:{synthetic.write(self.folder / CLEAN, 300, self.seed, False, (72, 96))}?{OPTIONS}"
        plant = ("plant", clean, "--seed", self.seed, "--splits", "train,validation,test", "--out")
        both = ("--class", "benign", "--class", "malignant", "--share", 0.5)
        either = done(*plant, self.folder / EITHER, *both).strip()
        return {CLEAN: clean, EITHER: either, PLANTED: done(*plant, self.folder / PLANTED).strip()}

    def train(self, name: str, data: str, **changes: object) -> None:
        """Train a candidate."""
        flags = [part for key, value in (RECIPE | changes).items() for part in (f"--{key}", value)]
        done("train", self.data[data], "--out", self.folder / "models" / name, "--seed", self.seed, *flags)

    def explain(self, name: str, split: str = "test") -> Run:
        """Return a candidate's run over the planted data: Grad-CAM for the class that is called, the default."""
        out = self.folder / "runs" / split / name
        settings = ("--method", "grad_cam", "--target", "predicted", "--split", split, "--threads", 1, "--workers", 0)
        done("explain", self.data[PLANTED], "--model", self.folder / "models" / name, "--out", out, *settings)
        return open_run(out)

    def prepare(self) -> Workflow:
        """Return this after training and explaining every candidate, and choosing the items from all their runs."""
        for name in CANDIDATES:
            self.train(name, name)
        self.runs = {name: self.explain(name) for name in CANDIDATES}
        done("review-set", *(run.folder for run in self.runs.values()), "--out", self.items)
        return self

    def gate(self, run: Run, policy: str) -> tuple[int, dict]:
        """Return the gate's exit code and result under a policy of `POLICIES`; the result is kept as well."""
        out, rules = self.folder / f"gate-{run.folder.name}.json", self.folder / f"{policy}.toml"
        code, _ = said("gate", run.folder, "--review-set", self.items, "--policy", rules, "--out", out)
        return code, read_json(out)


def auc_of(run: Run) -> float:
    """Return what `summary` says of a run's AUC."""
    return json.loads(done("summary", run.folder, "--json"))["metrics"]["auc"]["value"]


def in_patch(run: Run) -> tuple[float, float]:
    """Return the mean share of the evidence inside the patch, and of the frame's area, over images with one."""
    records = run.records().set_index("sample_id")
    frame = Frame(**run.settings["frame"] | {"size": tuple(run.settings["frame"]["size"])})
    shares, areas = [], []
    for row in run.maps():
        record, heat = records.loc[row["sample_id"]], heatmaps_of(run, [row])[0]
        if record["meta_planted"] and heat.sum() > 0:
            drawn = np.zeros((record["height"], record["width"]), bool)
            left, top, right, bottom = (int(record[f"meta_planted_{at}"]) for at in ("xmin", "ymin", "xmax", "ymax"))
            drawn[top:bottom, left:right] = True
            inside = frame.place(drawn.shape).mask(drawn)
            shares.append(heat[inside].sum() / heat.sum())
            areas.append(inside.mean())
    return float(np.mean(shares)), float(np.mean(areas))


def coverage_of(result: dict) -> dict:
    """Return what the gate found of explanation coverage."""
    return next(rule for rule in result["rules"] if rule["name"].startswith("explanation_coverage"))


COLUMNS = (
    "seed",
    "candidate",
    "AUC validation",
    "AUC test",
    "EC above chance",
    "interval",
    "in patch",
    "area",
    *POLICIES,
)


def rows(work: Workflow) -> list[tuple]:
    """Return a row of `COLUMNS` for each candidate."""
    found = []
    for name, run in work.runs.items():
        results = [work.gate(run, policy)[1] for policy in POLICIES]
        coverage, (share, area) = coverage_of(results[0]), in_patch(run)
        aucs = (auc_of(work.explain(name, "validation")), auc_of(run))
        numbers = [f"{number:.3f}" for number in (*aucs, coverage["figure"])]
        within = f"{coverage['low']:.3f} to {coverage['high']:.3f}"
        verdicts = (result["verdict"] for result in results)
        found.append((work.seed, name, *numbers, within, f"{share:.3f}", f"{area:.3f}", *verdicts))
    return found


if __name__ == "__main__":
    for seed in map(int, sys.argv[1:]):
        started = time.process_time()
        with tempfile.TemporaryDirectory() as root:
            print(table(COLUMNS, rows(Workflow(Path(root), seed).prepare())))
        print(f"{time.process_time() - started:.0f} s of one core", flush=True)

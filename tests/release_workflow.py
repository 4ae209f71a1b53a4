"""The whole way of a release on synthetic lesions, by the command line: honest candidates, and one taught a shortcut.

`python -m tests.release_workflow SEED ...` prints the table for any seeds.

A patch lies in every benign image of the held-out part, as it would where a clinic's habit got into all of its data.
Three candidates are trained on the same lesions: `clean` never saw a patch; `either` saw it in half of the images of
either class, where it tells nothing; `planted` saw it in every benign image.

The numbers of the policies were fixed on the data of seed `CALIBRATION` alone, before the others were drawn:

* The metric's floor is 0.6 (0.65 in `strict`): better than chance by a margin, by the interval's lower end.
* `mean` and `strict` are the rules of an earlier try, kept as they were: on seeds 7 and 9 to 12 `mean` let the planted
  candidate pass twice, and `strict` stopped the honest one three times and let the planted one pass once. On one of
  those seeds the planted candidate's mean was -0.08 for benign images and 0.40 for malignant ones: the shortcut is in
  one class alone, and a mean over both hides it. So the next two were devised, after that was seen.
* `by class`: explanation coverage above chance, lowest class: either -0.028, planted -0.117; the floor is half-way.
* `reliance`: the same, and the AUC by the region alone minus that by the surroundings alone, of the lower fill: either
  0.182, planted -0.411; the floor is half-way.
* 15 epochs on images of 64 pixels: the planted candidate called every validation image rightly from the eighth on.

What came out on lesions that nobody had looked at, with nothing changed after: AUC on the held-out part, explanation
coverage above chance as a mean and by class (benign, malignant), reliance by the lower fill, and the four verdicts
(stop: by explanations; metric; both). `clean` fails by its metric on all five.

====  =========  =====  ======  ===========  ========  =========  ======  ========  ========
seed  candidate  AUC    mean    by class     reliance  by a mean  strict  by class  reliance
====  =========  =====  ======  ===========  ========  =========  ======  ========  ========
21    either     0.807  0.193   +0.05 +0.33  +0.51     pass       pass    pass      pass
21    planted    1.000  0.148   -0.12 +0.40  -0.19     pass       pass    stop      stop
22    either     0.754  0.060   -0.02 +0.16  +0.31     pass       both    pass      pass
22    planted    1.000  0.024   -0.10 +0.18  -0.23     stop       stop    stop      stop
23    either     0.802  0.217   +0.24 +0.19  +0.30     pass       pass    pass      pass
23    planted    1.000  0.030   -0.11 +0.23  -0.28     stop       stop    stop      stop
24    either     0.653  0.184   +0.13 +0.26  +0.41     metric     metric  metric    metric
24    planted    0.996  -0.037  -0.14 +0.11  -0.37     stop       stop    stop      stop
25    either     0.784  0.119   +0.04 +0.22  +0.10     pass       stop    pass      pass
25    planted    1.000  0.111   -0.13 +0.43  -0.36     pass       stop    stop      stop
====  =========  =====  ======  ===========  ========  =========  ======  ========  ========

By class, and by reliance, the planted candidate is stopped on all five, and the honest one by neither; it fails its
metric on one (AUC 0.653, lower end under 0.6). Either rule alone would have done. The by-class margin is small: the
planted candidate's benign items lie 0.03 to 0.07 under the floor, and on 16 or so items that is within chance.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
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

CALIBRATION, DECIDING, MORE = 8, 21, (22, 23, 24, 25)
CLEAN, EITHER, PLANTED = CANDIDATES = ("clean", "either", "planted")
_HEAD = """
name = "{}"
randomisation_check = "ignored"
[[metric]]
metric = "auc"
floor = {}
"""
MEAN = """
[[explanation]]
score = "explanation_coverage"
floor = 0.03
decides = "point"
"""
STRICT = """
[[explanation]]
score = "explanation_coverage"
floor = 0.0
[[explanation]]
score = "explanation_coverage"
item_passes_from = 0.0
least_share = 0.5
decides = "point"
"""
BY_CLASS = """
[[explanation]]
score = "explanation_coverage"
each_class = true
floor = -0.07
decides = "point"
"""
RELIANCE = """
[reliance]
floor = -0.11
decides = "point"
"""
POLICIES = {
    "mean": _HEAD.format("By a mean", 0.6) + MEAN,
    "strict": _HEAD.format("By the lower end of a mean's interval, and by a share of items", 0.65) + STRICT,
    "by class": _HEAD.format("By class", 0.6) + BY_CLASS,
    "reliance": _HEAD.format("By class, and by reliance", 0.6) + BY_CLASS + RELIANCE,
}
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
        self.folder, self.seed, self.runs, self.results = folder, seed, {}, {}
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

    def prepare(self, names: Sequence[str] = CANDIDATES) -> Workflow:
        """Return this after training and explaining some candidates, and choosing the items from all their runs."""
        for name in names:
            self.train(name, name)
        self.runs = {name: self.explain(name) for name in names}
        folders = [run.folder for run in self.runs.values()]
        done("review-set", *folders, "--out", self.items)
        done("reliance", *folders)
        return self

    def gate(self, run: Run, policy: str) -> tuple[int, dict]:
        """Return the gate's exit code and result under a policy of `POLICIES`; the result is kept as well."""
        out = self.folder / f"gate-{run.folder.name}-{policy}.json"
        if out not in self.results:
            command = ("gate", run.folder, "--review-set", self.items, "--policy", self.folder / f"{policy}.toml")
            self.results[out] = said(*command, "--out", out)[0]
        return self.results[out], read_json(out)


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


def rules_of(result: dict, name: str) -> list[dict]:
    """Return the rules of a gate's result whose name begins so."""
    return [rule for rule in result["rules"] if rule["name"].startswith(name)]


COLUMNS = (
    "seed",
    "candidate",
    "AUC validation",
    "AUC test",
    "EC above chance",
    "by class",
    "reliance",
    "in patch",
    "area",
    *POLICIES,
)


def rows(work: Workflow) -> list[tuple]:
    """Return a row of `COLUMNS` for each candidate."""
    found = []
    for name, run in work.runs.items():
        results = {policy: work.gate(run, policy)[1] for policy in POLICIES}
        share, area = in_patch(run)
        aucs = (auc_of(work.explain(name, "validation")), auc_of(run))
        (mean,) = rules_of(results["mean"], "explanation_coverage")
        numbers = [f"{number:.3f}" for number in (*aucs, mean["figure"])]
        split = [
            " ".join(f"{rule['figure']:+.2f}" for rule in rules_of(results["reliance"], start))
            for start in ("explanation_coverage", "reliance")
        ]
        verdicts = (result["verdict"] for result in results.values())
        found.append((work.seed, name, *numbers, *split, f"{share:.3f}", f"{area:.3f}", *verdicts))
    return found


if __name__ == "__main__":
    for seed in map(int, sys.argv[1:]):
        started = time.process_time()
        with tempfile.TemporaryDirectory() as root:
            print(table(COLUMNS, rows(Workflow(Path(root), seed).prepare())))
        print(f"{time.process_time() - started:.0f} s of one core", flush=True)

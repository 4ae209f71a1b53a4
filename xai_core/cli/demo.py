"""``demo``: the app on the synthetic sample data and its shipped runs; ``--rebuild`` makes all of them anew."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.cli import app
from xai_core.cli.output import Progress, say

if TYPE_CHECKING:
    from xai_core.runs import Run

SHIPPED = Path(__file__).resolve().parents[2] / "sample_data"
MODEL = SHIPPED / "models" / "demo"
# small enough to ship (1.5 MB), and good enough to be worth explaining; the patch tempts it as it would a larger one
RECIPE = {
    "arch": "test_resnet",
    "pathway": "scratch",
    "size": 192,
    "fit": "squash",
    "epochs": 30,
    "lr": 3e-3,
    "augmentation": 0.4,
    "patience": 0,
    "threads": 2,
    "checkpoints": 0,
}
METHODS = ("grad_cam", "lime")
TARGETS = ("predicted", "malignant")
# the settings that decide bits, so that the same machine makes the same files
SETTINGS = {"split": "test", "targets": TARGETS, "batch_size": 16, "threads": 1, "workers": 2}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command: those of ``app``, and whether to make the sample anew instead."""
    app.arguments(parser)
    parser.add_argument("--rebuild", action="store_true", help="draw, train and explain all that sample_data/ holds")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the server was ended, or all of the sample is made."""
    if not options.rebuild:
        return app.run(options)
    rebuild()
    return 0


def rebuild() -> None:
    """Draw the sample data, train the classifier on them, and make the runs: all that sample_data/ holds."""
    from xai_core.datasets import open_dataset, synthetic
    from xai_core.training import Recipe, train

    for part in ("dermoscopy", "models", "runs"):
        shutil.rmtree(SHIPPED / part, ignore_errors=True)
    say("drawing the sample data")
    synthetic.write(SHIPPED / "dermoscopy")
    say("training the classifier")
    train(open_dataset("sample"), Recipe(**RECIPE), MODEL, progress=Progress("steps"), say=say)
    for method in METHODS:
        say(f"explaining by {method}")
        explain(method, SHIPPED / "runs" / method)


def explain(method: str, out: Path) -> list[Run]:
    """Return a method's runs over the sample's test split, in `out`; what is there already is not done again."""
    from xai_core.datasets import open_dataset
    from xai_core.models import load
    from xai_core.runs import explain_dataset

    return explain_dataset(
        open_dataset("sample"),
        load(MODEL, device="cpu"),
        method,
        out,
        **SETTINGS,
        resume=True,
        model="sample_data/models/demo",
        progress=Progress("images explained"),
    )

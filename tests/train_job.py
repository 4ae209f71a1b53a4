"""A training as a process of its own, for tests that kill it: ``python train_job.py IMAGES OUT``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from training_fixtures import planted, recipe

from xai_core.training import loop, train


def main(arguments: Sequence[str]) -> None:
    images, out = arguments
    warnings.simplefilter("error")
    loop.SAVE_SHARE = 2  # save often: a kill is to meet every kind of moment
    train(
        planted(Path(images)),
        recipe(epochs=6),
        out,
        resume=True,
        progress=lambda step, total: print(f"step {step} of {total}", flush=True),
        save_seconds=0.0,
    )


if __name__ == "__main__":
    main(sys.argv[1:])

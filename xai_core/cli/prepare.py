"""``prepare RUN ...``: make ahead what the pages look up: thumbnails with outlines, and features of the images."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.cli.data import workers
from xai_core.cli.output import Progress, print_json, say
from xai_core.errors import BadInput

if TYPE_CHECKING:
    from xai_core.runs import Run


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder, or a folder of sibling runs")
    parser.add_argument("--rule", help="region rule of the outlines; the explainer's own without")
    parser.add_argument("--model", default="", help="the runs' classifier, where it is not where they name it")
    parser.add_argument("--workers", type=workers, default=2, help="processes or threads that read images (2)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when everything is made, 2 where the features of a run could not be."""
    made = [_prepared(each, options) for folder in options.runs for each in _runs_in(Path(folder))]
    if options.json:
        print_json({"runs": made})
    else:
        for entry in made:
            print(
                f"{entry['run']}: {entry['tiles']} thumbnails, {entry['features']} features, {entry['seconds']:.1f} s"
            )
    return 2 if any(entry["error"] for entry in made) else 0


def _runs_in(folder: Path) -> list[Run]:
    """Return the run in a folder, or those in the folders within it."""
    from xai_core.runs import open_run

    siblings = sorted(path.parent for path in folder.glob("*/run.json"))
    if (folder / "run.json").exists() or not siblings:
        return [open_run(folder)]
    return [open_run(sibling) for sibling in siblings]


def _prepared(run: Run, options: argparse.Namespace) -> dict:
    from xai_core.review.tiles import prepare_tiles

    started = time.monotonic()
    features, error = 0, ""
    try:
        features = _features(run, options)
    except BadInput as reason:
        error = str(reason)
        say(f"error: {error}")
    prepare_tiles(run, options.rule, progress=Progress(f"thumbnails of {run.folder}"), workers=options.workers)
    entry = {"run": str(run.folder), "tiles": len(run), "features": features, "error": error}
    return entry | {"seconds": round(time.monotonic() - started, 3)}


def _features(run: Run, options: argparse.Namespace) -> int:
    """Return how many distinct images of a run have features."""
    import pyarrow.parquet as pq

    from xai_core.review.again import classifier_of
    from xai_core.review.neighbours import prepare_features

    classifier = classifier_of(run, options.model) if options.model else None
    progress = Progress(f"images of {run.folder} seen by the classifier")
    return pq.read_metadata(prepare_features(run, classifier, progress, workers=options.workers)).num_rows

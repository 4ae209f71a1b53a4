"""``explain DATA``: explain every sample of a data set and score the explanations."""

from __future__ import annotations

import argparse
import os
from shlex import quote

from xai_core.cli.data import add_data, batch_size, folder, positive_int, probability, seed, workers
from xai_core.cli.output import Progress, print_json, say
from xai_core.errors import BadInput


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command; methods and their parameters come from their descriptions."""
    from xai_core.explainers import METHODS

    parser.epilog = _methods(METHODS)
    add_data(parser)
    add = parser.add_argument
    add("--model", required=True, help="a model folder, timm:ARCH?..., or import:package.module:callable?...")
    add("--method", required=True, choices=METHODS, metavar="METHOD", help="an explainer (below)")
    add("--target", default="predicted", help="predicted, label or class names, separated by commas (predicted)")
    add(
        "--out",
        required=True,
        type=folder,
        metavar="RUN",
        help="the run's folder; with several targets the folder of the runs",
    )
    add("--split", default="", help="only this split: train, validation, test")
    add("--limit", type=positive_int, metavar="N", help="at most N samples, drawn by --sample-seed")
    add("--sample-seed", type=seed, default=0, metavar="S")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the method; repeatable")
    add("--threshold", type=probability, default=0.5, help="probability from which a sample is called positive (0.5)")
    add("--seed", type=seed, default=0)
    add("--batch-size", type=batch_size, default=16, metavar="N|auto", help="auto measures; recorded (16)")
    add("--precision", choices=("float32", "bfloat16"), default="float32")
    add("--device", help="cuda where there is one, else cpu")
    add("--threads", type=positive_int, help="of the process that runs the network; recorded (all)")
    add("--workers", type=workers, default=min(4, os.cpu_count() or 1), help="processes that prepare images")
    add("--part-size", type=positive_int, default=256, metavar="N", help="samples in each stored part (256)")
    add("--engine", choices=("local",), default="local", help="where the work is done")
    add("--resume", action="store_true", help="go on with a run that was cut off")
    add("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the runs are finished and scored."""
    from xai_core.datasets import open_dataset
    from xai_core.explainers import METHODS
    from xai_core.models import load
    from xai_core.runs import explain_dataset

    parameters, targets = _parameters(options.set, METHODS[options.method]), _targets(options.target)
    dataset = open_dataset(options.data)
    runs = explain_dataset(
        dataset,
        load(options.model, device=options.device, precision=options.precision),
        options.method,
        options.out,
        targets=targets,
        split=options.split,
        limit=options.limit,
        sample_seed=options.sample_seed,
        parameters=parameters,
        threshold=options.threshold,
        seed=options.seed,
        batch_size=options.batch_size,
        threads=options.threads,
        part_size=options.part_size,
        workers=options.workers,
        resume=options.resume,
        model=options.model,
        progress=Progress("images explained"),
    )
    report = [_report(run) for run in runs]
    if options.json:
        print_json({"runs": report})
        return 0
    if report[0]["left_out"]:
        say(f"{sum(report[0]['left_out'].values())} rows of the data set have no record: see `check {options.data}`")
    for entry in report:
        print(f"{entry['run']}: {entry['samples']} records, {entry['errors']} with an error")
    say(f"next: python -m xai_core summary {quote(report[0]['run'])}")
    return 0


def _report(run) -> dict:
    manifest = run.manifest
    return {
        "run": str(run.folder),
        "target": run.settings["target"],
        "samples": manifest["samples"],
        "errors": manifest["errors"],
        "left_out": manifest["left_out"],
        "seconds": manifest["seconds"],
        "content_digest": manifest["content_digest"],
    }


def _targets(text: str) -> list[str]:
    targets = [part.strip() for part in text.split(",") if part.strip()]
    if not targets or len(set(targets)) < len(targets):
        raise BadInput(
            where="--target",
            expected="predicted, label or class names, each once",
            found=repr(text),
            remedy="separate them by commas",
        )
    return targets


def _parameters(settings: list[str], description) -> dict:
    parameters = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        known = description.parameters.get(name)
        if not equals or known is None:
            raise BadInput(
                where=f"--set {setting}",
                expected="NAME=VALUE with one of " + (", ".join(description.parameters) or "no parameters"),
                found=repr(name),
                remedy="`explain --help` lists the parameters of each method",
            )
        try:
            parameters[name] = known.type(text)
        except ValueError as error:
            raise BadInput(where=f"--set {setting}", expected=known.range, found=text, remedy="mend it") from error
    return parameters


def _methods(methods: dict) -> str:
    lines = ["methods (--method), with their parameters (--set):"]
    for name, description in methods.items():
        agnostic = "; the same for every class" if description.class_agnostic else ""
        lines.append(f"  {name:<22} {description.title}: {description.paper}{agnostic}")
        for parameter, about in description.parameters.items():
            default = "" if about.default == "" else f" ({about.default})"
            lines.append(f"      {parameter}={about.range}{default}: {about.help}")
    return "\n".join(lines) + "\n"

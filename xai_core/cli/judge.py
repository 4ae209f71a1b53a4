"""``judge RUN``: have a judge say in words, and with a score, whether the evidence is where it should be."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from xai_core.cli.data import positive_int, price
from xai_core.cli.output import Progress, number, print_json, say, table
from xai_core.errors import BadInput

if TYPE_CHECKING:
    from xai_core.language.judge import Judge
    from xai_core.language.store import Judgements
    from xai_core.runs import Run

JUDGES = {
    "measured": "no model: what can be measured, by stated rules",
    "transformers": "an image-text-to-text model on this machine (--model FOLDER or a name on the hub)",
    "openai": "a server that speaks OpenAI's protocol (--url, --model)",
}
PREVIEWED = 3
REASONS = 3
_KINDS = ("records", "scored", "undecided", "unreadable", "unanswered")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = "\n".join(["judges:", *(f"  {name:<13} {help_}" for name, help_ in JUDGES.items())])
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder")
    add("--judge", choices=JUDGES, default="measured", help="who judges (measured)")
    add("--model", default="", help="the judge's model")
    add("--url", default="", help="of a server, up to /v1; a key for it is read from OPENAI_API_KEY and kept nowhere")
    add("--view", default="masked", help="what a model sees: masked, overlay, region (masked)")
    add("--prompt", default="", help="clinical, general, or a text file (that which fits the data)")
    add("--name", help="of the folder in RUN/judgements (judge, view and prompt)")
    add("--limit", type=positive_int, metavar="N", help="at most N records, drawn by hash")
    add("--concurrency", type=positive_int, metavar="N", help="requests to a server at once (8)")
    add("--batch", type=positive_int, metavar="N", help="pictures at once for a model on this machine")
    add("--device", help="cuda where there is one, else cpu")
    add("--price", type=price, metavar="P", help="of a million tokens, to tell the cost")
    add(
        "--preview", type=Path, metavar="FILE.html", help="show the pixels and text of the first requests; send nothing"
    )
    add("--allow-remote", default="", metavar="HOST", help="the other machine that may get the pictures")
    add("--yes", action="store_true", help="confirm --allow-remote without being asked")
    add("--resume", action="store_true", help="go on with judgements that were cut off")
    add("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Return 0 when every record was put to the judge, whatever it said; 2 where not one was answered."""
    from xai_core.language import judge, prompts
    from xai_core.language.views import View
    from xai_core.runs import open_run

    run = open_run(options.run)
    prompt = prompts.open_prompt(options.prompt or prompts.fitting(run))
    view = View(options.view)
    judge_ = _judge(options, prompt.name if prompt.name in prompts.SHIPPED else prompts.fitting(run))
    if options.preview:
        return _preview(options.preview, judge.first_requests(run, judge_, PREVIEWED, view=view, prompt=prompt), judge_)
    _confirm(judge_, options)
    found = judge.judge_run(
        run,
        judge_,
        view=view,
        prompt=prompt,
        out=options.name,
        limit=options.limit,
        resume=options.resume,
        progress=Progress("records judged"),
        concurrency=options.concurrency or (8 if options.judge == "openai" else 1),
        allow_remote=options.allow_remote,
        price=options.price,
    )
    _tell(run, found, as_json=options.json)
    return _tell_unanswered(run, found)


def _judge(options: argparse.Namespace, words: str) -> Judge:
    if options.judge == "measured":
        from xai_core.language.measured import MeasuredJudge

        return MeasuredJudge(words)
    if not options.model:
        raise BadInput(where="--model", expected="the judge's model", found="none", remedy="name one")
    if options.judge == "transformers":
        from xai_core.language.transformers_judge import TransformersJudge

        return TransformersJudge(options.model, device=options.device, batch=options.batch)
    from xai_core.language.openai_judge import OpenAIJudge

    return OpenAIJudge(options.url, options.model)


def _preview(path: Path, requests: list, judge_: Judge) -> int:
    from xai_core.files import write_atomic
    from xai_core.language.privacy import preview

    page = preview(requests, judge_)
    write_atomic(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    print(f"{path}: {len(requests)} requests as they would be sent; nothing was sent")
    return 0


def _confirm(judge_: Judge, options: argparse.Namespace) -> None:
    """Ask whether pictures may go to the host that was named; a host that was not named is refused further on."""
    host = getattr(judge_, "host", "")
    if not judge_.remote or options.allow_remote != host or options.yes:
        return
    if not sys.stdin.isatty():
        raise BadInput(where="--allow-remote", expected="a confirmation", found="no terminal", remedy="add --yes")
    print(
        f"Pictures and texts of {options.run} will be sent to {host}. Type its name to confirm: ",
        end="",
        file=sys.stderr,
    )
    if input().strip() != host:
        raise BadInput(where="--allow-remote", expected=host, found="another answer", remedy="nothing was sent")


def _tell(run: Run, found: Judgements, *, as_json: bool) -> None:
    manifest = found.manifest
    if as_json:
        kept = ("judge", "view", "counts", "scores", "seconds", "tokens", "cost")
        print_json({"run": str(run.folder), "name": found.name} | {name: manifest[name] for name in kept})
        return
    counts = manifest["counts"]
    print(f"{found.folder}: " + ", ".join(f"{counts[kind]} {kind}" for kind in _KINDS))
    print(table(("score", *manifest["scores"]), [("records", *map(str, manifest["scores"].values()))]))
    cost = "" if manifest["cost"] is None else f", cost {number(manifest['cost'], 4)}"
    tokens = "" if manifest["tokens"] is None else f", {manifest['tokens']} tokens"
    say(f"{number(manifest['seconds'], 1)} s of answering{tokens}{cost}")


def _tell_unanswered(run: Run, found: Judgements) -> int:
    """Return the exit code after saying why records were not answered, the commonest reason first."""
    counts, rows = found.manifest["counts"], found.table()
    if not counts["unanswered"]:
        return 0
    errors = rows.loc[rows["raw"] == "", "error"]
    without_file = errors.str.replace(r"^\S*/\S*: ", "", regex=True)
    for reason, count in without_file.value_counts().iloc[:REASONS].items():
        example = errors[without_file == reason].iloc[0]
        say(f"unanswered: {count} of {counts['records']}, for example {example}")
    say(f"the same command asks them again: python -m xai_core judge {quote(str(run.folder))} ...")
    if counts["unanswered"] < counts["records"]:
        return 0
    say("error: no record was answered")
    return 2

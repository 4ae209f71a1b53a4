"""Whether a judge helps to find wrong labels: `python -m bench.label_errors RUN [RUN ...] --judge measured`.

A tenth of the labels is flipped, two hundred times over, and each ranking of suspects is held against what was flipped.
The runs have to be judged (`judge RUN`); no label ever reached the judge or the classifier's answers, so nothing is
judged anew.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from xai_core.language.label_errors import RANKINGS, experiment, verdict
from xai_core.language.matrix import scores_of
from xai_core.language.store import open_judgements
from xai_core.review.records import Records, join
from xai_core.runs import open_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--judge", default="measured", help="the name of its judgements")
    parser.add_argument("--share", type=float, default=0.1, help="of the labels that are flipped")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    results = {str(run): result_of(run, asked.judge, asked.share) for run in asked.runs}
    texts = [text_of(run, result) for run, result in results.items()]
    print(json.dumps(results, indent=1) if asked.json else "\n\n".join(texts))


def result_of(folder: Path, judge: str, share: float) -> dict:
    """Return the experiment's result on one run's labelled records, with its verdict."""
    records = Records(join(open_run(folder)))
    table = records.table
    score = scores_of(table, open_judgements(records.run, judge).table())
    classes = {name: place for place, name in enumerate(records.run.settings["class_names"])}
    label, called = (table[name].astype(object).map(classes).fillna(-1).to_numpy(int) for name in ("label", "called"))
    known = (label >= 0) & (called >= 0)
    result = experiment(label[known], called[known], records.probabilities[known], score[known], share=share)
    return result | {"judged": int((~np.isnan(score[known])).sum()), "verdict": verdict(result)}


def text_of(run: str, result: dict) -> str:
    """Return a result as lines of Markdown."""
    lines = [f"{run}: {result['flipped']} of {result['samples']} labels flipped, {result['judged']} records scored", ""]
    lines += ["| Ranking | Average precision (95 %) |", "|---|---|"]
    lines += [f"| {RANKINGS[name]} | {_figure(each)} |" for name, each in result["rankings"].items()]
    lines += [f"| {name} | {_figure(each, '+')} |" for name, each in result["gains"].items()]
    f1 = result["f1"]
    lines += [
        "",
        f"F1 of wrong and judged high {f1['judge']:.2f}, of wrong alone {f1['wrong']:.2f}. {result['verdict']}",
    ]
    return "\n".join(lines)


def _figure(each: dict, sign: str = "") -> str:
    return f"{each['value']:{sign}.2f} ({each['low']:{sign}.2f} to {each['high']:{sign}.2f})"


if __name__ == "__main__":
    main()

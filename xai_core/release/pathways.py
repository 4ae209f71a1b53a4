"""The Dual-Carriageway search: which padding, then which order of two data sets, serves both (METHODS 4).

    settings.json                 what the search was asked for
    padding.json                  the base model under each padding, and which was chosen
    models/FIT/seed-S/TRAIL/      a model folder for each trail of stages; pathways share what they have in common
    tested/FIT/seed-S/TRAIL.json  that model's metrics on A and B
    scores/FIT/seed-S/TRAIL.json  the scores of its explanations, where it is the last of a pathway
    runs/FIT/seed-S/TRAIL/{a,b}/  the runs they are from
    search.json, table.csv        the outcome

Every file is whole or absent and follows from the settings alone, so a search that was killed goes on where it was and
ends the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.datasets import pairs
from xai_core.errors import BadInput
from xai_core.files import exclusive, read_json, write_atomic, write_json
from xai_core.geometry import FITS
from xai_core.models import load
from xai_core.models.folder import CARD
from xai_core.release import pathway_table
from xai_core.runs import explain_dataset, summarise
from xai_core.scores.arrays import SCORE_NAMES
from xai_core.training import OVER_TWO, PATHWAYS, Recipe, evaluation, follow
from xai_core.training.parts import fingerprint
from xai_core.training.pathways import Trail, stage_recipe
from xai_core.types import DataSet

if TYPE_CHECKING:
    from xai_core.models import Classifier

PADS = tuple(fit for fit in FITS if fit.startswith("pad_"))
BASE = "pad_zero"
METHOD, TARGET = "grad_cam", "predicted"
NAMES = ("a", "b")


@dataclass(frozen=True)
class Search:
    """What is searched for, where, and who hears of it: see `search`."""

    a: DataSet
    b: DataSet
    recipe: Recipe
    out: Path
    seeds: tuple[int, ...]
    pathways: tuple[str, ...]
    limit: int | None
    workers: int
    progress: Callable[[int, int], None] | None
    say: Callable[[str], None]

    @cached_property
    def settings(self) -> dict:
        """Return what a search must have in common with the one it goes on with; seeds and pathways may be added."""
        return {
            "recipe": self.recipe.as_dict(),
            "a": {"spec": self.a.spec, "samples": fingerprint(self.a)},
            "b": {"spec": self.b.spec, "samples": fingerprint(self.b)},
            "method": METHOD,
            "target": TARGET,
            "limit": self.limit,
        }

    @property
    def judged_by(self) -> str:
        """Return the metric that decides: AUC for two classes, else balanced accuracy."""
        return "auc" if len(self.a.class_names) == 2 else "balanced_accuracy"

    def place(self, kind: str, pathway: str, fit: str, seed: int, trail: Trail) -> Path:
        """Return where one of a trail's things lies: ``models``, ``tested``, ``scores`` or ``runs``."""
        start = stage_recipe(self.recipe, pathway, None).pathway
        return self.out / kind / fit / f"seed-{seed}" / "-".join([start, *trail])


def search(
    a: DataSet,
    b: DataSet,
    recipe: Recipe,
    out: str | Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    pathways: Sequence[str] = (),
    limit: int | None = None,
    workers: int = 2,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict:
    """Return the outcome of the search, and write it as ``search.json`` and ``table.csv``.

    First the padding: a base model, trained on A with zero padding and the first seed, is tested on the validation
    parts of A and B under each padding of `PADS`; the best mean over both is used from then on (a recipe that names a
    `fit` keeps it). Then each pathway is trained with each seed, and its last model explained on both test parts.

    Parameters
    ----------
    a, b : DataSet
        Of the same classes, each with a test part.
    recipe : Recipe
        Its pathway, weights, seed and, where it names none, fit are those of each cell.
    out : str or Path
        A new folder, or with `resume` that of a search that was cut off.
    seeds : sequence of int
    pathways : sequence of str
        Keys of `training.PATHWAYS`; all that the recipe's weights allow where empty.
    limit : int, optional
        At most so many samples of each test part are explained.
    workers : int
        Processes that prepare images; decides no result.
    resume : bool
    progress : callable, optional
        Told (cells done, cells in all): a pathway with a seed is one.
    say : callable
        Told lines for a log.

    Returns
    -------
    dict
        ``padding``, ``judged_by``, ``pathways`` (`pathway_table.rows`), ``best`` (the pathway of the highest mean over
        both validation parts), the settings, ``format`` and ``sha256``.

    Raises
    ------
    BadInput
        Where classes differ, a test part is missing, a pathway is none or needs weights that there are not, or the
        folder holds another search.
    """
    a, b = pairs.pair(a, b, share=recipe.validation_share, seed=recipe.split_seed)
    chosen = _pathways(recipe, pathways)
    task = Search(a, b, recipe, Path(out), tuple(seeds), chosen, limit, workers, progress, say)
    _check(task)
    with exclusive(task.out):
        _begin(task, resume=resume)
        padding = _padding(task)
        cells = _cells(task, padding["chosen"])
        outcome = pathway_table.outcome(task.settings, task.judged_by, padding, cells)
        write_json(task.out / "search.json", outcome)
        table = pathway_table.as_csv(outcome)
        write_atomic(task.out / "table.csv", lambda temporary: temporary.write_text(table, encoding="utf-8"))
    return outcome


def _pathways(recipe: Recipe, asked: Sequence[str]) -> tuple[str, ...]:
    possible = ("scratch", *OVER_TWO) if recipe.weights == "none" else tuple(PATHWAYS)
    refused = [name for name in asked if name not in possible]
    if refused:
        raise BadInput(
            where="pathways",
            expected=f"some of {', '.join(possible)}",
            found=", ".join(refused),
            remedy="choose others" if recipe.weights != "none" else "choose others, or name weights to start from",
        )
    return tuple(dict.fromkeys(asked)) or possible


def _check(task: Search) -> None:
    if not task.seeds:
        raise BadInput(where="seeds", expected="at least one", found="none", remedy="name one")
    for dataset in (task.a, task.b):
        if not any(s.label is not None for s in dataset.only("test").samples):
            raise BadInput(
                where=dataset.spec,
                expected="a test part with labels",
                found="none",
                remedy="name the split in the data set",
            )


def _begin(task: Search, *, resume: bool) -> None:
    path = task.out / "settings.json"
    if not path.is_file():
        write_json(path, task.settings)
        return
    begun = read_json(path)
    differing = sorted(k for k in task.settings if task.settings[k] != begun.get(k))
    if not resume or differing:
        raise BadInput(
            where=task.out,
            expected="the search that was begun here" if resume else "a new folder",
            found=f"one with another {', '.join(differing)}" if resume else "a search",
            remedy="choose another folder" if resume else "go on with --resume, or choose another folder",
        )


def _padding(task: Search) -> dict:
    """Return the padding of all trainings, and what it was chosen by."""
    if task.recipe.fit:
        return {"chosen": task.recipe.fit, "why": "the recipe names it", "tested": {}}
    path = task.out / "padding.json"
    if path.is_file():
        return read_json(path)
    task.say(f"padding: a base model, trained on A with {BASE}")
    folder = _train(task, "fine-tune" if task.recipe.weights != "none" else "scratch", BASE, task.seeds[0])
    classifier = load(folder)
    tested = {fit: _tested(task, evaluation.with_fit(classifier, fit), "validation") for fit in PADS}
    means = {fit: _mean(found, task.judged_by) for fit, found in tested.items()}
    # the first of equals: zero, the one it was trained with
    best = max(PADS, key=lambda fit: means[fit])
    why = f"highest mean {task.judged_by} over the validation parts of A and B, of a base model trained with {BASE}"
    padding = {"chosen": best, "why": why, "tested": tested, "means": means}
    task.say(f"padding: {best}, of " + ", ".join(f"{fit} {mean:.3f}" for fit, mean in means.items()))
    write_json(path, padding)
    return padding


def _mean(found: dict, metric: str) -> float:
    values = [found[name][metric] for name in NAMES]
    return 0.0 if None in values else sum(values) / len(values)


def _cells(task: Search, fit: str) -> dict[str, list[dict]]:
    """Return {pathway: the cell of each seed}, made where it is absent."""
    work = [(pathway, seed) for seed in task.seeds for pathway in task.pathways]
    cells: dict[str, list[dict]] = {pathway: [] for pathway in task.pathways}
    for done, (pathway, seed) in enumerate(work):
        if task.progress:
            task.progress(done, len(work))
        task.say(f"{pathway}, seed {seed}, {fit}")
        last, trail = _train(task, pathway, fit, seed), PATHWAYS[pathway]
        places = [task.place("tested", pathway, fit, seed, trail[: k + 1]) for k in range(len(trail))]
        folders = [task.place("models", pathway, fit, seed, trail[: k + 1]) for k in range(len(trail))]
        stages = [_kept(place, folder, task, _tested_parts) for place, folder in zip(places, folders, strict=True)]
        explained = _kept(task.place("scores", pathway, fit, seed, trail), last, task, _explained)
        cells[pathway].append({"seed": seed, "stages": stages, "scores": explained["found"]})
    if task.progress:
        task.progress(len(work), len(work))
    return cells


def _train(task: Search, pathway: str, fit: str, seed: int) -> Path:
    """Return the folder of a pathway's last model, trained where it is not yet."""

    def folder_of(trail: Trail) -> Path:
        return task.place("models", pathway, fit, seed, trail)

    recipe = replace(task.recipe, fit=fit, seed=seed)
    follow(task.a, task.b, pathway, recipe, folder_of, resume=True, say=task.say)
    return folder_of(PATHWAYS[pathway])


def _kept(place: Path, model: Path, task: Search, find: Callable[[Search, Path, Classifier], dict]) -> dict:
    """Return what `find` says of a model; from its file where that speaks of the same classifier."""
    path, digest = place.with_name(f"{place.name}.json"), read_json(model / CARD)["digest"]
    if path.is_file() and (kept := read_json(path)).get("classifier") == digest:
        return kept
    kept = {"classifier": digest, "found": find(task, model, load(model))}
    write_json(path, kept)
    return kept


def _tested_parts(task: Search, model: Path, classifier: Classifier) -> dict:
    return {split: _tested(task, classifier, split) for split in ("validation", "test")}


def _tested(task: Search, classifier: Classifier, split: str) -> dict:
    """Return {a, b: {metric: value}} of the metrics that the outcome shows."""
    found = {}
    for name in NAMES:
        values = evaluation.tested(classifier, getattr(task, name), split, threads=task.recipe.threads or 1)
        found[name] = {metric: values[metric] for metric in pathway_table.METRICS}
    return found


def _explained(task: Search, model: Path, classifier: Classifier) -> dict:
    """Return {a, b: {score: mean and excess over random}} over the test parts."""
    found = {}
    for name in NAMES:
        out = task.out / "runs" / model.relative_to(task.out / "models") / name
        (run,) = explain_dataset(
            getattr(task, name),
            classifier,
            METHOD,
            out,
            targets=(TARGET,),
            split="test",
            limit=task.limit,
            threads=task.recipe.threads or None,
            workers=task.workers,
            resume=True,
            model=str(model),
        )
        scores = summarise(run)["scores"]
        found[name] = {
            score: {"mean": scores[score]["mean"], "excess": scores[score]["chance"]["random"]["excess"]}
            for score in SCORE_NAMES
        }
    return found

"""Pathways over two data sets A and B: in which order a network meets them (Dual-Carriageway, METHODS 4).

A pathway is a row of stages; each is a training as any other, in a model folder of its own, that starts from the
weights of the stage before. One that was cut off goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from xai_core.datasets import pairs
from xai_core.files import read_json
from xai_core.models.folder import CARD, WEIGHTS
from xai_core.training import recipe as recipes
from xai_core.training.door import train
from xai_core.training.recipe import Recipe
from xai_core.types import DataSet

Trail = tuple[str, ...]
"""The stages so far, each ``a``, ``b`` or ``ab``: their union."""

OVER_TWO: dict[str, Trail] = {
    "a-then-b": ("a", "b"),
    "b-then-a": ("b", "a"),
    "a-and-b": ("ab",),
    "a-then-b-then-a": ("a", "b", "a"),
}
PATHWAYS: dict[str, Trail] = dict.fromkeys(recipes.PATHWAYS, ("a",)) | OVER_TWO


def stage_recipe(recipe: Recipe, pathway: str, before: Path | None) -> Recipe:
    """Return the recipe of a stage that starts from the model folder `before`; None: of the first stage.

    A pathway over two data sets begins with a fine-tuning, or from scratch where the recipe has no weights; what comes
    later fine-tunes.
    """
    if before is not None:
        return replace(recipe, pathway="fine-tune", weights=str(before / WEIGHTS))
    if pathway in OVER_TWO:
        pathway = "scratch" if recipe.weights == "none" else "fine-tune"
    return replace(recipe, pathway=pathway, weights="none" if pathway == "scratch" else recipe.weights)


def follow(
    a: DataSet,
    b: DataSet,
    pathway: str,
    recipe: Recipe,
    folder_of: Callable[[Trail], Path],
    *,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict:
    """Return the card of the last stage after training along a pathway.

    Parameters
    ----------
    a, b : DataSet
        Of the same classes.
    pathway : str
        A key of `PATHWAYS`; one over a single data set has the one stage A.
    recipe : Recipe
        Of every stage, but for pathway and weights (`stage_recipe`).
    folder_of : callable
        The model folder of each trail, a stage with those before it: ``folder_of(("a", "b"))``.
    resume : bool
        Go on: stages that have ended are left as they are.
    progress, say : callable, optional
        As in `train`, of one stage after the other.

    Raises
    ------
    BadInput
        As `train`, and where the classes differ.
    """
    parts = dict(zip("ab", pairs.pair(a, b, share=recipe.validation_share, seed=recipe.split_seed), strict=True))
    parts["ab"] = pairs.union(parts["a"], parts["b"])
    trail, card, before = PATHWAYS[pathway], {}, None
    for k, name in enumerate(trail):
        say(f"stage {k + 1} of {len(trail)}: {name.upper()}")
        folder = folder_of(trail[: k + 1])
        stage = stage_recipe(recipe, pathway, before)
        card = resume and _ended(folder, stage)
        card = card or train(parts[name], stage, folder, resume=resume, progress=progress, say=say)
        before = folder
    return card


def _ended(folder: Path, stage: Recipe) -> dict | None:
    """Return the card of a stage that has ended; where its start lies may have changed: folders are moved."""
    if not (folder / CARD).is_file():
        return None
    card = read_json(folder / CARD)
    asked = stage.as_dict()
    return card if card.get("recipe", {}) | {"weights": asked["weights"]} == asked else None

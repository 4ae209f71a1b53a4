"""Training a classifier: from a data set and a recipe to a model folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core import datasets
from xai_core.errors import BadInput
from xai_core.files import exclusive, read_json
from xai_core.models import weights
from xai_core.models.classifier import Classifier
from xai_core.models.folder import CARD
from xai_core.scores import metrics
from xai_core.training import card, feeds
from xai_core.training.augmentation import Augmentation
from xai_core.training.frames import canvas_of
from xai_core.training.loop import Loop, best_of
from xai_core.training.machine import machine, used
from xai_core.training.parts import Part, check_parts, fingerprint, read_part
from xai_core.training.start import Start, start
from xai_core.training.state import BEST, FOLDER, begin

if TYPE_CHECKING:
    import torch

    from xai_core.training.recipe import Recipe
    from xai_core.types import DataSet

EPOCHS = {"fine-tune": 8, "linear-probe": 40, "scratch": 8}
LEARNING_RATES = {"fine-tune": 1e-4, "linear-probe": 1e-4, "scratch": 3e-4}


@dataclass(frozen=True)
class Tellers:
    """Who hears of a training: ``progress(steps done, steps in all)`` and ``say(line)``."""

    progress: Callable[[int, int], None] | None
    say: Callable[[str], None]


def train(
    dataset: DataSet,
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
    save_seconds: float = 20.0,
) -> dict:
    """Return the card of the model folder `out` after training a classifier there.

    Everything is chosen on the validation part; the test part is read once, at the end, for the card.

    Parameters
    ----------
    dataset : DataSet
        With labelled samples in ``train``; a validation part is set aside where it has none.
    recipe : Recipe
        How to train.
    out : str or Path
        A new folder, or with `resume` that of a training that was interrupted. One that has ended is left as it is.
    resume : bool
        Go on from what `out` holds: the folder ends as that of a training that was never interrupted.
    progress : callable, optional
        Told (steps done, steps in all).
    say : callable
        Told lines for a log.
    save_seconds : float
        How long to train within an epoch before the state is saved; decides nothing but what a kill can cost.

    Raises
    ------
    BadInput
        Where data, recipe and folder do not go together.
    """
    out = Path(out)
    with exclusive(out):
        if (out / CARD).is_file():
            return _ended(out, recipe, resume=resume)
        _make_room(out)
        if not dataset.only("validation").samples:
            say("setting a validation part aside: images are read once to keep near-duplicates together")
        dataset = datasets.with_validation(dataset, share=recipe.validation_share, seed=recipe.split_seed)
        if dataset.split_note:
            say(dataset.split_note)
        settings = begin(out, _settings(dataset, recipe), resume=resume)
        with machine(settings["threads"]):
            complete = _train(dataset, recipe, out, settings, Tellers(progress, say), save_seconds)
        shutil.rmtree(out / FOLDER)
    return complete


def _train(dataset: DataSet, recipe: Recipe, out: Path, settings: dict, tell: Tellers, save_seconds: float) -> dict:
    filled = resolved(recipe, dataset, settings["device"])
    begun = start(filled, dataset.class_names)
    tell.say(_described(begun, filled))
    classifier = _classifier(begun, dataset, settings["device"])
    reading = {"threads": settings["threads"], "overflow": out / FOLDER}
    frame = begun.preprocessing.frame
    learning = read_part(dataset, "train", canvas_of(frame), labelled=True, **reading)
    validation = read_part(dataset, "validation", frame, labelled=True, **reading)
    check_parts(learning, validation, dataset.class_names, tell.say)
    feed = _feed(filled, begun, classifier, learning, validation)
    metric = _metric(validation.labels, dataset.positive)
    classes = len(dataset.class_names)
    loop = Loop(feed, filled, learning.labels, classes, metric, out, tell.say, tell.progress, save_seconds)
    history = loop.run().history
    begun.network.load_state_dict(weights.load_weights(out / FOLDER / BEST), strict=False)
    trained = _classifier(begun, dataset, settings["device"])
    # the test part is opened here for the first time, when nothing is left to choose
    test = read_part(dataset, "test", frame, labelled=False, **reading)
    parts = {"train": learning, "validation": validation, "test": test}
    predicted = {name: _predicted(trained, parts[name]) for name in ("validation", "test")}
    training = _account(begun, filled, history, settings)
    return card.write(trained, out, dataset, recipe, training, parts, predicted, history)


def resolved(recipe: Recipe, dataset: DataSet, device: str) -> Recipe:
    """Return the recipe with what it leaves open filled in: epochs, lr, orientation and precision."""
    orientation = "any" if dataset.bands == "lesions" else "mirror"
    precision = "bfloat16" if device == "cuda" else "float32"
    return replace(
        recipe,
        epochs=recipe.epochs or EPOCHS[recipe.pathway],
        lr=recipe.lr or LEARNING_RATES[recipe.pathway],
        orientation=orientation if recipe.orientation == "auto" else recipe.orientation,
        precision=precision if recipe.precision == "auto" else recipe.precision,
    )


def _settings(dataset: DataSet, recipe: Recipe) -> dict:
    """Return what must be the same when a training goes on."""
    return {"recipe": recipe.as_dict(), "data": fingerprint(dataset), **used(recipe.threads)}


def _classifier(begun: Start, dataset: DataSet, device: str) -> Classifier:
    return Classifier(
        begun.network,
        begun.preprocessing,
        dataset.class_names,
        begun.architecture,
        cam_layer=begun.cam_layer,
        device=device,
    )


def _feed(recipe: Recipe, begun: Start, classifier: Classifier, learning: Part, validation: Part) -> feeds.Feed:
    augmentation = Augmentation(recipe.augmentation, recipe.orientation, recipe.seed)
    kind = feeds.FeatureFeed if recipe.pathway == "linear-probe" else feeds.ImageFeed
    return kind(begun, classifier, learning.frames, validation.frames, augmentation)


def _metric(labels: np.ndarray, positive: int | None) -> Callable[[torch.Tensor], dict[str, float]]:
    """Return what judges validation logits: AUC for two classes, else balanced accuracy; where undefined, -loss."""
    import torch

    def judge(logits: torch.Tensor) -> dict[str, float]:
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).item()
        name = "auc" if logits.shape[1] == 2 else "balanced_accuracy"
        p = logits.double().softmax(1).numpy()
        value = metrics.evaluate(labels, p, positive=positive, resamples=1)[name]["value"]
        return {"metric": -loss if value is None else float(value), "loss": loss}

    return judge


def _predicted(trained: Classifier, part: Part) -> np.ndarray:
    """Return (N, C) float64 probabilities."""
    return feeds.evaluate(trained, part.frames).double().softmax(1).numpy()


def _account(begun: Start, recipe: Recipe, history: list[dict], settings: dict) -> dict:
    """Return what the card says of how training went."""
    best = best_of(history)
    return {
        **{k: getattr(recipe, k) for k in ("epochs", "lr", "orientation", "precision")},
        **{k: settings[k] for k in ("device", "threads")},
        "epochs_done": history[-1]["epoch"],
        "best_epoch": best["epoch"],
        "best_step": best["step"],
        "validation_metric": best["validation_metric"],
        "batch_norm": begun.batch_norm,
        "new_tensors": list(begun.fresh),
    }


def _described(begun: Start, recipe: Recipe) -> str:
    fresh = f"; new for these classes: {', '.join(begun.fresh)}" if begun.fresh else ""
    origin = "no weights" if recipe.pathway == "scratch" else recipe.weights
    norm = {"frozen": "; batch-norm statistics frozen"}.get(begun.batch_norm, "")
    return f"{begun.architecture['name']}, {recipe.pathway} from {origin}{fresh}{norm}; seed {recipe.seed}"


def _ended(out: Path, recipe: Recipe, *, resume: bool) -> dict:
    """Return the card of a training that has ended, if it is the one asked for."""
    complete = read_json(out / CARD)
    if not resume or complete.get("recipe") != recipe.as_dict():
        raise BadInput(
            where=out,
            expected="a new folder" if not resume else "a training with this recipe",
            found="a trained model" if not resume else "one that has ended, with another recipe",
            remedy="choose another name, or remove the folder",
        )
    shutil.rmtree(out / FOLDER, ignore_errors=True)
    return complete


def _make_room(out: Path) -> None:
    """Remove what a killed process left half-written; refuse a folder that holds something else."""
    known = (out / FOLDER).is_dir()
    others = sorted(p.name for p in out.iterdir() if p.name != ".lock" and not p.name.endswith(".tmp"))
    if others and not known:
        raise BadInput(
            where=out, expected="a new folder", found=", ".join(others[:4]), remedy="choose another name for the model"
        )
    for leftover in out.rglob(".*.tmp"):
        leftover.unlink()

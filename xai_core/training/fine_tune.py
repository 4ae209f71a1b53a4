"""A trained classifier taken further an epoch at a time, each time from given weights and on chosen samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import read_json
from xai_core.models.classifier import Classifier
from xai_core.models.folder import CARD
from xai_core.training import feeds
from xai_core.training.augmentation import Augmentation
from xai_core.training.loop import rate
from xai_core.training.recipe import Recipe
from xai_core.training.start import Start
from xai_core.training.updates import Updates, class_weights

if TYPE_CHECKING:
    import torch

SCHEDULES = ("constant", "recipe")
State = Mapping[str, "torch.Tensor"]


def recipe_of(folder: Path) -> tuple[Recipe, str]:
    """Return (recipe with nothing left open, batch norm) of a model folder that `train` made.

    Raises
    ------
    BadInput
        Where the folder's card has no recipe, or only the head was trained.
    """
    card = read_json(folder / CARD)
    if "recipe" not in card or card["recipe"]["pathway"] == "linear-probe":
        raise BadInput(
            where=folder,
            expected="a network that `train` has trained whole",
            found="a new head on a frozen network" if "recipe" in card else "one of another origin",
            remedy="fine-tune a network, or train one from scratch",
        )
    decided = {name: card["training"][name] for name in ("epochs", "lr", "orientation", "precision")}
    return replace(Recipe.from_dict(card["recipe"]), **decided), card["training"]["batch_norm"]


class FineTuning:
    """A classifier, its training part in memory, and how an epoch of fine-tuning goes.

    Parameters
    ----------
    classifier : Classifier
        In float32; its network is trained, its weights now are `start`.
    recipe : Recipe
        With nothing left open. Of it count the batch size, weight decay, class weights, augmentation, orientation and
        precision; `lr` is the learning rate of every update, or the highest, see `schedule`.
    batch_norm : {'train', 'frozen', 'none'}
    canvases : (N, H, W, 3) uint8
    labels : (N,) int64
    schedule : {'constant', 'recipe'}
        The learning rate over an epoch: `lr` throughout, or the recipe's warm-up and cosine within each epoch.
    """

    def __init__(
        self,
        classifier: Classifier,
        recipe: Recipe,
        batch_norm: str,
        canvases: np.ndarray,
        labels: np.ndarray,
        schedule: str = "constant",
    ) -> None:
        self.classifier, self.recipe, self.schedule = classifier, recipe, schedule
        self.canvases, self.labels = canvases, labels
        network, described = classifier.network, classifier.architecture
        self.begun = Start(network, described, classifier.preprocessing, classifier.cam_layer, "", (), batch_norm)
        self.start = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @property
    def state(self) -> State:
        """Return every tensor of the network as it is now."""
        return self.classifier.network.state_dict()

    def updates(self, weights: np.ndarray) -> int:
        """Return how many updates an epoch on samples of these weights has; those of weight 0 are left out."""
        return max(1, int(np.count_nonzero(weights)) // self.recipe.batch_size)

    def epoch(
        self, start: State, weights: np.ndarray, seed: int, number: int, tell: Callable[[], None] = lambda: None
    ) -> float:
        """Return the mean loss of one epoch; the network is then what it made of `start`.

        AdamW begins anew. The samples are met in an order that follows from (`seed`, `number`) alone: two epochs of
        one seed and number on different samples meet those they share in the same order, augmented in the same way.

        Parameters
        ----------
        start : mapping of str to tensor
            Every tensor of the network.
        weights : (N,) float
            Of the samples in the loss; 0 leaves one out.
        seed, number : int
            Of the order, augmentation and dropout.
        tell : callable
            Called after each update.
        """
        import torch

        self.classifier.network.load_state_dict(dict(start))
        feed, update = self._feed(seed), self._updates(weights)
        feed.prepare()
        order = np.random.default_rng((seed, number)).permutation(len(self.labels))
        order = order[weights[order] > 0]
        counted = weights if len(np.unique(weights[order])) > 1 else None
        size, count, loss = self.recipe.batch_size, self.updates(weights), 0.0
        device = self.classifier.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            for k in range(count):
                at = np.sort(order[k * size : (k + 1) * size])
                each = None if counted is None else counted[at]
                inputs = feed.batch(number, at)
                loss += update((seed, number, k), self._lr(k, count), inputs, self.labels[at], each)
                tell()
        return loss / count

    def trained(self) -> Classifier:
        """Return a classifier of the network as it is now; the next epoch trains the same network on."""
        one = self.classifier
        return Classifier(
            one.network,
            one.preprocessing,
            one.class_names,
            one.architecture,
            cam_layer=one.cam_layer,
            device=one.device,
        )

    def _lr(self, step: int, updates: int) -> float:
        share = rate(step, updates, self.recipe.warm_up) if self.schedule == "recipe" else 1.0
        return self.recipe.lr * share

    def probabilities(self, frames: np.ndarray) -> np.ndarray:
        """Return (M, C) float32 softmax probabilities of (M, h, w, 3) uint8 frames, by the network as it is now."""
        self.classifier.network.eval()
        return feeds.evaluate(self.classifier, frames).double().softmax(1).float().numpy()

    def _feed(self, seed: int) -> feeds.ImageFeed:
        augmentation = Augmentation(self.recipe.augmentation, self.recipe.orientation, seed)
        return feeds.ImageFeed(self.begun, self.classifier, self.canvases, self.canvases[:0], augmentation)

    def _updates(self, weights: np.ndarray) -> Updates:
        classes = len(self.classifier.class_names)
        balanced = class_weights(self.labels, classes, balanced=self.recipe.class_weights, weights=weights)
        return Updates(
            self.classifier.network, balanced, weight_decay=self.recipe.weight_decay, precision=self.recipe.precision
        )

"""The training loop: AdamW, warm-up and cosine, early stopping; the same steps however often it was interrupted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.models import weights
from xai_core.training import checkpoints
from xai_core.training.state import BEST, FOLDER, Progress, restore_progress, save_progress
from xai_core.training.updates import Updates, class_weights

if TYPE_CHECKING:
    import torch

    from xai_core.training.feeds import Feed
    from xai_core.training.recipe import Recipe

SAVE_SHARE = 20  # saving waits until this many times as long as the last one took has passed: at most 5 % of the time


@dataclass
class Loop:
    """One training.

    Attributes
    ----------
    feed : Feed
    recipe : Recipe
        With epochs, lr and precision filled in.
    labels : (N,) int64
        Of the training part.
    classes : int
        How many there are, whether or not the training part has them all.
    metric : callable
        (M, C) float32 logits of the validation part -> {``metric``: higher is better, ``loss``}.
    folder : Path
        Of the model.
    say : callable
        Told a line per epoch.
    progress : callable or None
        Told (steps done, steps in all).
    save_seconds : float
        How long a training may go on within an epoch before it is saved.
    """

    feed: Feed
    recipe: Recipe
    labels: np.ndarray
    classes: int
    metric: Callable[[torch.Tensor], dict[str, float]]
    folder: Path
    say: Callable[[str], None]
    progress: Callable[[int, int], None] | None
    save_seconds: float

    def __post_init__(self) -> None:
        self.device = next(self.feed.module.parameters()).device
        self.per_epoch = max(1, len(self.labels) // self.recipe.batch_size)
        self.total = self.per_epoch * self.recipe.epochs
        self.update = Updates(
            self.feed.module,
            class_weights(self.labels, self.classes, balanced=self.recipe.class_weights),
            weight_decay=self.recipe.weight_decay,
            precision=self.recipe.precision,
        )
        self.kept = self._kept_steps()
        self.saved_at, self.save_cost, self.saved_step = time.monotonic(), 0.0, -1

    def run(self) -> Progress:
        """Return where training ended: every epoch done, or no better one for `patience` epochs."""
        import torch

        progress = restore_progress(self.folder, self.feed.module, self.update.optimiser)
        if progress.step == 0:
            self._keep(progress)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            while progress.step < self.total and not self._is_stale(progress.history):
                self._epoch(progress)
        if self.saved_step != progress.step:
            self._save(progress)
        return progress

    def _epoch(self, progress: Progress) -> None:
        epoch, first = divmod(progress.step, self.per_epoch)
        order = np.random.default_rng((self.recipe.seed, epoch)).permutation(len(self.labels))
        self.feed.prepare()
        for k in range(first, self.per_epoch):
            positions = np.sort(order[k * self.recipe.batch_size : (k + 1) * self.recipe.batch_size])
            progress.loss += self._step(progress.step, epoch, positions)
            progress.step += 1
            if self.progress:
                self.progress(progress.step, self.total)
            if k + 1 < self.per_epoch:
                self._keep(progress)
                self._save_if_due(progress, self.save_seconds)
        self._end_epoch(progress, epoch)

    def _step(self, step: int, epoch: int, positions: np.ndarray) -> float:
        """Return the loss of one update."""
        lr = self.recipe.lr * rate(step, self.total, self.recipe.warm_up)
        inputs = self.feed.batch(epoch, positions)
        return self.update((self.recipe.seed, step), lr, inputs, self.labels[positions])

    def _end_epoch(self, progress: Progress, epoch: int) -> None:
        seen = self.metric(self.feed.validation_logits())
        row = {"epoch": epoch + 1, "step": progress.step, "train_loss": progress.loss / self.per_epoch}
        row |= {"validation_loss": seen["loss"], "validation_metric": seen["metric"]}
        progress.history.append(row)
        progress.loss = 0.0
        if best_of(progress.history) is row:
            weights.save_weights(self.feed.export(), self.folder / FOLDER / BEST)
        self._keep(progress)
        self._save_if_due(progress, 0.0)
        self.say(
            f"epoch {epoch + 1} of {self.recipe.epochs}: training loss {row['train_loss']:.4f}, validation loss "
            f"{row['validation_loss']:.4f}, validation metric {row['validation_metric']:.4f}"
        )

    def _is_stale(self, history: list[dict]) -> bool:
        if not history or not self.recipe.patience:
            return False
        return history[-1]["epoch"] - best_of(history)["epoch"] >= self.recipe.patience

    def _kept_steps(self) -> frozenset[int]:
        limit = checkpoints.affordable(self.recipe.checkpoints, self.recipe.checkpoint_gb, self.feed.export())
        return frozenset(checkpoints.schedule(self.per_epoch, self.recipe.epochs, limit))

    def _keep(self, progress: Progress) -> None:
        if progress.step in self.kept:
            checkpoints.write_checkpoint(self.folder, progress.step, self.feed.export())

    def _save_if_due(self, progress: Progress, wait: float) -> None:
        if time.monotonic() - self.saved_at >= max(wait, SAVE_SHARE * self.save_cost):
            self._save(progress)

    def _save(self, progress: Progress) -> None:
        before = time.monotonic()
        save_progress(self.folder, progress, self.feed.module, self.update.optimiser)
        self.saved_at = time.monotonic()
        self.save_cost, self.saved_step = self.saved_at - before, progress.step


def rate(step: int, total: int, warm_up: float) -> float:
    """Return the learning rate of an update as a share of the highest: a linear rise, then half a cosine to 0."""
    rising = round(warm_up * total)
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(total - rising, 1)))


def best_of(history: list[dict]) -> dict:
    """Return the row of the best epoch: highest metric, then lowest loss, then earliest."""
    return min(history, key=lambda row: (-row["validation_metric"], row["validation_loss"], row["epoch"]))

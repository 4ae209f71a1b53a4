"""The strategies of `mend`: one epoch of fine-tuning or two; those that begin alike share their first epoch.

    before.parquet                       what the network says of the judged part: sample_id, label, probabilities
    repeats/seed-S/STRATEGY.parquet      what it says after a strategy
    repeats/seed-S/STRATEGY.safetensors  its weights then, kept until no second epoch can begin from them any more
    models/seed-S/                       the model folder of the mended network, that of `MENDED`

A strategy of a repeat is a unit: it follows from the weights it begins with, its samples and the seed alone. Its
predictions are written last and whole; where they lie it is not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.files import write_atomic
from xai_core.i2x import curated, parts
from xai_core.models import load_weights, save, save_weights

if TYPE_CHECKING:
    from xai_core.training.fine_tune import FineTuning, State

STRATEGIES = ("full", "curated", "random", "full-full", "curated-curated", "curated-full", "random-full")
"""Each is named by the sets (`curated.SETS`) that its epochs are on."""

MENDED = "curated-full"


@dataclass(frozen=True)
class Judged:
    """The samples on which networks are judged, in memory.

    Attributes
    ----------
    sample_ids : sequence of str
    labels : (N,) int64
    frames : (N, h, w, 3) uint8
    """

    sample_ids: Sequence[str]
    labels: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True)
class Units:
    """Every strategy of every repeat.

    Attributes
    ----------
    out : Path
    tuning : FineTuning
    judged : Judged
    drop : (N,) bool
        The training samples that the curated set is without.
    weight : float
        How much a dropped sample still counts.
    seeds : sequence of int
        One for each repeat.
    origin : mapping
        What the card of a mended network says of where it comes from.
    progress : callable or None
        Told (updates done, updates in all).
    say : callable
        Told a line for each unit.
    """

    out: Path
    tuning: FineTuning
    judged: Judged
    drop: np.ndarray
    weight: float
    seeds: Sequence[int]
    origin: Mapping[str, object]
    progress: Callable[[int, int], None] | None
    say: Callable[[str], None]

    def run(self) -> None:
        """Do every unit that is not done."""
        if not before(self.out).is_file():
            self.tuning.classifier.network.load_state_dict(dict(self.tuning.start))
            self._judge(before(self.out))
        todo = [
            (seed, name) for seed in self.seeds for name in _in_order() if not after(self.out, seed, name).is_file()
        ]
        total = len(self.seeds) * sum(self._updates(name) for name in STRATEGIES)
        done = total - sum(self._updates(name) for _, name in todo)
        for seed, name in todo:
            self.say(f"seed {seed}, repeat {self.seeds.index(seed) + 1} of {len(self.seeds)}: {name}")
            self._unit(seed, name, done, total)
            done += self._updates(name)
        for seed in self.seeds:
            for name in curated.SETS:
                self._weights(seed, name).unlink(missing_ok=True)

    def _unit(self, seed: int, name: str, done: int, total: int) -> None:
        first, _, last = name.rpartition("-")
        begun: State = load_weights(self._weights(seed, first)) if first else self.tuning.start
        steps = iter(range(done + 1, total + 1))

        def tell() -> None:
            step = next(steps)
            if self.progress:
                self.progress(step, total)

        counted = curated.weights_of(last, self.drop, self.tuning.labels, seed, self.weight)
        loss = self.tuning.epoch(begun, counted, seed, len(name.split("-")) - 1, tell)
        if not first:
            save_weights(self.tuning.state, self._weights(seed, name))
        if name == MENDED:
            save(self.tuning.trained(), self.out / "models" / f"seed-{seed}", {"mended": {**self.origin, "seed": seed}})
        right = self._judge(after(self.out, seed, name))
        self.say(f"  training loss {loss:.4f}, accuracy {right:.4f}")

    def _judge(self, path: Path) -> float:
        """Return the accuracy of the network as it is, after writing what it says."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        judged = self.judged
        said = self.tuning.probabilities(judged.frames)
        ids, labels = pa.array(judged.sample_ids, pa.string()), pa.array(judged.labels.astype(np.int32))
        table = pa.table({"sample_id": ids, "label": labels, "probabilities": parts.lists(said)})
        write_atomic(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))
        return float((said.argmax(1) == judged.labels).mean())

    def _updates(self, name: str) -> int:
        return self.updates[name.rpartition("-")[2]]

    @cached_property
    def updates(self) -> dict[str, int]:
        """Return how many updates an epoch on each set has."""
        rest = np.where(self.drop, self.weight, 1.0)
        few = self.tuning.updates(rest)
        return {"full": self.tuning.updates(np.ones(len(rest))), "curated": few, "random": few}

    def _weights(self, seed: int, name: str) -> Path:
        return after(self.out, seed, name).with_suffix(".safetensors")


def before(out: Path) -> Path:
    """Return where the predictions before any fine-tuning lie."""
    return out / "before.parquet"


def after(out: Path, seed: int, name: str) -> Path:
    """Return where the predictions after a strategy of a repeat lie."""
    return out / "repeats" / f"seed-{seed}" / f"{name}.parquet"


def said(path: Path) -> np.ndarray:
    """Return (N, C) float32: the probabilities in a file of predictions."""
    import pyarrow.parquet as pq

    return parts.matrix(pq.read_table(path, columns=["probabilities"])["probabilities"])


def _in_order() -> list[str]:
    """Return the strategies so that each comes after the one it begins with."""
    return sorted(STRATEGIES, key=lambda name: len(name.split("-")))

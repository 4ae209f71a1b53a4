"""Following a network through its training: what it looked at and said at every checkpoint (METHODS 2, steps 1-3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import exclusive, read_json, sealed, write_json
from xai_core.i2x import prototypes as fitting
from xai_core.i2x.curve import POSITIONS, SAMPLES, curve
from xai_core.i2x.looking import Looking, Seen
from xai_core.i2x.material import Choices, Material, chosen_samples, chosen_steps, gather, settings_of
from xai_core.i2x.store import Track
from xai_core.i2x.writing import TrackWriter
from xai_core.models import load
from xai_core.runs.settings import default_threads
from xai_core.training.machine import machine
from xai_core.types import DataSet

if TYPE_CHECKING:
    from xai_core.i2x.prototypes import Prototypes

CURVE = "curve.json"
FRAMES = ".frames.tmp"  # in the track's folder, where frames take more memory than there is; removed at the end


@dataclass
class Work:
    """One track in the making: see `follow`."""

    material: Material
    choices: Choices
    writer: TrackWriter
    part_size: int
    look: Callable[[int], Looking]
    progress: Callable[[int, int], None] | None
    say: Callable[[str], None]
    total: int = 0
    done: int = field(default=0)

    def tell(self, images: int) -> None:
        """Count images that a network has looked at."""
        self.done += images
        if self.progress:
            self.progress(self.done, self.total)


def follow(
    dataset: DataSet,
    model: str | Path,
    out: str | Path,
    choices: Choices | None = None,
    *,
    device: str | None = None,
    precision: str = "float32",
    threads: int | None = None,
    part_size: int = 4096,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Track:
    """Return the finished track of a model's training on a data set.

    Parameters
    ----------
    dataset : DataSet
        Its classes must be among the classifier's.
    model : path
        A model folder with checkpoints; the last one followed counts as the final network.
    out : path
        A new folder, or with `resume` that of a track that was cut off. One that is finished is left as it is.
    choices : Choices, optional
    device, precision
        As `models.load`.
    threads : int, optional
        All that this process may use by default; bits depend on them.
    part_size : int
        Samples in each stored part: what a kill can cost. It decides nothing.
    resume : bool
    progress : callable, optional
        Told (images looked at, images in all): each is looked at once to find prototypes, and once a checkpoint.
    say : callable
        Told lines for a log.

    Raises
    ------
    BadInput
        Where data, model, choices and folder do not go together.
    """
    model, out, choices = Path(model), Path(out), choices or Choices()
    threads = threads or default_threads()
    steps = chosen_steps(model, choices.checkpoints)
    samples = chosen_samples(dataset, choices)

    def look(step: int) -> Looking:
        classifier = load(f"{model}?checkpoint={step}", device=device, precision=precision)
        return Looking(classifier, choices.batch_size)

    with exclusive(out), machine(threads):
        final = look(steps[-1])
        writer = TrackWriter(out, settings_of(dataset, model, steps, final, choices, out, threads), resume=resume)
        if track := writer.finished():
            return track
        try:
            material = gather(dataset, final, samples, out / FRAMES, threads, say)
            writer.begin(material.table)
            work = Work(material, choices, writer, part_size, look, progress, say)
            _all_steps(work, steps, final)
        finally:
            (out / FRAMES).unlink(missing_ok=True)
        return writer.finish(material.left_out)


def suggest(
    dataset: DataSet,
    model: str | Path,
    out: str | Path,
    choices: Choices | None = None,
    *,
    device: str | None = None,
    precision: str = "float32",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict:
    """Return how well each of several numbers of prototypes fits (`curve`), and keep it as ``curve.json`` in `out`.

    Parameters as `follow`; a part of the samples and places will do. `out` may be the folder of the track to be.
    """
    model, out, choices = Path(model), Path(out), choices or Choices()
    threads = threads or default_threads()
    step = chosen_steps(model, choices.checkpoints)[-1]
    fewer = replace(choices, limit=min(choices.limit or SAMPLES, SAMPLES))
    samples = chosen_samples(dataset, fewer)
    with exclusive(out), machine(threads):
        looking = Looking(load(f"{model}?checkpoint={step}", device=device, precision=precision), choices.batch_size)
        try:
            material = gather(dataset, looking, samples, out / FRAMES, threads, say)
            count = len(material.table)
            told = Work(material, fewer, None, 0, None, progress, say, total=count)
            features = drawn_features(
                looking, material.frames, min(choices.positions, POSITIONS), choices.seed, told.tell
            )
        finally:
            (out / FRAMES).unlink(missing_ok=True)
        found = curve(features, choices.dimensions, method=choices.method, seed=choices.seed)
        about = {"model": str(model), "step": step, "dataset": dataset.spec, "samples": count, "places": len(features)}
        return read_json(write_json(out / CURVE, sealed(about | found)))


def _all_steps(work: Work, steps: tuple[int, ...], final: Looking) -> None:
    """Find the prototypes, then see every step: the final one first, for it gives places and predicted targets."""
    count = len(work.material.table)
    work.total = count * (1 + len(steps))
    prototypes = work.writer.prototypes
    if prototypes is None:
        prototypes = _find(work, final)
        work.writer.set_prototypes(prototypes)
    work.done = count
    work.say(_described(prototypes))
    labels = work.material.table["label"].to_numpy(np.int64, copy=True)
    own = work.choices.target == "predicted"
    _step(work, steps[-1], final, None if own else labels, prototypes)
    targets = work.writer.probabilities(steps[-1]).argmax(1) if own else labels
    for step in steps[:-1]:
        if work.writer.done(step) < count:
            _step(work, step, work.look(step), targets)
        else:
            work.tell(count)


def _find(work: Work, final: Looking) -> Prototypes:
    choices = work.choices
    features = drawn_features(final, work.material.frames, choices.positions, choices.seed, work.tell)
    work.say(f"fitting {choices.prototypes} prototypes on {len(features):,} places")
    return fitting.fit(features, choices.prototypes, choices.dimensions, method=choices.method, seed=choices.seed)


def drawn_features(
    looking: Looking, frames: np.ndarray, positions: int, seed: int, tell: Callable[[int], None]
) -> np.ndarray:
    """Return (n, d) float32 features of places drawn at random from all places of all frames, in their order."""
    depth, rows, columns = looking.shape
    cells = rows * columns
    total = len(frames) * cells
    chosen = np.sort(np.random.default_rng(seed).choice(total, min(positions, total), replace=False))
    features = np.empty((len(chosen), depth), np.float32)
    for first, last in _batches(0, len(frames), looking.batch_size):
        begin, end = np.searchsorted(chosen, [first * cells, last * cells])
        if end > begin:
            found = looking.features(frames[first:last]).reshape(-1, depth)
            features[begin:end] = found[chosen[begin:end] - first * cells]
        tell(last - first)
    return features


def _step(
    work: Work, step: int, looking: Looking, targets: np.ndarray | None, prototypes: Prototypes | None = None
) -> None:
    """Write what a network sees part by part; with `prototypes`, which one each place carries as well."""
    writer, count = work.writer, len(work.material.table)
    done = partial(writer.done, step)
    begin = min(done(), writer.places_done()) if prototypes else done()
    work.tell(begin)
    for first, last in _batches(begin, count, work.part_size):
        seen = list(_seen(work, step, looking, targets, first, last))
        if prototypes and writer.places_done() < last:
            places = np.concatenate([_nearest(prototypes, one) for one in seen])
            writer.add_places(places[writer.places_done() - first :])
        if done() < last:
            heatmaps, probabilities = (
                np.concatenate([getattr(s, k) for s in seen]) for k in ("heatmaps", "probabilities")
            )
            writer.add(step, heatmaps[done() - first :], probabilities[done() - first :])


def _nearest(prototypes: Prototypes, seen: Seen) -> np.ndarray:
    images, places, depth = seen.features.shape
    return prototypes.nearest(seen.features.reshape(-1, depth)).reshape(images, places)


def _seen(work: Work, step: int, looking: Looking, targets: np.ndarray | None, first: int, last: int) -> Iterator[Seen]:
    for begin, end in _batches(first, last, looking.batch_size):
        try:
            yield looking.see(work.material.frames[begin:end], None if targets is None else targets[begin:end])
        except FloatingPointError as error:
            raise BadInput(
                where=f"checkpoint {step}",
                expected="a network whose numbers are finite",
                found=str(error),
                remedy="leave this checkpoint out, or train with a lower lr",
            ) from error
        work.tell(end - begin)


def _batches(first: int, last: int, size: int) -> Iterator[tuple[int, int]]:
    return ((k, min(k + size, last)) for k in range(first, last, size))


def _described(prototypes: Prototypes) -> str:
    kept, places = float(prototypes.variance.sum()), prototypes.places
    return (
        f"{len(places)} prototypes in {len(prototypes.components)} dimensions ({kept:.1%} of the variance), from "
        f"{places.sum():,} places: {places.max():,} carry the most frequent, {places.min():,} the rarest"
    )

"""The local engine: one process runs the network, worker processes prepare its images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from xai_core.runs.prepare import Preparation, Prepared
from xai_core.runs.spread import over_processes
from xai_core.runs.store import RunWriter
from xai_core.types import Sample

if TYPE_CHECKING:
    from xai_core.runs.pipeline import Step


def run(
    step: Step,
    samples: Sequence[Sample],
    preparation: Preparation,
    writers: Sequence[RunWriter],
    *,
    part_size: int,
    workers: int,
    progress: Callable[[int], None] | None,
) -> None:
    """Explain `samples` by `step` and hand the rows of each target to its writer, `part_size` samples to a part.

    A writer is handed only rows that it lacks. `progress` is called with the number of samples done.
    """
    ahead = max(2 * step.images, 4 * workers)
    stream = over_processes(preparation, samples, workers=workers, ahead=ahead)
    waiting: list[list[dict]] = [[] for _ in writers]
    done = 0
    for batch in _batches(stream, step.images):
        for writer, rows, fresh in zip(writers, waiting, step(batch), strict=True):
            rows += [row for row in fresh if row["sample_id"] not in writer.done]
        _write_full(writers, waiting, part_size)
        done += len(batch)
        if progress:
            progress(done)
    _write_full(writers, waiting, 1)


def _batches(stream: Iterator[Prepared], size: int) -> Iterator[list[Prepared]]:
    while batch := list(islice(stream, size)):
        yield batch


def _write_full(writers: Sequence[RunWriter], waiting: list[list[dict]], part_size: int) -> None:
    for writer, rows in zip(writers, waiting, strict=True):
        if len(rows) >= part_size:
            writer.add(rows)
            rows.clear()

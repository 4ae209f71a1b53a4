"""Work spread over processes or threads, its results in order, a bounded number of them waiting."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


def over_processes(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Iterator[Result]:
    """Yield ``function(item)`` in order from `workers` processes (0: this one), at most `ahead` of them waiting."""
    if not workers:
        yield from map(function, items)
        return
    # loky rather than multiprocessing: no fork beside torch's threads, no main guard in scripts, dead workers noticed
    from loky import get_reusable_executor

    # idle workers wait through a long pass of the network (LIME: minutes) rather than start anew after it
    executor = get_reusable_executor(workers, timeout=600, initializer=_end_with, initargs=(os.getpid(),))
    yield from _in_order(executor, function, items, ahead)


def over_threads(function: Callable[[Item], Result], items: Iterable[Item], *, workers: int) -> Iterator[Result]:
    """Yield ``function(item)`` in order from `workers` threads (0: this one); for work that leaves Python's lock."""
    if not workers:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as executor:
        yield from _in_order(executor, function, items, 2 * workers)


def _end_with(parent: int) -> None:
    """Let this worker end with its parent, which may be killed and then tells nobody."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _in_order(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    waiting: deque = deque()
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()

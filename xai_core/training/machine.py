"""The machine's settings that bits depend on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def machine(threads: int) -> Iterator[None]:
    """Set what bits depend on, and put it back afterwards."""
    import torch

    memory = torch.utils.deterministic
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory
    torch.set_num_threads(threads)
    memory.fill_uninitialized_memory = False  # with NaN; nothing reads it, and it costs 5 % of an update
    # some CUDA kernels have no deterministic form: there it is a wish, on the CPU a promise
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        memory.fill_uninitialized_memory = before[2]


def used(threads: int) -> dict:
    """Return ``device``, ``threads`` (0: those torch has now) and ``torch``: what bits depend on, as plain values."""
    import torch

    return {
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "threads": threads or torch.get_num_threads(),
        "torch": torch.__version__,
    }

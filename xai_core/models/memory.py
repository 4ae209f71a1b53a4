"""Keeping memory between batches on the CPU."""

from __future__ import annotations

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


@cache
def keep_freed_memory() -> bool:
    """Return whether the C library now keeps what a network frees; without glibc nothing changes.

    By default glibc maps every large block anew and gives it back when freed, so each batch pays for a page fault per
    4 KiB: of MobileNetV2's time on 2 cores, a third in training and almost half in inference went to the kernel
    (batch 32, 224 px). Peak memory stays the same; what was the peak is held until the process ends.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 2**30)) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))

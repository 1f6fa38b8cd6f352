"""What the C library does with memory that was freed.

glibc gives blocks above a threshold, and the free end of its heap, back to the system at once. A
network's activations are such blocks, so that every layer of every batch asks for fresh pages, which the
system fills with zeros one by one.
"""

from __future__ import annotations

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc refuses more
_KEPT_BYTES = 2**30


@cache
def keep_freed_memory() -> bool:
    """Keep up to 1 GiB of freed memory for what comes next; once for the whole process.

    Returns:
        Whether the C library took it: others than glibc have their own ways, and are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    kept = mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    return bool(kept and mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))


def release_freed_memory() -> None:
    """Give what is kept back to the system, so that it does not count as in use."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return

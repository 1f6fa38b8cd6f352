"""What the C library does with memory that was freed.

glibc gives blocks above a threshold, and the free end of its heap, back to the system at once. A
network's activations are such blocks, so that every layer of every batch asks for fresh pages, which the
system fills with zeros one by one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_BLOCK_BYTES = 32 * 2**20  # the most that mallopt(3) promises for the threshold of blocks
_KEPT_BYTES = 2**30


@cache
def keep_freed_memory() -> bool:
    """Keep up to 1 GiB of freed memory for what comes next; once for the whole process.

    Returns:
        Whether the C library took it: others than glibc have their own ways, and are left alone.
    """
    mallopt = _function("mallopt")
    if mallopt is None or not mallopt(_MMAP_THRESHOLD, _BLOCK_BYTES):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))


def release_freed_memory() -> None:
    """Give what is kept back to the system, so that it does not count as in use."""
    malloc_trim = _function("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where it has none of this name."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None

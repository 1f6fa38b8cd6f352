"""Too little memory for a batch: it is halved and the work goes on, and whoever asks is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch

from advisor.errors import WorkFailed

_SIGNS = (
    "not enough memory",  # torch's allocator on a CPU
    "can't allocate memory",
    "failed to allocate",  # ONNX Runtime's arena, OpenVINO
    "bad_alloc",
    "bad allocation",
)


class OutOfMemory(WorkFailed):
    """Not even one example at a time fits into the device's memory."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: of torch, Python, ONNX Runtime or OpenVINO."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


_noted: ContextVar[dict[str, int] | None] = ContextVar("noted", default=None)


@contextmanager
def noting_halves() -> Iterator[dict[str, int]]:
    """While the body runs, what is given back learns the fewest rows that had to be computed at
    once, as "rows_in_memory"; it stays empty where memory was enough."""
    found: dict[str, int] = {}
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


def make_room(rows: int, error: BaseException, what: str) -> None:
    """Free what can be freed before so many rows are tried in two halves.

    Raises:
        OutOfMemory: If it was one row.
    """
    if rows <= 1:
        raise OutOfMemory(f"{what} one example does not fit: {error}") from error
    found = _noted.get()
    if found is not None:
        found["rows_in_memory"] = min(rows // 2, found.get("rows_in_memory", rows))
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def in_halves(compute: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """What is computed of rows, in halves of halves where memory is too small.

    Args:
        compute: Row numbers to an array with one entry a row.

    Raises:
        OutOfMemory: If one row at a time is too much.
    """
    try:
        return compute(rows)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        make_room(len(rows), error, "computing features of")
    return np.concatenate([in_halves(compute, half) for half in np.array_split(rows, 2)])

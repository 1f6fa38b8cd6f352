"""Batches of similar length under a token budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness.backbones.base import Progress
from harness.out_of_memory import in_halves


def token_batches(
    lengths: np.ndarray, *, tokens: int, rows: int | None = None, padding: int | None = None
) -> Iterator[np.ndarray]:
    """Row numbers in batches of similar length, the longest first.

    Starting with the longest batch shows at once whether it fits into memory.

    Args:
        lengths: Tokens per row, shape (n,).
        tokens: Most padded tokens a batch may have (a single longer row is its own batch).
        rows: Most rows a batch may have; None for no limit.
        padding: Most padding tokens a batch may have; None for no limit. Where another batch costs
            less time than so many tokens, it is the better choice.

    Yields:
        Positions into `lengths`, each exactly once over all batches.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, int(lengths[order[start]])))
        size = size if rows is None else max(1, min(size, rows))
        if padding is not None:
            wasted = (lengths[order[start]] - lengths[order[start : start + size]]).cumsum()
            size = int(np.searchsorted(wasted, padding, side="right"))
        yield order[start : start + size]
        start += size


def fill(
    found: np.ndarray,
    compute: Callable[[np.ndarray], np.ndarray],
    lengths: np.ndarray,
    *,
    tokens: int,
    rows: int | None = None,
    padding: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """What is computed of every row, batch by batch, in halves where memory is too small.

    Args:
        found: Gets the results and is returned; first dimension n.
        compute: Row numbers to an array with one entry a row.
        lengths, tokens, rows, padding: As of `token_batches`.

    Raises:
        OutOfMemory: If one row at a time is too much.
    """
    done, whole = 0, max(1, int(lengths.sum()))
    for batch in token_batches(lengths, tokens=tokens, rows=rows, padding=padding):
        found[batch] = in_halves(compute, batch)
        done += int(lengths[batch].sum())
        if progress is not None:
            progress(done / whole)
    return found

"""Batches of similar length under a token budget."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def token_batches(
    lengths: np.ndarray, *, tokens: int, rows: int | None = None
) -> Iterator[np.ndarray]:
    """Row numbers in batches of similar length, the longest first.

    Starting with the longest batch shows at once whether it fits into memory.

    Args:
        lengths: Tokens per row, shape (n,).
        tokens: Most padded tokens a batch may have (a single longer row is its own batch).
        rows: Most rows a batch may have; None for no limit.

    Yields:
        Positions into `lengths`, each exactly once over all batches.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, int(lengths[order[start]])))
        size = size if rows is None else max(1, min(size, rows))
        yield order[start : start + size]
        start += size

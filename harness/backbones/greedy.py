"""Greedy generation: the likeliest token, again and again, for a batch of rows."""

from __future__ import annotations

from collections.abc import Callable

import torch


@torch.no_grad()
def greedy(
    step: Callable[[torch.Tensor | None], torch.Tensor],
    rows: int,
    *,
    max_new_tokens: int,
    ends: Callable[[int], bool],
) -> list[list[int]]:
    """The tokens each row writes.

    Args:
        step: Given None first and then the tokens just written, shape (rows, 1), returns the
            logits of the next ones, shape (rows, vocabulary). It keeps what was read before.
        ends: Whether a row is finished with this token.

    Returns:
        Per row at most `max_new_tokens` tokens, the one that ended it included.
    """
    written: list[list[int]] = [[] for _ in range(rows)]
    unfinished = set(range(rows))
    tokens = None
    for _ in range(max_new_tokens):
        chosen = step(tokens).argmax(dim=-1)
        for row, token in enumerate(chosen.tolist()):
            if row in unfinished:
                written[row].append(token)
                if ends(token):
                    unfinished.discard(row)
        if not unfinished:
            break
        tokens = chosen[:, None]
    return written

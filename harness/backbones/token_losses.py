"""How unlikely tokens are, exactly for vocabularies of any size."""

from __future__ import annotations

import torch
from torch import nn


def token_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of each token, in nats.

    The vocabulary stays the last dimension: over any other one torch adds up the 262,144
    exponentials of Gemma one after another in float32, which was off by 7e-4 nats.

    Args:
        logits: Shape (B, n, vocabulary). targets: Tokens, int64, shape (B, n).

    Returns:
        float32, shape (B, n).
    """
    losses = nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), reduction="none"
    )
    return losses.view(targets.shape)

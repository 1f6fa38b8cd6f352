"""Losses of tokens are exact however large the vocabulary is."""

from __future__ import annotations

import pytest
import torch

from harness.backbones.token_losses import token_losses


@pytest.mark.parametrize(("vocabulary", "scale"), [(7, 1.0), (262_144, 5.0), (262_144, 0.1)])
def test_losses_are_those_in_double_precision(vocabulary: int, scale: float) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = scale * torch.randn(2, 3, vocabulary, generator=draw)
    targets = torch.randint(vocabulary, (2, 3), generator=draw)
    logs = logits.double().log_softmax(dim=-1)
    exact = -logs.gather(-1, targets[:, :, None])[:, :, 0]
    torch.testing.assert_close(token_losses(logits, targets).double(), exact, atol=1e-5, rtol=1e-6)

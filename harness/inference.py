"""Predicting with a trainee: batches that depend on the inputs alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from advisor.errors import WorkFailed
from harness.backbones.base import Trainee
from harness.backbones.token_batches import token_batches
from harness.device import training_dtype
from harness.strategies.base import Interrupted

BATCH_COST, BATCH_ROWS = 8192, 64
"""Padded tokens (or images) and rows of a batch at most."""


class OutOfMemory(WorkFailed):
    """Not even one example at a time fits into the device's memory."""


@torch.no_grad()  # inference mode would taint what a body caches, and training goes on after
def predict_log_probabilities(
    trainee: Trainee,
    inputs: Sequence[Any],
    *,
    n_classes: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> np.ndarray:
    """Log-probabilities over the classes, float64, shape (n, n_classes), rows normalised.

    Batches depend on the inputs alone, so that equal inputs give equal outputs in any process.

    Raises:
        Interrupted: If `cancelled` turned true between two batches.
        OutOfMemory: If one example at a time is too much for the device.
    """
    if not inputs:
        return np.zeros((0, n_classes))
    trainee.eval()
    device = next(trainee.parameters()).device
    lengths = trainee.lengths(inputs)
    rows: dict[int, torch.Tensor] = {}
    for batch in token_batches(lengths, tokens=BATCH_COST, rows=BATCH_ROWS):
        if cancelled():
            raise Interrupted
        with autocast(device):
            scores = _forward(trainee, [inputs[row] for row in batch])
        rows.update(zip(batch.tolist(), scores, strict=True))
    scores = torch.stack([rows[row] for row in range(len(rows))])
    return scores.double().log_softmax(dim=1).numpy()


def _forward(trainee: Trainee, inputs: Sequence[Any]) -> torch.Tensor:
    """Scores on the CPU; in halves where the device's memory is too small."""
    try:
        return trainee.log_probabilities(trainee.encode(inputs)).float().cpu()
    except torch.OutOfMemoryError as error:
        if len(inputs) == 1:
            raise OutOfMemory(f"predicting one example does not fit: {error}") from error
    torch.cuda.empty_cache()
    half = len(inputs) // 2
    return torch.cat([_forward(trainee, inputs[:half]), _forward(trainee, inputs[half:])])


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 matrix products on GPUs that have them; nothing elsewhere."""
    dtype = training_dtype(device)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)

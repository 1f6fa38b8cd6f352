"""Predicting with a trainee: batches that depend on the inputs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from harness.backbones.base import Trainee
from harness.backbones.token_batches import token_batches
from harness.datasets.base import Split
from harness.device import training_dtype
from harness.out_of_memory import OutOfMemory as OutOfMemory
from harness.out_of_memory import is_out_of_memory, make_room
from harness.strategies.base import Interrupted
from harness.tasks.base import Task

BATCH_COST, BATCH_ROWS = 8192, 64
"""Padded tokens (or images) and rows of a batch at most."""


def never() -> bool:
    """Nobody cancels."""
    return False


@torch.no_grad()  # inference mode would taint what a body caches, and training goes on after
def predict_answers(
    trainee: Trainee, inputs: Sequence[Any], task: Task, *, cancelled: Callable[[], bool] = never
) -> np.ndarray:
    """Answers as the task wants them: see `harness.tasks.base`.

    Batches depend on the inputs alone, so that equal inputs give equal outputs in any process.

    Raises:
        Interrupted: If `cancelled` turned true between two batches.
        OutOfMemory: If one example at a time is too much for the device.
    """
    if task.output == "probabilities":
        return np.exp(predict_log_probabilities(trainee, inputs, task, cancelled=cancelled))
    rows = _rows(trainee, inputs, cancelled)
    if task.output == "texts":
        return np.array(rows, dtype=np.str_)
    numbers = torch.stack(rows) if rows else torch.zeros(0, task.n_outputs)
    return numbers.double().numpy()


@torch.no_grad()
def predict_log_probabilities(
    trainee: Trainee, inputs: Sequence[Any], task: Task, *, cancelled: Callable[[], bool] = never
) -> np.ndarray:
    """Log-probabilities over the classes, float64, shape (n, n_classes), rows normalised.

    Raises:
        Interrupted, OutOfMemory: As `predict_answers`.
    """
    if not inputs:
        return np.zeros((0, task.n_classes))
    scores = torch.stack(_rows(trainee, inputs, cancelled))
    return scores.double().log_softmax(dim=1).numpy()


@torch.no_grad()
def mean_loss(trainee: Trainee, rows: Split, *, cancelled: Callable[[], bool] = never) -> float:
    """Mean training loss over rows, nothing dropped out.

    Raises:
        Interrupted, OutOfMemory: As `predict_answers`.
    """
    device = next(trainee.parameters()).device
    total = 0.0
    for batch in _batches(trainee, rows.inputs, cancelled):
        with autocast(device):
            total += _loss_sum(trainee, rows, batch, device)
    return total / len(rows)


def targets_of(rows: Split, batch: np.ndarray, device: torch.device) -> Any:
    """Targets of some rows as `Trainee.loss` takes them."""
    chosen = rows.targets[batch]
    return chosen if chosen.dtype.kind == "U" else torch.as_tensor(chosen, device=device)


def _loss_sum(trainee: Trainee, rows: Split, batch: np.ndarray, device: torch.device) -> float:
    """Summed loss of a batch; in halves where the device's memory is too small."""
    try:
        encoded = trainee.encode([rows.inputs[row] for row in batch])
        return float(trainee.loss(encoded, targets_of(rows, batch, device))) * len(batch)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        make_room(len(batch), error, "predicting")
    return sum(_loss_sum(trainee, rows, half, device) for half in np.array_split(batch, 2))


def _rows(trainee: Trainee, inputs: Sequence[Any], cancelled: Callable[[], bool]) -> list[Any]:
    """The answer to each input, in their order."""
    device = next(trainee.parameters()).device
    rows: dict[int, Any] = {}
    for batch in _batches(trainee, inputs, cancelled):
        with autocast(device):
            answers = _forward(trainee, [inputs[row] for row in batch])
        rows.update(zip(batch.tolist(), answers, strict=True))
    return [rows[row] for row in range(len(rows))]


def _batches(
    trainee: Trainee, inputs: Sequence[Any], cancelled: Callable[[], bool]
) -> Iterator[np.ndarray]:
    if not inputs:
        return
    trainee.eval()
    for batch in token_batches(trainee.lengths(inputs), tokens=BATCH_COST, rows=BATCH_ROWS):
        if cancelled():
            raise Interrupted
        yield batch


def _forward(trainee: Trainee, inputs: Sequence[Any]) -> list[Any]:
    """One answer an input, tensors on the CPU; in halves where the memory is too small."""
    try:
        answers = trainee.answers(trainee.encode(inputs))
        return list(answers.float().cpu()) if isinstance(answers, torch.Tensor) else answers
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        make_room(len(inputs), error, "predicting")
    half = len(inputs) // 2
    return [*_forward(trainee, inputs[:half]), *_forward(trainee, inputs[half:])]


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 matrix products on GPUs that have them; nothing elsewhere."""
    dtype = training_dtype(device)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)

"""Validation while training: the loss that decides when to stop, and the score if it is at hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.backbones.base import Trainee
from harness.datasets.base import Split
from harness.inference import mean_loss, never, predict_answers, predict_log_probabilities
from harness.tasks.base import Task


def validate(
    trainee: Trainee, rows: Split, task: Task, *, cancelled: Callable[[], bool] = never
) -> tuple[float, float | None]:
    """Mean loss and score of validation rows.

    Of classes the loss is over the classes, as in prediction, whatever the training compares.
    Texts are not generated: that takes many times as long as their loss.

    Returns:
        The loss, and the task's metric; None for the latter where answers are texts.

    Raises:
        Interrupted, OutOfMemory: As `harness.inference.predict_answers`.
    """
    if task.output == "probabilities":
        logs = predict_log_probabilities(trainee, rows.inputs, task, cancelled=cancelled)
        loss = float(-logs[np.arange(len(rows)), rows.targets].mean())
        return loss, task.scores(np.exp(logs), rows.targets)[task.metric]
    loss = mean_loss(trainee, rows, cancelled=cancelled)
    if task.output == "texts":
        return loss, None
    answers = predict_answers(trainee, rows.inputs, task, cancelled=cancelled)
    return loss, task.scores(answers, rows.targets)[task.metric]

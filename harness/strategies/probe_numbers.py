"""Ridge regression on numbers: the whole path of penalties from one decomposition.

Source: Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, sections 3.4.1
and 18.3.5 (with more features than rows, by way of the products of the rows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import torch
from scipy.linalg import eigh

from harness.strategies.base import Interrupted
from harness.strategies.probe_path import LinearClassifier, standardisation
from harness.strategies.probe_ridge import DEFAULT_PENALTY
from harness.tasks.base import NumberTask, Task

PENALTIES = tuple(float(a) for a in np.logspace(6, -2, 17))
"""Factors on the squared weights, strongest regularization first."""


def number_path(
    features: np.ndarray, targets: np.ndarray, penalties: tuple[float, ...]
) -> Iterator[tuple[float, LinearClassifier]]:
    """Fit for each penalty in turn: `|scores - targets|^2 + penalty * |weights|^2` is least.

    Args:
        features: Shape (n, width), n at least 1; standardised inside.
        targets: Shape (n, n_outputs).

    Yields:
        Penalty and the layer.
    """
    mean, scale = standardisation(features)
    rows = (features.astype(np.float64) - mean) / scale
    bias = targets.mean(axis=0)
    centred = targets - bias
    wide = rows.shape[0] <= rows.shape[1]
    values, vectors = eigh(rows @ rows.T if wide else rows.T @ rows)
    seen = vectors.T @ (centred if wide else rows.T @ centred)
    for penalty in penalties:
        found = vectors @ (seen / (np.maximum(values, 0.0) + penalty)[:, None])
        yield penalty, LinearClassifier(rows.T @ found if wide else found, bias, mean, scale)


def best_numbers(
    task: Task,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    cancelled: Callable[[], bool],
) -> tuple[float, LinearClassifier]:
    """The penalty that validation prefers, by the metric, of equals by the loss, and its layer.

    Args:
        train: Features, shape (n, width), and targets, shape (n, n_outputs), in their units;
            validation likewise, perhaps without rows: then the default penalty is used.

    Returns:
        The penalty, and a layer whose scores the task makes answers of.

    Raises:
        Interrupted: If `cancelled` turned true.
    """
    rows = len(validation[1])
    targets = cast(NumberTask, task).standardised(torch.from_numpy(train[1])).double().numpy()
    best = None
    for penalty, layer in number_path(train[0], targets, PENALTIES if rows else (DEFAULT_PENALTY,)):
        if cancelled():
            raise Interrupted
        fitness = _fitness(task, layer, *validation) if rows else (0.0, 0.0)
        if best is None or fitness > best[0]:
            best = fitness, penalty, layer
    assert best is not None
    return best[1], best[2]


def answers_of(task: Task, layer: LinearClassifier, features: np.ndarray) -> np.ndarray:
    """What a layer says of features, as an answer of the task: probabilities or numbers."""
    if task.output == "probabilities":
        return layer.probabilities(features)
    return task.answer(torch.from_numpy(layer.scores(features))).numpy()


def _fitness(
    task: Task, layer: LinearClassifier, features: np.ndarray, targets: np.ndarray
) -> tuple[float, float]:
    """Score of the task's metric, then minus the loss: larger is better."""
    scores = torch.from_numpy(layer.scores(features))
    score = task.scores(task.answer(scores).numpy(), targets)[task.metric]
    return score, -float(task.loss(scores, torch.from_numpy(targets)))

"""The whole regularization path of a multinomial logistic regression, in one go.

L2-penalised multinomial logistic regression on standardised features, for every strength of
regularization in the same passes over the rows. The objective is
`mean log-loss + |W|^2 / (2 C n)`, in which C means what it means in scikit-learn, whose solver
takes longer (benchmarks/probe_path.py) and cannot be told of classes without rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import log_softmax

from harness.strategies.base import Interrupted
from harness.strategies.probe_descent import descend
from harness.strategies.probe_loss import BLOCK, SINGLE_ABOVE, TurnedRows
from harness.tasks.base import Task

STRENGTHS = tuple(float(c) for c in np.logspace(-5, 2, 15))
"""Inverse regularization strengths C, strongest regularization first."""
DEFAULT_C = 10**-2.5
"""Where there are no validation rows: close to the best at every size (docs/decisions/0006)."""
ITERATIONS = 200
"""Of descents that are not `descend`'s."""
PART_ABOVE, PART = 16_384, 8
"""More rows than these are first solved for an eighth of them: a good start costs little."""
PRIOR_ROWS = 5


@dataclass(frozen=True)
class LinearClassifier:
    """Scores of classes, or of numbers, `((x - mean) / scale) @ weights + bias`.

    Attributes:
        weights: float64, shape (width, n_classes); bias: (n_classes,).
        mean, scale: float64, shape (width,).
    """

    weights: np.ndarray
    bias: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Class probabilities, float64, shape (n, n_classes)."""
        return np.exp(log_softmax(self.scores(features), axis=1))

    def scores(self, features: np.ndarray) -> np.ndarray:
        """What a head says, float64, shape (n, n_classes) or (n, n_outputs)."""
        return (features - self.mean) / self.scale @ self.weights + self.bias


def standardisation(
    features: np.ndarray, prior_rows: int = PRIOR_ROWS
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each feature, shape (width,) each.

    Variances are drawn towards their mean over the features, which counts like so many rows: from
    a few rows a variance is hardly known, and dividing by one that came out small by chance blows
    up noise. docs/decisions/0006 has the measurement.
    """
    n = len(features)
    mean = features.mean(axis=0, dtype=np.float64)
    squares = np.zeros(features.shape[1])
    for start in range(0, n, BLOCK):  # in parts, as many rows in float64 are large
        squares += ((features[start : start + BLOCK] - mean) ** 2).sum(axis=0)
    variance = squares / n
    drawn = (n * variance + prior_rows * variance.mean()) / (n + prior_rows)
    return mean, np.sqrt(np.where(drawn > 0, drawn, 1.0))


def regularization_path(
    features: np.ndarray,
    targets: np.ndarray,
    n_classes: int,
    strengths: tuple[float, ...] = STRENGTHS,
    *,
    prior_rows: int = PRIOR_ROWS,
    between: Callable[[], None] = lambda: None,
) -> Iterator[tuple[float, LinearClassifier]]:
    """Fit for each C, all at once; classes without rows end up with low probability.

    The solution lies in the span of the rows, so with fewer rows than features the problem is
    solved in as many dimensions as there are rows: the same solution, in less time.

    Args:
        features: Shape (n, width), n at least 1.
        targets: Class indices, shape (n,).
        prior_rows: See `standardisation`.
        between: Called before each pass over the rows; may raise to stop.

    Yields:
        C and the classifier, in the order of `strengths`.
    """
    mean, scale = standardisation(features, prior_rows)
    number = np.float32 if features.size > SINGLE_ABOVE else np.float64
    standard = np.subtract(features, mean, dtype=number)
    standard /= scale.astype(number)
    rows = TurnedRows(standard, targets, n_classes)
    penalties = 1 / (torch.tensor(strengths, dtype=torch.float64) * rows.n)
    start = torch.zeros(len(strengths), rows.width + 1, n_classes, dtype=torch.float64)
    if rows.n > PART_ABOVE:
        rough = descend(rows.part(rows.n // PART), penalties, start, between=between)
        start = _best_starts(rows, penalties, torch.cat([start[:1], rough]))
    found = descend(rows, penalties, start, between=between).numpy()
    for strength, one in zip(strengths, found, strict=True):
        yield strength, LinearClassifier(rows.axes @ one[:-1], one[-1].copy(), mean, scale)


def _best_starts(
    rows: TurnedRows, penalties: torch.Tensor, candidates: torch.Tensor
) -> torch.Tensor:
    """For each penalty the candidate with the least penalised loss.

    Of few rows the solution of a weak penalty fits them too well: one of a stronger penalty is then
    closer to the solution of all rows.
    """
    losses, _, _ = rows.losses(candidates)
    squares = (candidates[:, :-1] ** 2).sum((1, 2))
    return candidates[(losses + penalties[:, None] / 2 * squares).argmin(dim=1)]


def best_on_path(
    task: Task,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    cancelled: Callable[[], bool],
) -> tuple[float, LinearClassifier]:
    """The strength of regularization that validation prefers, and its classifier.

    Args:
        train: Features, shape (n, width), and class indices, shape (n,); validation likewise,
            perhaps without rows: then the default strength is used.

    Raises:
        Interrupted: If `cancelled` turned true.
    """

    def between() -> None:
        if cancelled():
            raise Interrupted

    strengths = STRENGTHS if len(validation[1]) else (DEFAULT_C,)
    path = regularization_path(*train, task.n_classes, strengths, between=between)
    return best_of(task, path, validation, cancelled=cancelled)


def best_of(
    task: Task,
    path: Iterable[tuple[float, LinearClassifier]],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    cancelled: Callable[[], bool],
) -> tuple[float, LinearClassifier]:
    """The pair of a path that validation prefers: by the metric, of equals by log loss.

    Raises:
        Interrupted: If `cancelled` turned true.
    """
    best = None
    for strength, classifier in path:
        if cancelled():
            raise Interrupted
        fitness = _fitness(task, classifier, *validation)
        if best is None or fitness > best[0]:
            best = fitness, strength, classifier
    assert best is not None
    return best[1], best[2]


def _fitness(
    task: Task, classifier: LinearClassifier, features: np.ndarray, targets: np.ndarray
) -> tuple[float, float]:
    """Score of the task's metric, then mean log-probability of the truth: larger is better."""
    if not len(targets):
        return 0.0, 0.0
    probabilities = classifier.probabilities(features)
    truth = probabilities[np.arange(len(targets)), targets]
    score = task.scores(probabilities, targets)[task.metric]
    return score, float(np.log(np.maximum(truth, 1e-12)).mean())

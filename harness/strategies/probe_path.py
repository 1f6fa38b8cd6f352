"""The whole regularization path of a multinomial logistic regression, in one go.

L2-penalised multinomial logistic regression on standardised features, from strong to weak
regularization, each fit starting from the one before. The objective is
`mean log-loss + |W|^2 / (2 C n)`, in which C means what it means in scikit-learn, whose solver
takes as long and cannot be told of classes without rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from harness.strategies.base import Interrupted
from harness.tasks.base import Task

STRENGTHS = tuple(float(c) for c in np.logspace(-5, 2, 15))
"""Inverse regularization strengths C, strongest regularization first."""
DEFAULT_C = 10**-2.5
"""Where there are no validation rows: close to the best at every size (docs/decisions/0006)."""
ITERATIONS = 200
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
    features = features.astype(np.float64)
    variance, n = features.var(axis=0), len(features)
    drawn = (n * variance + prior_rows * variance.mean()) / (n + prior_rows)
    return features.mean(axis=0), np.sqrt(np.where(drawn > 0, drawn, 1.0))


def regularization_path(
    features: np.ndarray,
    targets: np.ndarray,
    n_classes: int,
    strengths: tuple[float, ...] = STRENGTHS,
    *,
    prior_rows: int = PRIOR_ROWS,
) -> Iterator[tuple[float, LinearClassifier]]:
    """Fit for each C in turn; classes without rows end up with low probability.

    The solution lies in the span of the rows, so with fewer rows than features the problem is
    solved in as many dimensions as there are rows: the same solution, in less time.

    Args:
        features: Shape (n, width), n at least 1.
        targets: Class indices, shape (n,).
        prior_rows: See `standardisation`.

    Yields:
        C and the classifier, in the order of `strengths`.
    """
    mean, scale = standardisation(features, prior_rows)
    rows = (features.astype(np.float64) - mean) / scale
    basis = None
    if rows.shape[0] < rows.shape[1]:
        basis, triangle = np.linalg.qr(rows.T)
        rows = triangle.T
    n, width = rows.shape
    one_hot = np.eye(n_classes)[targets]
    solution = np.zeros((width + 1) * n_classes)

    def objective(flat: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        weights, bias = flat[:-n_classes].reshape(width, n_classes), flat[-n_classes:]
        logs = log_softmax(rows @ weights + bias, axis=1)
        loss = -(logs * one_hot).sum() / n + penalty / 2 * (weights**2).sum()
        residual = (np.exp(logs) - one_hot) / n
        gradient = rows.T @ residual + penalty * weights
        return loss, np.concatenate([gradient.ravel(), residual.sum(axis=0)])

    for strength in strengths:
        solution = minimize(
            objective,
            solution,
            args=(1 / (strength * n),),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": ITERATIONS, "ftol": 1e-9, "gtol": 1e-4},
        ).x
        weights = solution[:-n_classes].reshape(width, n_classes)
        yield (
            strength,
            LinearClassifier(
                weights if basis is None else basis @ weights, solution[-n_classes:], mean, scale
            ),
        )


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
    strengths = STRENGTHS if len(validation[1]) else (DEFAULT_C,)
    path = regularization_path(*train, task.n_classes, strengths)
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

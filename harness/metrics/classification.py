"""Classification metrics as pure functions of numpy arrays.

Ties between classes go to the lower class index, everywhere.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from harness.metrics.base import Metric, mean_of

ECE_BINS = 15
_TEMPERATURES = (0.05, 20.0)
_SUM_TOLERANCE = 1e-3


def checked_probabilities(probabilities: np.ndarray, n: int, n_classes: int) -> np.ndarray:
    """The probabilities as float64, after making sure that they are probabilities.

    Raises:
        ValueError: If the shape is not (n, n_classes), n is 0, a value is not finite or
            negative, or a row does not sum to 1 within 0.001.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if n == 0:
        raise ValueError("no rows to score")
    if probabilities.shape != (n, n_classes):
        raise ValueError(
            f"probabilities must have shape ({n}, {n_classes}); got {probabilities.shape}"
        )
    if not np.isfinite(probabilities).all():
        bad = int((~np.isfinite(probabilities).all(axis=1)).sum())
        raise ValueError(f"probabilities must be finite; {bad} of {n} rows are not")
    if (probabilities < 0).any() or (abs(probabilities.sum(axis=1) - 1) > _SUM_TOLERANCE).any():
        raise ValueError("probabilities must be at least 0 and sum to 1 in every row")
    return probabilities


accuracy = mean_of("accuracy", lambda predictions, targets: predictions == targets)
"""Share of rows whose predicted class is the right one, in [0, 1]."""


def _class_counts(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Hit, predicted and actual of each class, side by side, float64, shape (n, 3 * classes)."""
    classes = np.arange(int(max(np.max(predictions), np.max(targets))) + 1)
    said = np.asarray(predictions)[:, None] == classes
    true = np.asarray(targets)[:, None] == classes
    return np.concatenate([said & true, said, true], axis=1).astype(np.float64)


def _macro_f1(counts: np.ndarray) -> np.ndarray:
    return f1_mean(*np.split(counts, 3, axis=-1))


macro_f1 = Metric("macro_f1", _class_counts, _macro_f1)
"""Unweighted mean of the classes' F1 over classes that occur among targets or predictions.

A class that neither occurs nor is predicted does not count (as in scikit-learn).
"""


def f1_mean(hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Macro-F1 from counts whose last axis is the class; leading axes are kept.

    F1 = 2 hits / (predicted + actual), the harmonic mean of precision and recall.
    """
    total = predicted + actual
    f1 = 2 * hits / np.where(total > 0, total, 1)
    return f1.sum(axis=-1) / (total > 0).sum(axis=-1)


def log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean negative natural logarithm of the right class's probability, at most 36.04.

    Probabilities are clipped at the float64 resolution (2.2e-16), as in scikit-learn.
    """
    right = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.clip(right, np.finfo(np.float64).eps, 1.0)).mean())


def expected_calibration_error(
    probabilities: np.ndarray, targets: np.ndarray, bins: int = ECE_BINS
) -> float:
    """Gap between confidence and accuracy, averaged over bins of equal width, in [0, 1].

    A row's confidence is its highest probability; bin m holds confidences in
    ((m - 1) / bins, m / bins]; bins weigh as many rows as they hold.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", equations 2-5.
    """
    confidence = probabilities.max(axis=1)
    hit = (probabilities.argmax(axis=1) == targets).astype(np.float64)
    which = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(which, weights=hit - confidence, minlength=bins)
    return float(abs(gaps).sum() / len(targets))


def fit_temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The temperature at which these rows' log loss is smallest, in [0.05, 20].

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """

    def loss(log: float) -> float:
        return log_loss(at_temperature(probabilities, float(np.exp(log))), targets)

    return float(np.exp(minimize_scalar(loss, bounds=np.log(_TEMPERATURES)).x))


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities whose logarithms are divided by a temperature and normalised again."""
    logs = np.log(np.clip(probabilities, np.finfo(np.float64).tiny, 1.0)) / temperature
    return softmax(logs, axis=1)


def recall_per_class(
    predictions: np.ndarray, targets: np.ndarray, n_classes: int
) -> list[float | None]:
    """Share of each class's rows that were recognised; None for a class without rows."""
    actual = np.bincount(targets, minlength=n_classes)
    hits = np.bincount(targets[predictions == targets], minlength=n_classes)
    return [
        int(hit) / int(count) if count else None for hit, count in zip(hits, actual, strict=True)
    ]

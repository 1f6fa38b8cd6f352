"""Metrics of numbers and of boxes as pure functions of numpy arrays.

A box is x_min, y_min, x_max, y_max. Its unit does not matter: both axes may be scaled at will.
"""

from __future__ import annotations

import numpy as np

from harness.metrics.base import Metric, mean_of

HIT = 0.5
"""Least overlap at which a box counts as found (Everingham et al. 2010, section 4.2)."""


def checked_numbers(answers: np.ndarray, n: int, n_outputs: int) -> np.ndarray:
    """The answers as float64, after making sure that they are such.

    Raises:
        ValueError: If the shape is not (n, n_outputs), n is 0, or a value is not finite.
    """
    answers = np.asarray(answers, dtype=np.float64)
    if n == 0:
        raise ValueError("no rows to score")
    if answers.shape != (n, n_outputs):
        raise ValueError(f"answers must have shape ({n}, {n_outputs}); got {answers.shape}")
    if not np.isfinite(answers).all():
        bad = int((~np.isfinite(answers).all(axis=1)).sum())
        raise ValueError(f"answers must be finite; {bad} of {n} rows are not")
    return answers


def _squares(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Squared error, target, squared target and 1 of each row, shape (n, 4).

    Targets are counted from their mean, which changes no score and loses no digits where they
    are large and close together.
    """
    error, centred = (answers - targets)[:, 0], (targets - targets.mean())[:, 0]
    return np.stack([error**2, centred, centred**2, np.ones(len(targets))], axis=1)


def _r2(sums: np.ndarray) -> np.ndarray:
    error, total = sums[..., 0], _spread(sums[..., 2], sums[..., 1], sums[..., 3])
    there = total > 0
    flat = np.where(error > 0, 0.0, 1.0)  # of equal targets, as in scikit-learn
    return np.where(there, 1 - error / np.where(there, total, 1.0), flat)


r2 = Metric("r2", _squares, _r2, share=False)
"""Coefficient of determination: 1 without error, 0 as good as the mean of these targets."""


def _products(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Both, their squares, their product and 1 of each row, each counted from its mean."""
    a, b = (answers - answers.mean())[:, 0], (targets - targets.mean())[:, 0]
    return np.stack([a, b, a**2, b**2, a * b, np.ones(len(a))], axis=1)


def _pearson(sums: np.ndarray) -> np.ndarray:
    a, b, a2, b2, ab, n = np.moveaxis(sums, -1, 0)
    size = np.sqrt(_spread(a2, a, n) * _spread(b2, b, n))
    there = size > 0
    return np.where(there, np.clip((ab - a * b / n) / np.where(there, size, 1.0), -1, 1), 0.0)


def _spread(squares: np.ndarray, total: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Sum of squared distances from the mean; 0 where rounding is all there is."""
    spread = squares - total**2 / n
    return np.where(spread > 1e-12 * squares, spread, 0.0)


pearson = Metric("pearson", _products, _pearson, share=False)
"""Correlation of answers and targets, in [-1, 1]; 0 where either does not vary."""


def mean_absolute_error(answers: np.ndarray, targets: np.ndarray) -> float:
    """In the units of the targets."""
    return float(abs(answers - targets).mean())


def box_iou(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Area of the overlap of two boxes over the area they cover together, in [0, 1].

    Args:
        answers: Shape (n, 4), each x_min <= x_max and y_min <= y_max; targets likewise.

    Returns:
        float64, shape (n,). Two boxes without area have 1 if they are equal, else 0.
    """
    low, high = (
        np.maximum(answers[:, :2], targets[:, :2]),
        np.minimum(answers[:, 2:], targets[:, 2:]),
    )
    overlap = np.clip(high - low, 0, None).prod(axis=1)
    together = _area(answers) + _area(targets) - overlap
    equal = (answers == targets).all(axis=1)
    ratio = np.where(together > 0, overlap / np.where(together > 0, together, 1.0), equal)
    return np.clip(np.where(equal, 1.0, ratio), 0.0, 1.0)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


mean_iou = mean_of("mean_iou", box_iou)
"""Mean overlap of the boxes with the right ones, in [0, 1]."""

hit_rate = mean_of("hit_rate", lambda answers, targets: box_iou(answers, targets) >= HIT)
"""Share of boxes that overlap the right one by half at least, in [0, 1]."""

"""What a metric is: a score of a set of rows that adds up over the rows.

Every row contributes some numbers, and the score of any set of rows is a function of their sums.
That makes a bootstrap one product of matrices: nothing is predicted or compared anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metric:
    """A score of answers against targets; higher is better.

    Attributes:
        statistics: Answers and targets, each of length n, to what every row contributes,
            float64, shape (n, s).
        score: Sums of such rows, shape (..., s), to scores, shape (...).
        share: Whether it is a share in [0, 1], shown in percent.
    """

    name: str
    statistics: Callable[[np.ndarray, np.ndarray], np.ndarray]
    score: Callable[[np.ndarray], np.ndarray]
    share: bool = True

    def __call__(self, answers: np.ndarray, targets: np.ndarray) -> float:
        """The score of all rows together; at least one."""
        return float(self.score(self.statistics(answers, targets).sum(axis=0)))


def mean_of(
    name: str, per_row: Callable[[np.ndarray, np.ndarray], np.ndarray], *, share: bool = True
) -> Metric:
    """The mean of a number that every row has on its own.

    Args:
        per_row: Answers and targets to numbers, shape (n,).
    """

    def statistics(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
        values = np.asarray(per_row(answers, targets), dtype=np.float64)
        return np.stack([values, np.ones(len(values))], axis=1)

    return Metric(name, statistics, lambda sums: sums[..., 0] / sums[..., 1], share)

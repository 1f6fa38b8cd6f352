"""The contract of a task: what is predicted, how it is put to a model, how it is scored."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Task(Protocol):
    """One question asked of every strategy alike.

    Attributes:
        id: Registered name ("classification").
        label_names: Class names in the order of the target indices.
        description: What the user said the task is, for prompts; None if nothing was said.
        metric: The metric that selects and is reported first ("accuracy", "macro_f1").
    """

    id: str
    label_names: tuple[str, ...]
    description: str | None
    metric: str

    @property
    def n_classes(self) -> int: ...

    def scores(self, probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Every metric of the task.

        Args:
            probabilities: Shape (n, n_classes), rows sum to 1.
            targets: Class indices, shape (n,).

        Returns:
            Metric name -> value; always holds `metric`. Accuracies and F1 are in [0, 1].
        """

    def per_class(self, probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float | None]:
        """Recall of each class by name; None for a class without rows among the targets."""

    def baselines(self, train, test, *, seed: int) -> dict[str, dict[str, float]]:
        """Scores of predictors that use no pretrained model (majority; TF-IDF or colours)."""

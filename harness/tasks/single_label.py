"""What tasks of one label out of several share: what is scored, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from advisor.errors import SpecError, UnknownName
from harness.baselines import fit_baselines
from harness.datasets.base import Dataset, Split
from harness.metrics import METRICS
from harness.metrics import classification as metrics

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SingleLabel:
    """One of several named classes for each input; see `Task`.

    Raises:
        SpecError: For fewer than two classes.
        UnknownName: For a metric that is not one of `metrics`.
    """

    label_names: tuple[str, ...]
    description: str | None = None
    metric: str = "accuracy"
    id: str = ""

    output: ClassVar[Literal["probabilities"]] = "probabilities"
    head: ClassVar[Literal["pooled"]] = "pooled"
    mirrors: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": (), "label": ()}

    def __post_init__(self) -> None:
        if len(self.label_names) < 2:
            raise SpecError(f"{self.id} needs at least two classes; got {len(self.label_names)}.")
        if self.metric not in self.metrics:
            raise UnknownName("metric", self.metric, self.metrics)

    @classmethod
    def of(cls, dataset: Dataset, metric: str | None) -> Self:
        """See `Task.of`."""
        return cls(dataset.label_names, dataset.description, metric or cls.metrics[0])

    def settings(self) -> dict[str, Any]:
        """See `Task.settings`."""
        return {
            "label_names": list(self.label_names),
            "description": self.description,
            "metric": self.metric,
        }

    @property
    def n_classes(self) -> int:
        return len(self.label_names)

    @property
    def n_outputs(self) -> int:
        return self.n_classes

    def loss(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean negative log-likelihood."""
        return scores.float().log_softmax(dim=-1).gather(1, targets[:, None]).neg().mean()

    def answer(self, scores: torch.Tensor) -> torch.Tensor:
        """Log-probabilities."""
        return scores.float().log_softmax(dim=-1)

    def scores(self, probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """accuracy and macro_f1 in [0, 1], log_loss in nats, ece in [0, 1] (15 equal bins).

        Args:
            probabilities: Shape (n, n_classes), rows sum to 1, n at least 1.
            targets: Class indices, shape (n,).

        Raises:
            ValueError: If these are not probabilities of that shape.
        """
        probabilities = metrics.checked_probabilities(probabilities, len(targets), self.n_classes)
        predictions = probabilities.argmax(axis=1)
        return {name: METRICS[name](predictions, targets) for name in self.metrics} | {
            "log_loss": metrics.log_loss(probabilities, targets),
            "ece": metrics.expected_calibration_error(probabilities, targets),
        }

    def per_class(self, probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float | None]:
        """Recall of each class by name; None for a class without rows among the targets.

        Raises:
            ValueError: As `scores`.
        """
        probabilities = metrics.checked_probabilities(probabilities, len(targets), self.n_classes)
        recall = metrics.recall_per_class(probabilities.argmax(axis=1), targets, self.n_classes)
        return dict(zip(self.label_names, recall, strict=True))

    def baselines(self, train: Split, test: Split, *, seed: int) -> dict[str, dict[str, float]]:
        """Scores on a test set of the predictors in `harness.baselines`, fitted on `train`.

        Args:
            train: All examples, training and validation together.
        """
        fitted = fit_baselines(train, self.n_classes, seed=seed)
        return {
            name: self.scores(baseline.predict(test.inputs), test.targets)
            for name, baseline in fitted.items()
        }

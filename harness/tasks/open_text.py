"""What tasks whose answers are texts share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from advisor.errors import SpecError, UnknownName
from harness.datasets.base import Dataset, Split
from harness.metrics import METRICS
from harness.text_baselines import TextBaseline

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class OpenText:
    """A text for each input; see `Task`. A subclass names its metrics, columns and baselines.

    Attributes:
        no_description: What a prompt says where the user said nothing.

    Raises:
        UnknownName: For a metric that is not one of `metrics`.
    """

    description: str | None = None
    metric: str = ""
    id: str = ""
    label_names: tuple[str, ...] = ()

    output: ClassVar[Literal["texts"]] = "texts"
    head: ClassVar[Literal["tokens"]] = "tokens"
    mirrors: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]]
    columns: ClassVar[Mapping[str, tuple[str, ...]]]
    no_description: ClassVar[str]
    n_classes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.metric:
            object.__setattr__(self, "metric", self.metrics[0])
        if self.metric not in self.metrics:
            raise UnknownName("metric", self.metric, self.metrics)
        if self.description is None:
            object.__setattr__(self, "description", self.no_description)

    @classmethod
    def of(cls, dataset: Dataset, metric: str | None) -> Self:
        """See `Task.of`."""
        return cls(dataset.description, metric or "")

    def settings(self) -> dict[str, Any]:
        """See `Task.settings`."""
        return {"description": self.description, "metric": self.metric}

    @property
    def n_outputs(self) -> int:
        return len(self.label_names)

    def loss(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        raise SpecError(f"{self.id} has no loss over a head's scores: its answers are texts")

    def answer(self, scores: torch.Tensor) -> torch.Tensor:
        raise SpecError(f"{self.id} reads no answer from a head's scores: its answers are texts")

    def scores(self, answers: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Every metric, in [0, 1].

        Args:
            answers: numpy's str, shape (n,), n at least 1; targets likewise.

        Raises:
            ValueError: If these are no texts of that shape.
        """
        if answers.dtype.kind != "U" or answers.shape != targets.shape or not len(targets):
            raise ValueError(
                f"answers must be texts of shape {targets.shape}; got {answers.dtype} of shape "
                f"{answers.shape}"
            )
        return {name: METRICS[name](answers, targets) for name in self.metrics}

    def per_class(self, answers: np.ndarray, targets: np.ndarray) -> dict[str, float | None]:
        """There are no classes."""
        return {}

    def baselines(self, train: Split, test: Split, *, seed: int) -> dict[str, dict[str, float]]:
        """Scores on a test set of `fit_baselines`, fitted on `train`.

        Args:
            train: All examples, training and validation together; perhaps none.
        """
        fitted = self.fit_baselines(train)
        return {
            name: self.scores(baseline.predict(test.inputs), test.targets)
            for name, baseline in fitted.items()
        }

    def fit_baselines(self, train: Split) -> dict[str, TextBaseline]:
        """Predictors that use no pretrained model; those that need examples, where there are any."""
        raise NotImplementedError

"""What tasks whose answers are texts share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from advisor.errors import SpecError, UnknownName
from harness.datasets.base import Dataset
from harness.metrics import METRICS

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class OpenText:
    """A text for each input; see `Task`. A subclass names its metrics, columns and baselines.

    Raises:
        UnknownName: For a metric that is not one of `metrics`.
    """

    description: str | None = None
    metric: str = ""
    id: str = ""

    output: ClassVar[Literal["texts"]] = "texts"
    head: ClassVar[Literal["tokens"]] = "tokens"
    mirrors: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]]
    columns: ClassVar[Mapping[str, tuple[str, ...]]]
    label_names: ClassVar[tuple[str, ...]] = ()
    n_classes: ClassVar[int] = 1
    n_outputs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if not self.metric:
            object.__setattr__(self, "metric", self.metrics[0])
        if self.metric not in self.metrics:
            raise UnknownName("metric", self.metric, self.metrics)

    @classmethod
    def of(cls, dataset: Dataset, metric: str | None) -> Self:
        """See `Task.of`."""
        return cls(dataset.description, metric or "")

    def settings(self) -> dict[str, Any]:
        """See `Task.settings`."""
        return {"description": self.description, "metric": self.metric}

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

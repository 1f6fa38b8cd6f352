"""What tasks whose answers are numbers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from advisor.errors import SpecError, UnknownName
from harness.datasets.base import Dataset
from harness.metrics import METRICS
from harness.metrics.numbers import checked_numbers

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class OpenNumbers:
    """Some numbers for each input; see `Task`. A subclass names its metrics, loss and baselines.

    A head says numbers of about the size 1, whatever the units: its raw scores are counted from
    `center` in units of `scale`, both per output, taken from the training pool.

    Raises:
        UnknownName: For a metric that is not one of `metrics`.
        SpecError: If center and scale are not one positive scale and one center an output.
    """

    description: str | None = None
    metric: str = ""
    center: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    id: str = ""

    output: ClassVar[Literal["numbers"]] = "numbers"
    metrics: ClassVar[tuple[str, ...]]
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": (), "label": ()}
    label_names: ClassVar[tuple[str, ...]] = ()
    n_classes: ClassVar[int] = 1
    n_outputs: ClassVar[int]

    def __post_init__(self) -> None:
        if not self.metric:
            object.__setattr__(self, "metric", self.metrics[0])
        if self.metric not in self.metrics:
            raise UnknownName("metric", self.metric, self.metrics)
        for name in ("center", "scale"):  # a list after a round trip through JSON
            object.__setattr__(self, name, tuple(map(float, getattr(self, name))))
        if not len(self.center) == len(self.scale) == self.n_outputs or min(self.scale) <= 0:
            raise SpecError(
                f"{self.id} needs {self.n_outputs} numbers as center and as scale, scales above 0; "
                f"got {self.center} and {self.scale}"
            )

    @classmethod
    def of(cls, dataset: Dataset, metric: str | None) -> Self:
        """See `Task.of`.

        Raises:
            SpecError: If the targets are not so many numbers.
        """
        targets = dataset.train.targets
        if targets.dtype.kind != "f" or targets.ndim != 2 or targets.shape[1] != cls.n_outputs:
            found = f"{targets.shape[1]} numbers" if targets.ndim == 2 else "no numbers"
            plural = "" if cls.n_outputs == 1 else "s"
            raise SpecError(
                f"this task predicts {cls.n_outputs} number{plural} for each input; "
                f"{dataset.name} has {found} in a row."
            )
        center, scale = targets.mean(axis=0), targets.std(axis=0)
        return cls(
            dataset.description,
            metric or "",
            tuple(center.tolist()),
            tuple(np.where(scale > 0, scale, 1.0).tolist()),
        )

    def settings(self) -> dict[str, Any]:
        """See `Task.settings`."""
        return {
            "description": self.description,
            "metric": self.metric,
            "center": list(self.center),
            "scale": list(self.scale),
        }

    def standardised(self, targets: torch.Tensor) -> torch.Tensor:
        """Targets as a head's raw scores should be, float32, shape (B, n_outputs)."""
        center, scale = targets.new_tensor(self.center), targets.new_tensor(self.scale)
        return ((targets - center) / scale).float()

    def answer(self, scores: torch.Tensor) -> torch.Tensor:
        """Numbers in the units of the targets, float64."""
        scores = scores.double()
        return scores.new_tensor(self.center) + scores.new_tensor(self.scale) * scores

    def scores(self, answers: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Every metric.

        Args:
            answers: Shape (n, n_outputs), n at least 1; targets likewise.

        Raises:
            ValueError: If these are not finite numbers of that shape.
        """
        answers = checked_numbers(answers, len(targets), self.n_outputs)
        return {name: METRICS[name](answers, targets) for name in self.metrics}

    def per_class(self, answers: np.ndarray, targets: np.ndarray) -> dict[str, float | None]:
        """There are no classes."""
        return {}

"""A number for each text or image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from harness.datasets.base import Split
from harness.metrics.numbers import mean_absolute_error
from harness.number_baselines import fit_number_baselines
from harness.tasks.open_numbers import OpenNumbers

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Regression(OpenNumbers):
    """Of single texts or images; answers in the units of the targets.

    Images are neither mirrored nor cropped while training: what is measured of them (a count, an
    angle, a size) may not survive it.
    """

    id: str = "regression"

    head: ClassVar[Literal["pooled"]] = "pooled"
    mirrors: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("r2", "pearson")
    n_outputs: ClassVar[int] = 1

    def loss(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Huber loss of the standardised numbers: half the squared error, linear beyond one
        standard deviation, so that a few far targets do not drown the others (Huber 1964)."""
        from torch.nn.functional import huber_loss

        return huber_loss(scores.float(), self.standardised(targets))

    def scores(self, answers: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """r2 (1 at best, below 0 where the mean of the targets would do better), pearson in
        [-1, 1], and mae, the mean absolute error in the units of the targets."""
        return super().scores(answers, targets) | {"mae": mean_absolute_error(answers, targets)}

    def baselines(self, train: Split, test: Split, *, seed: int) -> dict[str, dict[str, float]]:
        """Scores of the predictors in `harness.number_baselines`; {} without examples."""
        return {
            name: self.scores(baseline.predict(test.inputs), test.targets)
            for name, baseline in fit_number_baselines(train, seed=seed).items()
        }

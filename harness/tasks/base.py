"""The contract of a task: what is predicted, how it is put to a model, how it is scored.

A task's answers are of one of three kinds, which is all that strategies and models need to know
to say them:

- "probabilities": of classes; float64, shape (n, n_classes), rows sum to 1. Targets are class
  indices, int64, shape (n,).
- "numbers": float64, shape (n, n_outputs), in the units of the targets, which have that shape.
- "texts": str, shape (n,), compared with target texts of that shape. Tags of words are a text of
  one tag a word, joined by blanks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    import torch

    from harness.datasets.base import Dataset, Split

Output = Literal["probabilities", "numbers", "texts"]


class Task(Protocol):
    """One question asked of every strategy alike.

    Attributes:
        id: Registered name ("classification").
        output: Kind of its answers, see above.
        head: What a head on an encoder or an image network reads: "pooled" (one vector of each
            input), "tokens" (the states of all tokens) or "grid" (of whole images, one vector of
            each of 4 x 4 places).
        mirrors: Whether a mirrored or cropped image keeps its target.
        label_names: Class names in the order of the target indices; () where there are none.
        description: What the user said the task is, for prompts; None if nothing was said.
        metric: The metric that selects and is reported first.
        columns: "text" and "label", and where inputs are pairs "text_b" -> names such a column
            often has, which are tried where the user named none.
        metrics: What `metric` may be (names in `harness.metrics.METRICS`), the default first.
    """

    id: str
    output: Output
    head: Literal["pooled", "tokens", "grid"]
    mirrors: bool
    label_names: tuple[str, ...]
    description: str | None
    metric: str
    metrics: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, dataset: Dataset, metric: str | None) -> Self:
        """The task of a data set.

        Args:
            metric: None for the default.

        Raises:
            UnknownName: If the task has no such metric.
            SpecError: If the data set cannot be asked this.
        """

    def settings(self) -> dict[str, Any]:
        """Keywords with which the constructor makes the same task again; plain JSON."""

    @property
    def n_classes(self) -> int:
        """Number of classes; 1 where there are none, so that one example is enough."""

    @property
    def n_outputs(self) -> int:
        """Width of a head: classes or numbers; of tags, how many there are."""

    def loss(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss of a head's raw scores, shape (B, n_outputs), for answers in numbers."""

    def answer(self, scores: torch.Tensor) -> torch.Tensor:
        """A head's raw scores as log-probabilities or as numbers, shape (B, n_outputs)."""

    def scores(self, answers: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Every metric of the task, and what is reported besides; always holds `metric`.

        Raises:
            ValueError: If these are no answers of the task to so many rows.
        """

    def per_class(self, answers: np.ndarray, targets: np.ndarray) -> dict[str, float | None]:
        """Recall of each class by name; None for a class without rows; {} without classes."""

    def baselines(self, train: Split, test: Split, *, seed: int) -> dict[str, dict[str, float]]:
        """Scores of predictors that use no pretrained model, fitted on all examples."""


class NumberTask(Task, Protocol):
    """A task whose output is "numbers"."""

    def standardised(self, targets: torch.Tensor) -> torch.Tensor:
        """Targets, shape (B, n_outputs), as a head's raw scores should be; float32."""


class GridTask(Task, Protocol):
    """A task whose head reads a "grid"."""

    def in_frame(self, targets: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """Targets as they are in crops of their images.

        Args:
            targets: Shape (B, n_outputs).
            frames: What the crops show; see `ImageReader.read_framed`; shape (B, 5).
        """

"""The contract of a strategy: one way of adapting a pretrained model to a task.

One shape for all, prompting too: the constructor only stores its hyperparameters; `fit` works
and returns `self`; learned values end in an underscore; `predict` before `fit` fails clearly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from optuna.distributions import BaseDistribution

from advisor.traits import Traits
from harness.backbones.base import Backbone, ModelFacts
from harness.datasets.base import Split
from harness.tasks.base import Task


@dataclass(frozen=True)
class Verdict:
    """Whether a strategy can work at all, and why not.

    Attributes:
        sensible: Of a refusal: False if it could be done, but nobody should.
    """

    feasible: bool
    reason: str = ""
    sensible: bool = True


@dataclass(frozen=True)
class DataFacts:
    """What a strategy may know of the data before it is asked to work.

    Attributes:
        n_examples: Labelled examples it may use, training and validation together.
        named_labels: Whether the labels have names a prompt can say.
    """

    n_examples: int
    n_classes: int
    modality: str
    named_labels: bool
    description: bool
    mean_tokens: float | None = None


@dataclass(frozen=True)
class Space:
    """What is searched for a strategy.

    Attributes:
        distributions: Hyperparameter -> optuna distribution.
        first: Points tried first, in this order (the literature's recommended settings).
        exhaustive: True when `first` is all there is (a whole path is tried inside `fit`).
    """

    distributions: Mapping[str, BaseDistribution]
    first: tuple[Mapping[str, Any], ...] = ()
    exhaustive: bool = False


@dataclass
class TrialBudget:
    """How much one `fit` may spend, and how it says how far it is.

    Attributes:
        seconds: Wall-clock seconds for this fit; None for no limit. Training plans its number
            of steps from its measured speed, so that the schedule ends inside the limit.
        cancelled: Asked between steps; True ends the fit with `Interrupted`.
        progress: Called with the finished share, in [0, 1].
    """

    seconds: float | None = None
    cancelled: Callable[[], bool] = lambda: False
    progress: Callable[[float], None] = lambda share: None
    started: float = field(default_factory=time.monotonic)

    def remaining(self) -> float:
        """Seconds left; infinity without a limit."""
        if self.seconds is None:
            return float("inf")
        return self.seconds - (time.monotonic() - self.started)


class Interrupted(Exception):
    """The fit was cancelled between two steps; nothing of it is kept."""


@dataclass(frozen=True)
class FitReport:
    """What happened in a `fit`, for the run record.

    Attributes:
        trained_parameters: Number of parameters that were changed or added.
        underfit: True if the validation loss was still falling when the budget ended.
        curve: Per evaluation: {"step", "train_loss", "validation_loss", "validation_score"}.
        steps: Optimizer steps taken (0 where nothing is trained by steps).
        chosen: Hyperparameters that were settled inside `fit` (regularization, template…).
        flops: Estimated floating-point operations of the fit; None if not known.
    """

    trained_parameters: int
    underfit: bool = False
    curve: tuple[Mapping[str, float], ...] = ()
    steps: int = 0
    chosen: Mapping[str, Any] = field(default_factory=dict)
    flops: float | None = None


class Strategy:
    """Base of all strategies. Subclasses set `id` and `traits` and fill the methods below."""

    id: ClassVar[str]
    traits: ClassVar[Traits]
    report_: FitReport
    charged_seconds_: float = 0.0
    """Seconds of shared feature extraction that `fit` and `predict` took from the cache instead
    of spending; the runner adds them, so that every strategy pays for what it uses."""

    @classmethod
    def feasible(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Verdict:
        """Whether it can work on this model, task and data; cheap, no weights."""
        raise NotImplementedError

    @classmethod
    def space(cls, facts: ModelFacts, task: Task, data: DataFacts) -> Space:
        """The search space; its keys are the constructor's keywords."""
        raise NotImplementedError

    def fit(
        self,
        backbone: Backbone,
        task: Task,
        train: Split,
        validation: Split,
        *,
        seed: int,
        budget: TrialBudget,
    ) -> Self:
        """Adapt the model. Sets `report_`.

        Validation rows are used to choose (early stopping, regularization, template), never
        trained on. Either split may be empty where `feasible` allows it (zero-shot).
        The same seed on the same machine gives the same result when `seconds` is None.

        Raises:
            Interrupted: If the budget's `cancelled` turned true.
        """
        raise NotImplementedError

    def predict(self, inputs: Sequence[Any]) -> np.ndarray:
        """Answers of the kind of the task (`harness.tasks.base`), one an input: for classes
        probabilities, float64, shape (n, n_classes).

        Raises:
            NotFitted: Before `fit` or `load`.
        """
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write what was learned into an existing empty folder, in the ecosystem's format."""
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path, backbone: Backbone, task: Task) -> Self:
        """What `save` wrote, ready to predict identically."""
        raise NotImplementedError


class NotFitted(RuntimeError):
    """`predict` or `save` was called before `fit` or `load`."""

"""What a training is asked to do, and what it says about itself afterwards."""

from __future__ import annotations

import math
from dataclasses import dataclass

from advisor.errors import SpecError
from harness.pacing import SCHEDULES


@dataclass(frozen=True)
class TrainSettings:
    """How a trainee is trained.

    Attributes:
        learning_rate: Highest one, of the layers nearest to the output.
        head_learning_rate: Of a new head; None for `learning_rate`.
        max_epochs: Passes over the training rows if time allows.
        batch_size: Examples per optimizer step.
        layer_decay: Factor on the learning rate per layer towards the input, in (0, 1].
        weight_decay: Of matrices; norms and biases are never decayed.
        warmup: Share of the steps over which the learning rate rises, in [0, 1).
        schedule: "linear" or "cosine" decay to 0.
        clip: Largest norm of the gradient.
        evaluations: Validations spread evenly over the schedule.
        patience: Evaluations without a lower validation loss after which training stops.
        rows_at_once: Examples per forward pass, gradients being accumulated over a step; None
            for all of a step.

    Raises:
        SpecError: If a value is out of range.
    """

    learning_rate: float
    max_epochs: int
    batch_size: int = 16
    head_learning_rate: float | None = None
    layer_decay: float = 1.0
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: str = "linear"
    clip: float = 1.0
    evaluations: int = 10
    patience: int = 3
    rows_at_once: int | None = None

    def __post_init__(self) -> None:
        limits = {
            "learning_rate": (0 < self.learning_rate < math.inf, "above 0"),
            "head_learning_rate": (
                self.head_learning_rate is None or 0 < self.head_learning_rate < math.inf,
                "above 0, or None",
            ),
            "max_epochs": (self.max_epochs >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "layer_decay": (0 < self.layer_decay <= 1, "above 0 and at most 1"),
            "weight_decay": (0 <= self.weight_decay < math.inf, "at least 0"),
            "warmup": (0 <= self.warmup < 1, "at least 0 and below 1"),
            "schedule": (self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
            "clip": (self.clip > 0, "above 0"),
            "evaluations": (self.evaluations >= 1, "at least 1"),
            "patience": (self.patience >= 1, "at least 1"),
            "rows_at_once": (
                self.rows_at_once is None or self.rows_at_once >= 1,
                "at least 1, or None",
            ),
        }
        for name, (good, allowed) in limits.items():
            if not good:
                raise SpecError(f"{name} must be {allowed}; got {getattr(self, name)!r}.")


@dataclass(frozen=True)
class TrainResult:
    """What happened in a training.

    Attributes:
        steps: Optimizer steps taken; full_steps: what the settings asked for.
        best_step: Step whose weights were kept.
        underfit: See `harness.pacing.still_falling`.
        curve: Per evaluation: "step", "train_loss" (mean since the one before) and, where there
            are validation rows, "validation_loss" (nats) and "validation_score".
        batch_size: Examples per forward pass at the end; smaller than asked for if the device's
            memory was too small.
        seconds_per_step: Mean, evaluations not included.
        flops: Of forward and backward passes, extrapolated from a part of the first batch.
        checkpointed: Whether activations had to be recomputed for want of memory.
    """

    steps: int
    full_steps: int
    best_step: int
    underfit: bool
    stopped_early: bool
    curve: tuple[dict[str, float], ...]
    batch_size: int
    seconds_per_step: float
    flops: float
    checkpointed: bool = False

"""How long training goes on: learning-rate schedule, steps that fit the time, and when to stop.

Everything here is arithmetic on what the loop measured; docs/decisions/0002 says why a time limit
plans the schedule instead of cutting it off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SCHEDULES = ("linear", "cosine")
EVALUATION_SHARE = 0.2
"""Most of a limited time that goes into validating, as long as one evaluation fits."""
MARGIN = 0.97
"""Share of a limited time that is planned; the rest absorbs what was not measured."""
FALLING_NATS = 0.01
"""A validation loss falls as long as it falls by more than this, in nats per example."""


def rate_multiplier(step: int, total: int, *, warmup: float, schedule: str) -> float:
    """Factor on the learning rate at a step (counted from 0), in (0, 1].

    Rises linearly over the first `warmup` share of the steps, then falls to 0 at the end:
    linearly (Devlin et al. 2019, appendix A.2) or as half a cosine (Loshchilov and Hutter 2017).
    """
    warm = round(warmup * total)
    if step < warm:
        return (step + 1) / warm
    share = (step - warm) / max(1, total - warm)
    return 1 - share if schedule == "linear" else (1 + math.cos(math.pi * share)) / 2


@dataclass
class Pace:
    """Plans the number of steps and evaluations, again after every step.

    Costs are in the unit of `Trainee.lengths`: padded tokens, or images.

    Attributes:
        full_steps: Steps of the whole schedule, if time allows.
        step_cost: Mean cost of a training step; validation_cost: of one evaluation.
        evaluations: Most evaluations, evenly spaced, the last one at the end.
        limited: Whether there is a time limit. Without one nothing looks at the measured times.
        total: Steps planned now.
    """

    full_steps: int
    step_cost: float
    validation_cost: float
    evaluations: int
    limited: bool
    total: int = 0
    evaluated: int = 0
    _planned_evaluations: int = 0
    _last_evaluation: int = 0
    _spread_again: bool = True
    _steps: list[tuple[float, float]] = field(default_factory=list)
    _evaluation_seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.total, self._planned_evaluations = self.full_steps, self.evaluations

    def warmed_up(self, seconds: float, cost: float) -> None:
        """A part of a step was timed before the first one; it counts until a step was."""
        self._steps = [(seconds, cost)]

    def stepped(self, seconds: float, cost: float) -> None:
        self._steps.append((seconds, cost))

    def validated(self, step: int, seconds: float) -> None:
        self.evaluated += 1
        self._last_evaluation = step
        self._evaluation_seconds.append(seconds)
        self._spread_again = True

    def plan(self, step: int, remaining: float) -> None:
        """Choose `total` so that what is left of the schedule fits the remaining seconds.

        At least one step is taken, however short the time.
        """
        if not self.limited:
            return
        left = max(0.0, remaining)
        step_seconds = self._seconds_per_cost() * self.step_cost
        evaluation_seconds = self._seconds_per_evaluation()
        if self._spread_again:  # only then: what is left must not shrink between evaluations
            due = min(self.evaluations - self.evaluated, self._affordable(left, evaluation_seconds))
            self._planned_evaluations = self.evaluated + max(1, due)
            self._spread_again = False
        due = self._planned_evaluations - self.evaluated
        more = math.floor((left - due * evaluation_seconds) / max(step_seconds, 1e-9))
        self.total = max(1, min(self.full_steps, step + max(0, more)))

    def due(self, step: int) -> bool:
        """Whether to evaluate after so many steps."""
        if step >= self.total:
            return step > self._last_evaluation
        left = self._planned_evaluations - self.evaluated
        spacing = (self.total - self._last_evaluation) / max(1, left)
        return left > 1 and step - self._last_evaluation >= spacing

    def _affordable(self, left: float, evaluation_seconds: float) -> int:
        if evaluation_seconds <= 0:
            return self.evaluations
        return round(EVALUATION_SHARE * left / evaluation_seconds)

    def _seconds_per_cost(self) -> float:
        timed = self._steps[1:] or self._steps
        return sum(seconds for seconds, _ in timed) / sum(cost for _, cost in timed)

    def _seconds_per_evaluation(self) -> float:
        """Measured; until then half of a step's per row: more than a forward pass should take."""
        if self._evaluation_seconds:
            return sum(self._evaluation_seconds) / len(self._evaluation_seconds)
        return self._seconds_per_cost() * self.validation_cost / 2


def still_falling(
    curve: Sequence[Mapping[str, float]], *, shortened: bool, stopped_early: bool
) -> bool:
    """Whether the validation loss was still falling when the schedule ended.

    True if the lowest loss among the evaluations in the last quarter of the steps is more than
    0.01 nats below the lowest one before. A fit that was stopped early is never underfit. Where
    there is nothing to compare (fewer than two evaluations, or no validation rows) it is True if
    time did not allow the full schedule.

    Args:
        curve: Evaluations in order, with "step" and, if there were rows, "validation_loss".
        shortened: Whether time allowed fewer steps than the settings asked for.
    """
    if stopped_early:
        return False
    losses = [(p["step"], p["validation_loss"]) for p in curve if "validation_loss" in p]
    if len(losses) < 2:
        return shortened
    end = losses[-1][0]
    late = [loss for step, loss in losses if step > 0.75 * end]
    before = [loss for step, loss in losses if step <= 0.75 * end]
    if not before:
        before, late = [losses[0][1]], [loss for _, loss in losses[1:]]
    return min(late) < min(before) - FALLING_NATS

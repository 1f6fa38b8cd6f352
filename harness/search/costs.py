"""What a trial is expected to cost: the cost model's guess, corrected by what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from harness.records import Happened
from harness.search.budget import Unit
from harness.search.policy import Choice

_LAST = 3
"""Measurements that correct the guess: the first one may include work that is shared later."""


class TrialCosts:
    """Expected cost of trials in one unit.

    Args:
        guess: Of a trial before any was measured, in any unit that is right up to a factor for
            each strategy.
    """

    def __init__(self, guess: Callable[[Choice], float], unit: Unit = "seconds") -> None:
        self._guess, self._unit = guess, unit
        self._ratios: dict[str, list[float]] = {}

    def expect(self, choice: Choice) -> float:
        if self._unit == "trials":
            return 1.0
        known = self._ratios.get(choice.strategy)
        return self._guess(choice) * (statistics.median(known[-_LAST:]) if known else 1.0)

    def learn(self, choice: Choice, cost: float) -> None:
        """A trial was measured."""
        guess = self._guess(choice)
        if guess > 0:
            self._ratios.setdefault(choice.strategy, []).append(cost / guess)


def spent_on(happened: Happened, unit: Unit, flops_per_second: float) -> float:
    """What a trial took of the budget.

    Seconds are those that passed: features taken from the cache cost nothing here. Where a fit does
    not count its operations, they are its seconds at the measured speed of the device.
    """
    passed = max(happened.own_seconds - happened.charged_seconds, 0.0)
    if unit == "trials":
        return 1.0
    if unit == "flops":
        return happened.flops if happened.flops is not None else passed * flops_per_second
    return passed

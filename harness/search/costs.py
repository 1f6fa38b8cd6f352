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
        guess: Of one of so many trials that share their work, before any was measured; in any unit
            that is right up to a factor for each strategy.
        together: Strategy -> trials that can be expected to share.
    """

    def __init__(
        self,
        guess: Callable[[Choice, int], float],
        together: Callable[[str], int],
        unit: Unit = "seconds",
    ) -> None:
        self._guess, self._together, self._unit = guess, together, unit
        self._ratios: dict[str, list[float]] = {}

    def expect(self, choice: Choice) -> float:
        """What the trial will take, all work that is not done yet included."""
        return self._corrected(choice, 1)

    def price(self, choice: Choice) -> float:
        """Its share where work is done once for several trials."""
        return self._corrected(choice, self._together(choice.strategy))

    def learn(self, choice: Choice, cost: float) -> None:
        """A trial was measured."""
        guess = self._guess(choice, 1)
        if guess > 0:
            self._ratios.setdefault(choice.strategy, []).append(cost / guess)

    def _corrected(self, choice: Choice, together: int) -> float:
        if self._unit == "trials":
            return 1.0
        known = self._ratios.get(choice.strategy)
        ratio = statistics.median(known[-_LAST:]) if known else 1.0
        return self._guess(choice, together) * ratio


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

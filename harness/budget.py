"""Wall-clock arithmetic of the fair protocol; docs/protocol.md says it in words."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MIN_TRIALS = 3
"""Settings every strategy gets to try, or its whole space where that is smaller."""
MAX_TRIALS = 20
"""Most settings tried under a wall-clock budget."""
TRIALS_WITHOUT_BUDGET = 5
"""Settings tried where there is no wall-clock budget."""

_REPORT_SHARE, _REPORT_SECONDS = 0.05, 15.0  # kept for choosing the winner and the report
_OVERRUN = 1.1  # where one strategy overran, later ones still get their cap up to here
_LEAST_FIT_SHARE = 0.25
_FINAL_TOLERANCE = 0.7  # a finalist is trained if this share of its expected time is left
_TEST_SHARE = 0.15  # of a strategy's cap, for scoring the test sets at the speed of the bare model
_LEAST_TEST_ROWS = 50

Clock = Callable[[], float]


@dataclass
class Budget:
    """The wall clock of a whole run.

    Attributes:
        total: Seconds; None for no limit.
        clock: Seconds from any fixed point; a parameter so that tests need not wait.
        started: What the clock said when the run began.
        spent_before: Seconds spent by an earlier, interrupted session of the same run.
    """

    total: float | None
    clock: Clock = time.monotonic
    started: float = field(default=math.nan)
    spent_before: float = 0.0

    def __post_init__(self) -> None:
        if math.isnan(self.started):
            self.started = self.clock()

    def elapsed(self) -> float:
        return self.clock() - self.started + self.spent_before

    def remaining(self) -> float:
        """Seconds until the hard end, which lies a little behind `total`; infinity without."""
        return math.inf if self.total is None else self.total * _OVERRUN - self.elapsed()

    def cap(self, strategies: int) -> float | None:
        """Seconds each of so many strategies gets: equal parts of what is left, less the report."""
        if self.total is None or strategies == 0:
            return None
        reserve = min(self.total * _REPORT_SHARE, _REPORT_SECONDS)
        return max(self.total - self.elapsed() - reserve, 0.0) / strategies


@dataclass
class Allowance:
    """What one strategy may spend: its own wall clock and what it is charged for.

    Attributes:
        by_trials: Only what is paid counts: trials measure themselves in their workers, and
            waiting for a worker costs nothing.
    """

    cap: float | None
    budget: Budget
    charged: float = 0.0
    started: float = field(default=math.nan)
    by_trials: bool = False

    def __post_init__(self) -> None:
        if math.isnan(self.started):
            self.started = self.budget.clock()

    def pay(self, seconds: float) -> None:
        """Charge work that was done before or for others too."""
        self.charged += seconds

    def spent(self) -> float:
        own = 0.0 if self.by_trials else self.budget.clock() - self.started
        return own + self.charged

    def remaining(self) -> float:
        if self.cap is None:
            return math.inf
        return min(self.cap - self.spent(), self.budget.remaining())


class Spent(NamedTuple):
    """What a trial was given and what it took, in seconds."""

    share: float
    seconds: float


@dataclass(frozen=True)
class Schedule:
    """How a strategy's allowance is shared among trials, finalists and test scoring.

    Attributes:
        minimum: Trials below which the strategy is marked underfunded.
        maximum: Most trials.
        seeds: Seeds in all; the setting found on seed 0 is trained again on the others.
    """

    minimum: int
    maximum: int
    seeds: int

    def next_share(
        self, trials: Sequence[Spent], *, remaining: float, scoring: float
    ) -> float | None:
        """Seconds the next trial may take in all; infinity for no limit, None if the search ends.

        What is left after scoring every seed is shared equally by the trials still due and the
        finalists, so that a finalist can be given exactly what the trial that chose it had.

        Args:
            trials: The trials so far.
            remaining: Seconds the strategy has left.
            scoring: Seconds it takes to score the test sets once.
        """
        done = len(trials)
        if done >= self.maximum:
            return None
        if math.isinf(remaining):
            return math.inf
        due = max(self.minimum - done, 1) + self.seeds - 1
        share = (remaining - self.seeds * scoring) / due
        if not trials:
            # One trial is always run, so that there is a score; it is marked underfunded later.
            return max(share, remaining / (2 * due)) if remaining > 0 else None
        if done < self.minimum:
            # What overran its share by more than the next share would overrun that one, too.
            needed = max(one.seconds - one.share for one in trials)
        else:
            needed = max(one.seconds for one in trials)
        return share if share > 0 and share >= needed else None


def fit_limit(share: float, overhead: float) -> float:
    """What `fit` may take of a trial's share, when so much more goes into scoring and saving."""
    return max(share - overhead, share * _LEAST_FIT_SHARE)


def affords_finalist(remaining: float, *, fit: float, scoring: float) -> bool:
    """Whether one more seed can be trained and scored without a large overrun."""
    return remaining >= _FINAL_TOLERANCE * (fit + scoring)


def affordable_test_rows(
    available: int, *, cap: float | None, seeds: int, seconds_per_row: float
) -> int:
    """Test rows that can be scored for every seed within a small share of a strategy's cap.

    Prompted and trained models are slower than the bare one whose speed is known here. At least 50 (or all there are): a score over fewer says too little to be worth its time.
    """
    if cap is None or seconds_per_row <= 0:
        return available
    affordable = int(_TEST_SHARE * cap / (seeds * seconds_per_row))
    return min(available, max(affordable, _LEAST_TEST_ROWS))

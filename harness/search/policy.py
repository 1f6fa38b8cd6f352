"""Which trial comes next: the one that is expected to improve the final choice most for its cost.

Every trial is worth the knowledge gradient: how much higher the best expected score at full size is
likely to be after it. That is divided by what it is expected to cost, where features that are extracted
once are divided among the probes that read them. Probes therefore cost next to nothing and are tried
first; a training on few rows is tried before one on all.

Source: Frazier, Powell and Dayanik 2009, The Knowledge-Gradient Policy for Correlated Normal
Beliefs; Poloczek, Wang and Frazier 2017, Multi-Information Source Optimization (per unit of cost).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from harness.search.curves import Array, Curves, Point, Prior, Scales, Seen, repeat_noise
from harness.search.decide import Standing, sigmoid, standing
from harness.search.space import Rung, point_of

DROP_BELOW = 0.01
"""A strategy that was measured is dropped when its chance of being best is below this."""
Mask = npt.NDArray[np.bool_]
_NODES = norm.ppf((np.arange(31) + 0.5) / 31)
_FAILURES = 2
_LEAST_COST = 1e-9

NextSetting = Callable[[float | None], str | None]
"""Given the expected score of a strategy's last setting (None if it failed), a new one or None."""


class Choice(NamedTuple):
    """The trial to run next."""

    strategy: str
    setting: str
    rung: Rung


class Ended(NamedTuple):
    """Why the search ends: "tolerance", "budget" or "exhausted"."""

    why: str


@dataclass
class Policy:
    """Decides from what it was told alone, never from the clock: a resumed search decides alike.

    Attributes:
        next_setting: Strategy -> where its settings come from.
        rungs: Fidelities of a setting of a strategy.
        cost: Expected cost of a trial, in units of the budget.
        price: The same with work that is done once divided among the trials that share it.
        full: Examples at full size; validation_rows: rows every trial validates on.
        tolerance: Points of expected loss at which the search ends.
    """

    next_setting: Mapping[str, NextSetting]
    rungs: Callable[[str, str], Sequence[Rung]]
    cost: Callable[[Choice], float]
    price: Callable[[Choice], float]
    prior: Prior
    scales: Scales
    full: int
    validation_rows: int
    tolerance: float
    seen: list[Seen] = field(default_factory=list)
    dropped: dict[str, float] = field(default_factory=dict)
    _open: dict[str, str] = field(default_factory=dict)
    _known: dict[str, list[str]] = field(default_factory=dict)
    _done: set[Choice] = field(default_factory=set)
    _failed: set[tuple[str, str]] = field(default_factory=set)
    _curves: Curves | None = None

    def __post_init__(self) -> None:
        for name in self.next_setting:
            self._known[name] = []
            self._open_new(name, None)

    @property
    def curves(self) -> Curves:
        if self._curves is None:
            self._curves = Curves(self.prior, self.scales, self.seen)
        return self._curves

    def ask(self, remaining: float) -> Choice | Ended:
        """The next trial: what promises most for its cost, every strategy once before the end.

        Args:
            remaining: What is left of the budget.
        """
        options = self._options()
        if not options:
            return Ended("exhausted")
        now, last = self.standing(), self.last(remaining)
        settled = bool(self.seen) and now.expected_loss < self.tolerance
        tried = {choice.strategy for choice in self._done}
        fresh = [
            one
            for one in options
            if one.strategy not in tried
            and (self._affordable(one, last, remaining) or self._secured(one, remaining))
        ]
        # of what is left, the cheapest trial of every strategy that was not tried is set aside
        least = {one.strategy: math.inf for one in fresh}
        for one in fresh:
            least[one.strategy] = min(least[one.strategy], self.cost(one))
        free = remaining - sum(least.values())
        able = [
            one
            for one in options
            if not settled and self._affordable(one, last, free + least.get(one.strategy, 0.0))
        ]
        able = able or fresh
        if able:
            prices = np.array([max(self.price(one), _LEAST_COST) for one in able])
            return able[int(np.argmax(self._gains(able, remaining) / prices))]
        if settled:
            return Ended("tolerance")
        return Ended("budget")

    def tell(self, choice: Choice, score: float | None) -> None:
        """The validation score of a trial; None if it failed."""
        self._done.add(choice)
        name, setting = choice.strategy, choice.setting
        if score is None:
            self._failed.add((name, setting))
        else:
            point = point_of(name, setting, choice.rung, self.full)
            self.seen.append(Seen(point, score, self.validation_rows))
            self._curves = None
        if self._open.get(name) == setting:
            self._open_new(name, None if score is None else self._expected(name, setting))
        self._drop()

    def standing(self, chosen: Point | None = None) -> Standing:
        """What is known now of the settings that can still win, and of a chosen one."""
        return standing(self.curves, self.candidates(), chosen)

    def candidates(self) -> list[Point]:
        """Every setting that can still win, untried ones included, at full size."""
        measured = {(one.point.strategy, one.point.setting) for one in self.seen}
        alive = [Point(*one, 0.0) for one in self._usable() if one[0] not in self.dropped]
        # an untried setting stands for what its strategy may still bring
        return alive or [Point(*one, 0.0) for one in sorted(measured)]

    def _usable(self) -> list[tuple[str, str]]:
        """Strategy and setting of everything that did not fail."""
        every = [(name, one) for name, several in self._known.items() for one in several]
        return [one for one in every if one not in self._failed]

    def is_full(self, pick: Point) -> bool:
        """Whether a setting was tried on everything."""
        return self._whole(pick) in self._done

    def best_of(self, strategy: str) -> Point | None:
        """The strategy's tried setting with the highest expected score."""
        tried = sorted({one.point.setting for one in self.seen if one.point.strategy == strategy})
        if not tried:
            return None
        points = [Point(strategy, setting, 0.0) for setting in tried]
        return points[int(np.argmax(self.curves.predict(points)[0]))]

    def last(self, remaining: float) -> Choice:
        """What to train on everything at the end: the most promising setting that can be paid for, of a
        strategy that was dropped if no other can; the cheapest where none can. A training that is cut
        short is worth less than any of these."""
        candidates = self.candidates()
        dropped_too = [Point(*one, 0.0) for one in self._usable()]
        return (
            self._best_paid(candidates, remaining)
            or self._best_paid(dropped_too, remaining)
            or min((self._whole(one) for one in candidates), key=self.cost)
        )

    def _best_paid(self, points: Sequence[Point], remaining: float) -> Choice | None:
        """The most promising of these whose training on everything is done or can be paid for."""
        paid = [
            point
            for point in points
            if self.is_full(point) or self.cost(self._whole(point)) <= remaining
        ]
        if not paid:
            return None
        mean, _ = self.curves.predict(paid)
        return self._whole(paid[int(np.argmax(mean))])

    def _whole(self, point: Point) -> Choice:
        return Choice(point.strategy, point.setting, Rung(self.full))

    def reserve(self, last: Choice, before: Choice) -> float:
        """What must be left, after a trial, so that the last training can be paid for."""
        return 0.0 if last in self._done or last == before else self.cost(last)

    def _options(self) -> list[Choice]:
        found = []
        for point in self.candidates():
            for rung in self.rungs(point.strategy, point.setting):
                one = Choice(point.strategy, point.setting, rung)
                if one not in self._done:
                    found.append(one)
        return found

    def _affordable(self, one: Choice, last: Choice, remaining: float) -> bool:
        """Whether after this trial something promising can still be trained on everything."""
        return self.cost(one) + self.reserve(last, before=one) <= remaining

    def _secured(self, one: Choice, remaining: float) -> bool:
        """Whether the trial can be paid for and something was trained on everything before."""
        ready = any(done.rung == Rung(self.full) for done in self._done)
        return ready and self.cost(one) <= remaining

    def _gains(self, options: Sequence[Choice], remaining: float) -> Array:
        """Knowledge gradient of every option, in points: of what can still be trained on everything after
        it, since knowing more of a setting that can no longer be paid for wins nothing."""
        ends = self.candidates()
        before, afterwards = self._within_reach(ends, options, remaining)
        points = [point_of(o.strategy, o.setting, o.rung, self.full) for o in options]
        mean, covariance = self.curves.predict([*ends, *points])
        n = len(ends)
        noise = repeat_noise(self.scales, mean[n:], self.validation_rows)
        deviation = np.sqrt(np.diag(covariance)[n:] + noise)
        moves = covariance[:n, n:] / deviation  # (ends, options)
        after = sigmoid(mean[:n, None, None] + moves[:, :, None] * _NODES)
        best = np.where(afterwards[:, :, None], after, -np.inf).max(axis=0)
        picks = np.where(afterwards, mean[:n, None], -np.inf).argmax(axis=0)
        # measured against the mean over the same nodes: the sigmoid alone would count as a gain
        learned = (best - after[picks, np.arange(len(picks))]).mean(axis=1)
        lost = sigmoid(mean[:n][before].max()) - sigmoid(mean[picks])
        return np.asarray(100 * (learned - lost))

    def _within_reach(
        self, ends: Sequence[Point], options: Sequence[Choice], remaining: float
    ) -> tuple[Mask, Mask]:
        """Which settings are trained on everything or can be paid for: now, shape (ends,), all of them if
        none is; and after each option, shape (ends, options), as now if none is."""
        whole = [self._whole(end) for end in ends]
        left = np.array([[remaining], *([remaining - self.cost(one)] for one in options)]).T
        costs = np.array([0.0 if one in self._done else self.cost(one) for one in whole])
        reach = costs[:, None] <= left
        reach[:, 1:] |= np.array([[one == option for option in options] for one in whole])
        now = reach[:, 0] if reach[:, 0].any() else np.ones(len(ends), dtype=bool)
        return now, np.where(reach[:, 1:].any(axis=0), reach[:, 1:], now[:, None])

    def _expected(self, strategy: str, setting: str) -> float:
        mean, _ = self.curves.predict([Point(strategy, setting, 0.0)])
        return float(sigmoid(mean)[0])

    def _open_new(self, name: str, score: float | None) -> None:
        self._open.pop(name, None)
        failed = sum(strategy == name for strategy, _ in self._failed)
        succeeded = any(one.point.strategy == name for one in self.seen)
        if failed >= _FAILURES and not succeeded:
            self.dropped[name] = 0.0
            return
        setting = self.next_setting[name](score)
        if setting is not None:
            self._open[name] = setting
            self._known[name].append(setting)

    def _drop(self) -> None:
        """Leave out strategies that were measured and are very unlikely to win."""
        measured = {one.point.strategy for one in self.seen}
        if not measured:
            return
        chances = self.standing().p_best
        for name, chance in chances.items():
            if name in measured and chance < DROP_BELOW and name not in self.dropped:
                self.dropped[name] = chance

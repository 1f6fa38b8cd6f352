"""What to try next in a strategy's space: recommended points first, then a seeded TPE sampler.

Source: Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization (TPE), through optuna.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from harness.records import Setting
from harness.strategies.base import Space

_REPEATS = 20  # proposals in a row that were tried before: the space counts as exhausted


class Proposals:
    """Asks for one setting at a time and is told its score; deterministic.

    Replaying the same scores gives the same settings, which is how an interrupted run goes on.
    """

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self._space = space
        self._tried: list[Mapping[str, Setting]] = []
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed)
        )
        self._trial: optuna.trial.Trial | None = None
        if not space.exhaustive:
            for point in space.first:
                self._study.enqueue_trial(dict(point))

    @property
    def size(self) -> float:
        """Number of settings there are; infinity for a continuous space."""
        if self._space.exhaustive:
            return len(self._space.first)
        return math.prod(_choices(one) for one in self._space.distributions.values())

    def ask(self) -> dict[str, Setting] | None:
        """The next setting that was not tried; None when there is none left."""
        if self._space.exhaustive:
            return self._next_listed()
        for _ in range(_REPEATS):
            trial = self._study.ask(dict(self._space.distributions))
            if trial.params not in self._tried:
                self._trial = trial
                self._tried.append(trial.params)
                return dict(trial.params)
            self._study.tell(trial, state=TrialState.FAIL)
        return None

    def tell(self, score: float | None) -> None:
        """The validation score of the last setting; None if it failed."""
        if self._trial is None:
            return
        if score is None:
            self._study.tell(self._trial, state=TrialState.FAIL)
        else:
            self._study.tell(self._trial, score)
        self._trial = None

    def _next_listed(self) -> dict[str, Setting] | None:
        if len(self._tried) == len(self._space.first):
            return None
        point = self._space.first[len(self._tried)]
        self._tried.append(point)
        return dict(point)


def _choices(distribution: BaseDistribution) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return (distribution.high - distribution.low) // distribution.step + 1
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        return math.floor((distribution.high - distribution.low) / distribution.step + 1e-9) + 1
    return 1 if distribution.single() else math.inf

"""Predictions for left-out cases, and what of a fit is tuned on left-out sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from advisor.learned.basis import DEGREES
from harness.fit.cases import Case, surprise, wins
from harness.fit.model import (
    Hyper,
    Posterior,
    Statistics,
    posterior,
    prediction_noise,
    statistics,
)
from harness.fit.observations import Array, Table

LEVEL_DEGREES = ("one", "examples", "per_class", "shift", "size", "image")
_LEVEL_PLACES = [DEGREES.index(name) for name in LEVEL_DEGREES]
COVERAGE = 0.8
_RULED_OUT = 10.0
"""Logits by which a strategy trails that is not possible in the situation."""


@dataclass(frozen=True)
class Prediction:
    """What was predicted for a case before its source was seen.

    Attributes:
        mean, variance: Of the candidates' scores in logits, shapes (k,) and (k, k).
        points: Per logit. interval: half an 80% interval in standard deviations.
        p: Probability of being best, shape (k,).
    """

    case: Case
    mean: Array
    variance: Array
    points: float
    interval: float
    p: Array

    @property
    def pick(self) -> int:
        return int(np.argmax(self.mean))

    def difference(self, i: int) -> tuple[float, float]:
        """Points by which candidate i trails the pick, and half the width of the interval."""
        j, v = self.pick, self.variance
        spread = np.sqrt(max(v[i, i] + v[j, j] - 2 * v[i, j], 0.0))
        return (
            float(self.points * (self.mean[i] - self.mean[j])),
            float(self.points * self.interval * spread),
        )


class Setting(NamedTuple):
    """Everything that is chosen rather than estimated.

    Attributes:
        hyper: Of whatever is not averaged over.
        inflation: Factor on predictive variances; interval: half an 80% interval in deviations.
        averaged: Candidates for the prior with their weights, which add up to 1; empty for `hyper`
            alone. They differ from `hyper` in the prior of beta and in nothing else.
    """

    hyper: Hyper
    inflation: float = 1.0
    interval: float = 1.2816
    averaged: tuple[tuple[Hyper, float], ...] = ()

    @property
    def candidates(self) -> tuple[tuple[Hyper, float], ...]:
        return self.averaged or ((self.hyper, 1.0),)


def fitted_to(
    found: Sequence[Statistics],
    setting: Setting,
    forgotten: frozenset[str] = frozenset(),
    absent: frozenset[str] = frozenset(),
) -> Posterior:
    """The posterior averaged over the candidates of a setting; see `prior` for the rest."""
    several = [
        (posterior(found, hyper, forgotten, absent), weight) for hyper, weight in setting.candidates
    ]
    return mixed([one for one, _ in several], [weight for _, weight in several])


def mixed(several: Sequence[Posterior], weights: Sequence[float]) -> Posterior:
    """The normal distribution with mean and covariance of a mixture; weights add up to 1."""
    mean = np.sum([w * one.mean for one, w in zip(several, weights, strict=True)], axis=0)
    covariance = np.sum(
        [
            w * (one.covariance + np.outer(one.mean - mean, one.mean - mean))
            for one, w in zip(several, weights, strict=True)
        ],
        axis=0,
    )
    return Posterior(mean, covariance)


def predict(
    fitted: Posterior, setting: Setting, level: Array, cases: Sequence[Case]
) -> list[Prediction]:
    """Predict cases of sources that the posterior has not seen."""
    found = []
    for case in cases:
        # what `advise` rules out it does not choose, however good it was in print
        mean = case.terms @ fitted.mean - np.where(case.possible, 0.0, _RULED_OUT)
        alone = prediction_noise(case.strategies, case.examples, case.slopes, setting.hyper)
        variance = setting.inflation * (
            case.terms @ fitted.covariance @ case.terms.T + np.diag(alone)
        )
        points = float(np.exp(level @ level_row(case)))
        found.append(
            Prediction(case, mean, variance, points, setting.interval, wins(mean, variance))
        )
    return found


def level_row(case: Case) -> Array:
    return case.degrees[_LEVEL_PLACES]


def fit_level(cases: Sequence[Case], ridge: float = 5.0) -> Array:
    """Weights of the degrees whose sum is the logarithm of points per logit.

    At a score of p points one logit is p (100 - p) / 100 points.
    """
    rows = np.array([level_row(case) for case in cases])
    score = np.clip([case.best.max() / 100 for case in cases], 0.01, 0.99)
    target = np.log(100 * score * (1 - score))
    middle = target.mean()
    gram = rows.T @ rows + ridge * np.eye(rows.shape[1])
    weights = np.linalg.solve(gram, rows.T @ (target - middle))
    weights[0] += middle
    return np.asarray(weights)


class Folds:
    """Statistics of groups under many settings, remembered."""

    def __init__(self, rows: Table) -> None:
        self.rows = rows
        self._known: dict[tuple[float, ...], dict[str, Statistics]] = {}
        self._without: frozenset[str] | None = None
        self._fitted: dict[tuple[str, Hyper], Posterior] = {}

    def of(self, hyper: Hyper) -> Mapping[str, Statistics]:
        key = (hyper.group, hyper.block, hyper.noise, hyper.narrowing, hyper.words)
        if key not in self._known:
            self._known[key] = statistics(self.rows, hyper)
        return self._known[key]

    def left_out(
        self,
        setting: Setting,
        cases: Sequence[Case],
        without: frozenset[str] = frozenset(),
        *,
        in_points: bool = True,
    ) -> list[Prediction]:
        """Each case predicted from all groups but its own and those in `without`.

        Cases of groups in `without` are skipped. Without `in_points` differences stay in logits.
        """
        use = [case for case in cases if case.group not in without]
        predicted: list[Prediction] = []
        for group in sorted({case.group for case in use}):
            fitted = self._fitted_without(group, without, setting)
            others = [case for case in use if case.group != group]
            level = fit_level(others) if in_points else np.zeros(len(LEVEL_DEGREES))
            mine = [case for case in use if case.group == group]
            predicted += predict(fitted, setting, level, mine)
        return predicted

    def _fitted_without(self, group: str, without: frozenset[str], setting: Setting) -> Posterior:
        """From all groups but these; candidates are remembered while `without` stays the same."""
        if without != self._without:
            self._without, self._fitted = without, {}
        several = []
        for hyper, _ in setting.candidates:
            if (group, hyper) not in self._fitted:
                found = self.of(hyper)
                rest = [one for name, one in found.items() if name != group and name not in without]
                self._fitted[group, hyper] = posterior(rest, hyper)
            several.append(self._fitted[group, hyper])
        return mixed(several, [weight for _, weight in setting.candidates])


def calibrated(setting: Setting, predicted: Sequence[Prediction]) -> Setting:
    """Choose inflation and interval on predictions made with an inflation of 1."""
    inflation = min(
        (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0),
        key=lambda one: float(
            np.mean(
                [surprise(wins(each.mean, one * each.variance), each.case) for each in predicted]
            )
        ),
    )
    ratios = []
    for each in predicted:
        truth = each.case.best
        for i in range(len(truth)):
            if i != each.pick and each.case.possible[i]:
                centre, width = each.difference(i)
                off = abs(truth[i] - truth[each.pick] - centre)
                ratios.append(off * each.interval / (width * np.sqrt(inflation)))
    return setting._replace(inflation=inflation, interval=float(np.quantile(ratios, COVERAGE)))

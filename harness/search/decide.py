"""What is known so far: who is likely best, what stopping now would cost, what more labels bring.

All of it is read from draws of the posterior over learning curves; the draws are fixed, so that the
same measurements always give the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from scipy.stats import norm, qmc

from harness.search.curves import Array, Curves, Point

DRAWS = 1024
LEVEL = 0.9
"""Probability of every interval here."""
LIKELY = 0.5
"""A crossover is told if the curves cross with at least this probability."""
_RIDGE = 1e-9


@dataclass(frozen=True)
class Standing:
    """What is known of the best setting of each strategy at full size.

    Attributes:
        pick: The setting with the highest expected score, or the one that was asked about.
        p_best: Strategy -> probability that it has the setting with the highest score.
        expected_loss: Points by which the best setting is expected to lead the pick.
        score, interval: Of the pick at full size, in [0, 1]; the interval holds 90%.
    """

    pick: Point
    p_best: Mapping[str, float]
    expected_loss: float
    score: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Crossover:
    """Where one strategy overtakes another, in examples.

    Attributes:
        before, after: Strategy ids: who leads below and above.
        examples, interval: Median and 90% interval of the place, given that they cross.
        probability: That they cross so within the sizes looked at.
        measured: Whether the median lies inside the sizes that were measured.
    """

    before: str
    after: str
    examples: float
    interval: tuple[float, float]
    probability: float
    measured: bool


@dataclass(frozen=True)
class Forecast:
    """The score of the pick with so many labels in all; the interval holds 90%.

    Attributes:
        reaches: Probability of reaching the target; None without one.
    """

    examples: int
    score: float
    interval: tuple[float, float]
    reaches: float | None


def sigmoid(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits)))


def standing(curves: Curves, settings: Sequence[Point], chosen: Point | None = None) -> Standing:
    """Compare settings at full size.

    Args:
        settings: At x = 0; whoever cannot win is left out by the caller.
        chosen: The pick; None for the setting with the highest expected score.
    """
    if chosen is not None and chosen not in settings:
        settings = [*settings, chosen]
    mean, covariance = curves.predict(settings)
    drawn = drawn_scores(mean, covariance)
    pick = int(np.argmax(mean)) if chosen is None else list(settings).index(chosen)
    best = drawn.argmax(axis=1)
    strategies = [one.strategy for one in settings]
    wins = dict.fromkeys(strategies, 0)
    for place, count in zip(*np.unique(best, return_counts=True), strict=True):
        wins[strategies[place]] += int(count)
    loss = 100 * float((drawn.max(axis=1) - drawn[:, pick]).mean())
    low, high = np.quantile(drawn[:, pick], _ends())
    return Standing(
        pick=settings[pick],
        p_best={name: count / len(drawn) for name, count in wins.items()},
        expected_loss=loss,
        score=float(sigmoid(mean[pick : pick + 1])[0]),
        interval=(float(low), float(high)),
    )


def crossovers(
    curves: Curves,
    best: Mapping[str, str],
    sizes: Sequence[float],
    full: int,
    likely: float = LIKELY,
) -> list[Crossover]:
    """Where pairs of strategies, each with its best setting, change places.

    Args:
        best: Strategy -> setting.
        sizes: Measured sizes, in examples, ascending.
        full: Examples that x = 0 stands for.
        likely: Probability from which a crossing is told.
    """
    grid = np.geomspace(sizes[0], 4 * full, 41)
    xs = np.log2(grid / full)
    points = [Point(name, setting, x) for name, setting in best.items() for x in xs]
    drawn = drawn_scores(*curves.predict(points)).reshape(DRAWS, len(best), len(grid))
    found = []
    for (i, one), (j, other) in combinations(enumerate(best), 2):
        ahead = drawn[:, i] - drawn[:, j]
        for first, second, sign in ((one, other, 1.0), (other, one, -1.0)):
            told = _crossing(first, second, sign * ahead, grid, sizes)
            found += [one for one in told if one.probability >= likely]
    return found


def _crossing(
    before: str, after: str, ahead: Array, grid: Array, sizes: Sequence[float]
) -> list[Crossover]:
    """A crossing from `before` to `after`, if any draw has one: the split of the sizes at which most sizes
    are led by the right one; `ahead` has shape (draws, sizes)."""
    leads = np.sign(ahead)
    # agreement of every split k: `before` leads below k and `after` from k on
    below = np.cumsum(leads, axis=1)
    split = np.concatenate([np.zeros((len(leads), 1)), below], axis=1)
    agreement = 2 * split - below[:, -1:]
    at = agreement.argmax(axis=1)
    inside = (at > 0) & (at < len(grid))
    probability = float(inside.mean())
    if not inside.any():
        return []
    low, middle, high = np.quantile(grid[at[inside]], [_ends()[0], 0.5, _ends()[1]])
    within = bool(sizes[0] <= middle <= sizes[-1])
    return [Crossover(before, after, float(middle), (float(low), float(high)), probability, within)]


def forecasts(
    curves: Curves, pick: Point, examples: Sequence[int], full: int, target: float | None
) -> list[Forecast]:
    """The pick with more labels than there are."""
    points = [pick._replace(x=float(np.log2(n / full))) for n in examples]
    drawn = drawn_scores(*curves.predict(points))
    found = []
    for place, n in enumerate(examples):
        low, middle, high = np.quantile(drawn[:, place], [_ends()[0], 0.5, _ends()[1]])
        reaches = None if target is None else float((drawn[:, place] >= target).mean())
        found.append(Forecast(n, float(middle), (float(low), float(high)), reaches))
    return found


def drawn_scores(mean: Array, covariance: Array) -> Array:
    """Scores in [0, 1], shape (DRAWS, n)."""
    values, vectors = np.linalg.eigh(covariance + _RIDGE * np.eye(len(mean)))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return sigmoid(mean + _nodes(len(mean)) @ root.T)


@cache
def _nodes(size: int) -> Array:
    """Standard normal draws that spread well, shape (DRAWS, size).

    Source: Owen 1998, Scrambling Sobol' and Niederreiter-Xing points.
    """
    uniform = qmc.Sobol(size, scramble=True, rng=7).random(DRAWS)
    return np.asarray(norm.ppf(np.clip(uniform, 1e-6, 1 - 1e-6)))


def _ends() -> tuple[float, float]:
    return (1 - LEVEL) / 2, (1 + LEVEL) / 2

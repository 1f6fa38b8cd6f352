"""Learning curves of all strategies at once, with their uncertainty.

The score of a setting a of strategy s, on the logit scale, at x = log2(training rows / all training
rows), is one Gaussian process:

    f(a, x) = level + d_s + h_a + (b + g_s + g_a + advisor_s) x + v(x) + u_s(x) + w_a(x)

`d_s` are differences between strategies with mean and covariance of the advisor's posterior, `h_a`
differences between settings; all of them stand for the full size x = 0. `v`, `u` and `w` are Wiener
processes in |x| away from it: curves may bend, all of them together, those of a strategy, or one by
itself, and what is said of sizes far from the measured ones is uncertain. A power law of the error is
a straight line here once the score is high, and a saturating one bends. A validation score adds
binomial noise of its rows, of which a share is common to all trials (they validate on the same rows),
and the noise of training.

Sources: Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, section 2.2; Swersky,
Snoek and Adams 2014, Freeze-Thaw Bayesian Optimization (a process over curves); Viering and Loog
2022, The Shape of Learning Curves (power laws).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky

Array = NDArray[np.float64]
_JITTER = 1e-8


class Point(NamedTuple):
    """Where a curve is read.

    Attributes:
        setting: Name of a setting, unique within its strategy.
        x: log2 of the share of the training rows; 0 is all of them, above 0 more than there are.
        z: log2 of the share of the setting's epochs or demonstrations; 0 is all of them.
    """

    strategy: str
    setting: str
    x: float
    z: float = 0.0


class Scales(NamedTuple):
    """Standard deviations and means in logits, fitted to grids (`benchmarks.search_curves`).

    Attributes:
        centre, level: Mean and deviation of the common level at full size.
        trust: Factor on what the advisor says of differences between strategies.
        strategy, setting: Of differences between strategies and settings, beside the advisor's.
        rise, slope: Mean and deviation of the common gain per doubling of the rows.
        slope_strategy, slope_setting: Of the gain's differences.
        bend, bend_strategy, bend_setting: Of the Wiener processes, per square root of a doubling.
        training: Of repeating a training; shared: share of the binomial variance that is common.
        rows: Of what a set of rows shifts all its scores by, beside the binomial share.
        passes, passes_rise: Deviation and mean of the gain per doubling of epochs or demonstrations.
    """

    centre: float = 1.0
    level: float = 1.2
    trust: float = 0.7
    strategy: float = 0.4
    setting: float = 0.4
    rise: float = 0.35
    slope: float = 0.15
    slope_strategy: float = 0.12
    slope_setting: float = 0.08
    bend: float = 0.1
    bend_strategy: float = 0.1
    bend_setting: float = 0.15
    training: float = 0.1
    shared: float = 0.5
    rows: float = 0.3
    passes: float = 0.2
    passes_rise: float = 0.2


@dataclass(frozen=True)
class Prior:
    """What the advisor says before anything is measured, in logits.

    Attributes:
        mean: Strategy -> score at full size, any common level.
        slope: Strategy -> change per doubling of the rows, beside the common one.
        covariance: Pair of strategies -> covariance of their scores; missing pairs count as 0.
    """

    mean: Mapping[str, float] = field(default_factory=dict)
    slope: Mapping[str, float] = field(default_factory=dict)
    covariance: Mapping[tuple[str, str], float] = field(default_factory=dict)


class Seen(NamedTuple):
    """A measured score: `score` in [0, 1] over so many rows; `block` names the rows."""

    point: Point
    score: float
    rows: int
    block: str = "validation"


@cache
def fitted_scales() -> Scales:
    """The scales that travel with the package."""
    text = files("harness.search").joinpath("scales.json").read_text(encoding="utf-8")
    return Scales(**json.loads(text)["scales"])


@cache
def curves_validated() -> bool:
    """Whether the curves' intervals held on grids that were left out: only then are
    probabilities that rest on them shown."""
    text = files("harness.search").joinpath("scales.json").read_text(encoding="utf-8")
    return bool(json.loads(text)["validation"]["passed"])


def logit(score: float, rows: int) -> tuple[float, float]:
    """Empirical logit of a share of rows and its binomial variance; finite at 0 and 1."""
    right = min(max(score, 0.0), 1.0) * rows
    a, b = right + 0.5, rows - right + 0.5
    return float(np.log(a / b)), 1 / a + 1 / b


class Curves:
    """The process, conditioned on what was measured.

    Args:
        seen: Measurements; none leaves the prior.
        parts: Their layout, if it is known.
    """

    def __init__(
        self,
        prior: Prior,
        scales: Scales,
        seen: Sequence[Seen] = (),
        parts: Layout | None = None,
    ) -> None:
        self.prior, self.scales = prior, scales
        self._points = [one.point for one in seen]
        self._root = self._weights = np.empty(0)
        if not seen:
            return
        values, noise = observed(seen, scales)
        parts = parts or layout(prior, self._points, self._points)
        self._root = cholesky(covariance_of(parts, scales) + noise, lower=True)
        self._rest = values - self.mean(self._points)
        self._weights = cho_solve((self._root, True), self._rest)

    def predict(self, points: Sequence[Point]) -> tuple[Array, Array]:
        """Mean, shape (n,), and covariance, shape (n, n), of the true scores in logits."""
        mean, own = self.mean(points), self.covariance(points, points)
        if not self._points:
            return mean, own
        across = self.covariance(self._points, points)
        known = cho_solve((self._root, True), across)
        return mean + across.T @ self._weights, own - across.T @ known

    def log_evidence(self) -> float:
        """Log density of the measurements."""
        if not self._points:
            return 0.0
        size = len(self._points)
        determinant = 2 * float(np.log(np.diag(self._root)).sum())
        return -0.5 * (float(self._rest @ self._weights) + determinant + size * np.log(2 * np.pi))

    def mean(self, points: Sequence[Point]) -> Array:
        """Before any measurement, shape (n,)."""
        s, prior = self.scales, self.prior
        return np.array(
            [
                s.centre
                + s.trust
                * (prior.mean.get(p.strategy, 0.0) + prior.slope.get(p.strategy, 0.0) * p.x)
                + s.rise * p.x
                + s.passes_rise * p.z
                for p in points
            ]
        )

    def covariance(self, one: Sequence[Point], other: Sequence[Point]) -> Array:
        """Before any measurement, shape (len(one), len(other))."""
        return covariance_of(layout(self.prior, one, other), self.scales)


class Layout(NamedTuple):
    """What a covariance is made of, whatever the scales; each of shape (n, m)."""

    advised: Array
    strategy: Array
    setting: Array
    product: Array
    together: Array
    passes: Array


def layout(prior: Prior, one: Sequence[Point], other: Sequence[Point]) -> Layout:
    """Which points share a strategy, a setting and a stretch of the sizes."""
    left, right = np.array([p.strategy for p in one]), np.array([p.strategy for p in other])
    same = (left[:, None] == right[None, :]).astype(float)
    names, others = np.array([p.setting for p in one]), np.array([p.setting for p in other])
    advised = np.zeros_like(same)
    for (i, j), value in prior.covariance.items():
        advised += value * np.outer(left == i, right == j)
    x, y = np.array([p.x for p in one]), np.array([p.x for p in other])
    z, w = np.array([p.z for p in one]), np.array([p.z for p in other])
    product = np.outer(x, y)
    shared = np.minimum.outer(np.abs(x), np.abs(y))
    return Layout(
        advised=advised,
        strategy=same,
        setting=same * (names[:, None] == others[None, :]),
        product=product,
        together=np.where(product > 0, shared, 0.0),
        passes=np.outer(z, w),
    )


def covariance_of(parts: Layout, s: Scales) -> Array:
    """The covariance of two lists of points under some scales."""
    slope = s.slope**2 + s.slope_strategy**2 * parts.strategy + s.slope_setting**2 * parts.setting
    bend = s.bend**2 + s.bend_strategy**2 * parts.strategy + s.bend_setting**2 * parts.setting
    return np.asarray(
        s.level**2
        + s.trust**2 * parts.advised
        + s.strategy**2 * parts.strategy
        + s.setting**2 * parts.setting
        + slope * parts.product
        + bend * parts.together
        + s.passes**2 * parts.strategy * parts.passes
    )


def sampling_noise(scales: Scales, mean: Array, rows: int) -> Array:
    """Variance of a score over so many fresh rows around its true value, shape of `mean`."""
    return np.asarray(_binomial(mean, rows) + scales.training**2 + scales.rows**2)


def repeat_noise(scales: Scales, mean: Array, rows: int) -> Array:
    """Variance of one more score over rows that were used before, shape of `mean`: what all scores
    over these rows have in common moves no comparison."""
    return np.asarray((1 - scales.shared) * _binomial(mean, rows) + scales.training**2)


def _binomial(mean: Array, rows: int) -> Array:
    right = rows / (1 + np.exp(-mean))
    return np.asarray(1 / (right + 0.5) + 1 / (rows - right + 0.5))


def observed(seen: Sequence[Seen], scales: Scales) -> tuple[Array, Array]:
    """Empirical logits, shape (n,), and the covariance of their noise, shape (n, n).

    What the scores of a block have in common is one shift of the same size for all of them. Were it
    larger for the scores that vary more, near 0 and 1, then a rise of the scores could pass for
    common noise.
    """
    pairs = [logit(one.score, one.rows) for one in seen]
    values, variances = (np.array(part) for part in zip(*pairs, strict=True))
    blocks = np.array([one.block for one in seen])
    common = np.zeros((len(seen), len(seen)))
    for block in np.unique(blocks):
        here = blocks == block
        shift = scales.shared * np.median(variances[here]) + scales.rows**2
        common += shift * np.outer(here, here)
    alone = (1 - scales.shared) * variances + scales.training**2 + _JITTER
    return values, common + np.diag(alone)

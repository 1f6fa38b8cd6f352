"""The questions a fit is judged by: which of the measured core strategies is best in a context?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from advisor.costs import estimate
from advisor.costs.shape import shape_of
from advisor.costs.workload import workload_of
from advisor.features import featurize
from advisor.learned.basis import DEGREES, degrees
from advisor.traits import CORE, STRATEGIES
from harness.fit.observations import SLOPES, Array, Compared, ruled_out, terms_of

NODES = 128
TIE = 1e-9
"""Points by which scores may differ and count as equal."""


@dataclass(frozen=True)
class Case:
    """One context with two or more of the core strategies.

    Attributes:
        place: Of the context among those it was made from.
        strategies: Measured core strategies, k of them.
        terms: Design rows, shape (k, terms).
        best, median: Measured points over variants, shape (k,).
        possible: Whether `advise` takes each for possible, shape (k,).
        slopes: Degrees along which sources differ. degrees: all degrees.
        flops: Estimated work of training each for as many epochs as is usual for it, shape (k,).
        even_flops: The same where all that train by gradients train for as many epochs as full
            fine-tuning, as Visual Prompt Tuning compared them (Jia et al. 2022: 100 for each).
        full_flops: Of full fine-tuning, measured here or not.
    """

    place: int
    one: Compared
    strategies: tuple[str, ...]
    terms: Array
    best: Array
    median: Array
    possible: NDArray[np.bool_]
    slopes: Array
    degrees: Array
    flops: Array
    even_flops: Array
    full_flops: float

    @property
    def group(self) -> str:
        return self.one.group

    @property
    def data(self) -> str:
        return self.one.context.data_group

    @property
    def examples(self) -> int:
        return self.one.situation.examples

    @property
    def won(self) -> Array:
        """Which of the possible strategies share the best score, shape (k,), adding up to 1."""
        scores = np.where(self.possible, self.best, -np.inf)
        first = (scores >= scores.max() - TIE).astype(float)
        return np.asarray(first / first.sum())

    def measured(self, over: str) -> Array:
        return self.best if over == "max" else self.median


def cases(contexts: Sequence[Compared]) -> list[Case]:
    """The cases among contexts, in their order."""
    found = []
    for place, one in enumerate(contexts):
        most, middle = one.context.scores("max"), one.context.scores("median")
        names = tuple(name for name in CORE if name in most)
        if len(names) < 2:
            continue
        s = one.situation
        features, values = featurize(s), np.array(degrees(s))
        out = ruled_out(s, names)
        found.append(
            Case(
                place, one, names,
                np.array([terms_of(name, s, features) for name in names]),
                np.array([100 * most[name] for name in names]),
                np.array([100 * middle[name] for name in names]),
                np.array([name not in out for name in names]),
                values[[DEGREES.index(name) for name in SLOPES]],
                values,
                np.array([_flops(one, name) for name in names]),
                np.array([_flops(one, name, even=True) for name in names]),
                _flops(one, "full_finetune"),
            )
        )  # fmt: skip
    return found


def _flops(one: Compared, strategy: str, *, even: bool = False) -> float:
    work = workload_of(one.situation, shape_of(one.situation))
    if even:
        work = work._replace(epochs=work.passes(STRATEGIES["full_finetune"]))
    return estimate(one.situation, STRATEGIES[strategy], workload=work).training.flops


def surprise(p: Array, case: Case) -> float:
    """Log loss of probabilities of being best, shape (k,)."""
    return float(-np.log(max(float(p[case.won > 0].sum()), 1e-6)))


@cache
def nodes() -> Array:
    """Points of a standard normal in 8 dimensions that represent it well, shape (NODES, 8).

    Source: Owen 1998, Scrambling Sobol' and Niederreiter-Xing points.
    """
    from scipy.stats import norm, qmc

    spread = qmc.Sobol(len(STRATEGIES), scramble=True, rng=182).random(NODES)
    return np.asarray(np.round(norm.ppf(np.clip(spread, 1e-4, 1 - 1e-4)), 3))


def wins(mean: Array, variance: Array) -> Array:
    """Probability of each candidate being the best, by quadrature as `advise` does."""
    half = nodes()[:, : len(mean)] @ np.linalg.cholesky(variance).T
    drawn = mean + np.vstack([half, -half])
    counts = np.bincount(drawn.argmax(axis=1), minlength=len(mean)) + 0.5
    return np.asarray(counts / counts.sum())

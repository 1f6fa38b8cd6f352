"""Expected score, interval, probability and regret of each feasible candidate."""

from __future__ import annotations

from functools import lru_cache

from advisor.features import featurize
from advisor.inference import Resolved
from advisor.learned.artefact import POINTS_PER_LOGIT, Artefact
from advisor.learned.basis import degrees
from advisor.learned.outlook import (
    Matrix,
    Row,
    covariance,
    design_row,
    deviation,
    outlook,
    points_per_logit,
)
from advisor.traits import STRATEGIES

TYPE_CHECKING = False  # `typing` itself would cost start-up time; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Sequence


class Standing:
    """A strategy and its score (0 to 100)."""

    __slots__ = ("score", "strategy")

    def __init__(self, strategy: str, score: float) -> None:
        self.strategy, self.score = strategy, score


class Expected:
    """What is expected of one feasible candidate; points are those of the metric, of 100.

    Attributes:
        p_best: Probability that it has the highest expected score of the feasible candidates.
        score: Points beside the best candidate that full access would allow.
        interval: Of that difference, 80%.
        regret: Points by which the best feasible candidate is expected to lead it.
    """

    __slots__ = ("interval", "p_best", "regret", "score")

    def __init__(
        self, p_best: float, score: float, interval: tuple[float, float], regret: float
    ) -> None:
        self.p_best, self.score, self.interval, self.regret = p_best, score, interval, regret


def design(s: Resolved, strategies: Sequence[str]) -> list[Row]:
    """Design rows of strategies in a situation."""
    features, values = featurize(s), degrees(s)
    return [design_row(s, features, values, STRATEGIES[name]) for name in strategies]


@lru_cache(maxsize=8)
def variance_of(model: Artefact, s: Resolved, names: tuple[str, ...]) -> Matrix:
    """Covariance of strategies' scores in a new source; remembered, since several ask for it."""
    return covariance(model, s, design(s, names), names)


def expected(
    model: Artefact, s: Resolved, feasible: Sequence[Standing], reference: Standing
) -> list[Expected]:
    """What to expect of the feasible candidates, in their order.

    Args:
        reference: The best of the candidates when all access is given; feasible or not.
    """
    names = tuple(one.strategy for one in feasible)
    known = names.index(reference.strategy) if reference.strategy in names else len(names)
    everyone = names if known < len(names) else (*names, reference.strategy)
    variance = variance_of(model, s, everyone)
    points = points_per_logit(model, s)
    means = [one.score / POINTS_PER_LOGIT for one in feasible]
    top = reference.score / POINTS_PER_LOGIT
    last = len(names)
    seen = outlook(model, means, [row[:last] for row in variance[:last]], points)
    found = []
    for i, mean in enumerate(means):
        centre = points * (mean - top)
        half = points * model.interval * deviation(variance, i, known)
        found.append(
            Expected(seen.p_best[i], centre, (centre - half, centre + half), seen.regret[i])
        )
    return found

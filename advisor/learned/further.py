"""What follows from a prediction: who moved it, which pilot would settle it, what is cheap enough."""

from __future__ import annotations

from math import erf, exp, pi, sqrt

from advisor.inference import Resolved
from advisor.learned.artefact import POINTS_PER_LOGIT, Artefact
from advisor.learned.expect import Standing, variance_of
from advisor.learned.outlook import deviation, points_per_logit, run_variance

TYPE_CHECKING = False  # `typing` itself would cost start-up time; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FEW_CONTEXTS, FEW_SOURCES = 30, 3
"""Fewer comparisons than either: an answer between the two rests on rules."""
_WORTH_A_PILOT = 0.05
"""Points a pilot must be expected to gain."""


class Agreement:
    """Rules and measurements beside each other.

    Attributes:
        rules, measured: Who would be first by the rules in their fitted sizes alone, and by what
            measurements add alone.
        moved_by: "both", "rules" or "measurements": what put the first where it is.
        contexts, sources: How often the first two candidates were compared in evidence.
        rests_on_rules: Whether that is too seldom to say much.
        turned: Ids of rules that apply here and that measurements contradict.
    """

    def __init__(
        self, rules: str, measured: str, first: str, counts: dict[str, int], turned: Sequence[str]
    ) -> None:
        self.rules, self.measured, self.turned = rules, measured, tuple(turned)
        self.contexts, self.sources = counts["contexts"], counts["sources"]
        self.rests_on_rules = self.contexts < FEW_CONTEXTS or self.sources < FEW_SOURCES
        agree = (rules == first) == (measured == first)
        self.moved_by = "both" if agree else "rules" if rules == first else "measurements"

    def to_dict(self) -> dict[str, object]:
        return {**vars(self), "turned": list(self.turned)}


class Pilot:
    """A small measurement of two candidates that is expected to gain most.

    Attributes:
        strategies: To be compared on the user's data.
        gain: Points of regret it is expected to save. changes: Probability that it changes the
            answer. seconds: Training of both, estimated.
    """

    def __init__(
        self, strategies: tuple[str, str], gain: float, changes: float, seconds: float
    ) -> None:
        self.strategies, self.gain = strategies, gain
        self.changes, self.seconds = changes, seconds

    def to_dict(self) -> dict[str, object]:
        return {**vars(self), "strategies": list(self.strategies)}


def agreement(
    model: Artefact,
    by_rules: dict[str, float],
    by_measurements: dict[str, float],
    order: Sequence[str],
    turned: Sequence[str],
) -> Agreement:
    """Compare who leads by rules and by measurements.

    Args:
        by_rules, by_measurements: Points of each feasible candidate; order: best first.
    """
    rules = max(order, key=lambda name: by_rules[name])
    measured = max(order, key=lambda name: by_measurements[name])
    return Agreement(rules, measured, order[0], _compared(model, order), turned)


def _compared(model: Artefact, order: Sequence[str]) -> dict[str, int]:
    none = {"contexts": 0, "sources": 0}
    if len(order) < 2:
        return none
    one, other = order[:2]
    return model.pairs.get(f"{one} {other}") or model.pairs.get(f"{other} {one}") or none


def pilot(
    model: Artefact, s: Resolved, order: Sequence[Standing], seconds: dict[str, float]
) -> Pilot | None:
    """The pair of the first and another candidate whose measurement is worth most; None if no
    measurement is expected to gain anything worth it.

    Args:
        order: Feasible candidates, best first. seconds: Of training each.

    Source: Raiffa and Schlaifer 1961, Applied Statistical Decision Theory, section 5.2 (unit
        normal loss).
    """
    if len(order) < 2:
        return None
    variance = variance_of(model, s, tuple(one.strategy for one in order))
    points = points_per_logit(model, s)
    noise = model.noise["inflation"] * run_variance(model, s)
    found = [_pilot(order, variance, i, noise, points, seconds) for i in range(1, len(order))]
    best = max((one for one in found if one is not None), key=lambda one: one.gain, default=None)
    return None if best is None or best.gain < _WORTH_A_PILOT else best


def _pilot(
    order: Sequence[Standing],
    variance: list[list[float]],
    i: int,
    noise: float,
    points: float,
    seconds: dict[str, float],
) -> Pilot | None:
    lead = (order[0].score - order[i].score) / POINTS_PER_LOGIT
    whole = deviation(variance, 0, i) ** 2
    # two measurements scatter, which nobody can know beforehand; the rest can be learned
    spread = max(whole - 2 * noise, 0.0) / sqrt(whole)
    if not spread:
        return None
    away = lead / spread
    loss = exp(-away * away / 2) / sqrt(2 * pi) - away * _above(away)
    pair = (order[0].strategy, order[i].strategy)
    return Pilot(pair, points * spread * loss, _above(away), sum(seconds[name] for name in pair))


def _above(value: float) -> float:
    """Probability that a standard normal exceeds a value."""
    return 0.5 * (1 - erf(value / sqrt(2)))


def cheapest_within(
    behind: dict[str, float], cost: Mapping[str, tuple[float, ...]], tolerance: float
) -> str:
    """The cheapest candidate whose expected loss is within the tolerance.

    Args:
        behind: Strategy -> points it is expected to trail the best feasible one.
        cost: Strategy -> what it costs, compared in order.
    """
    within = [name for name, points in behind.items() if points <= tolerance]
    return min(within, key=lambda name: (cost[name], behind[name]))

"""Rules applied to one situation: which strategies are feasible, and how many points each has.

Everything here is a pure function and cheap: tipping points evaluate hundreds of situations.
"""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple, Self

from advisor.costs import Costs, Hardware, Shape, Workload, estimate
from advisor.costs.hardware import hardware_of
from advisor.costs.shape import shape_of
from advisor.costs.workload import workload_of
from advisor.features import Features, featurize
from advisor.inference import Resolved
from advisor.rules import DIRECTIONS, FEASIBILITY, Direction, Forbids
from advisor.traits import STRATEGIES, Traits


class Scored(NamedTuple):
    """One strategy in one situation.

    Attributes:
        costs: As the situation's access has it; own_costs: on the user's own devices, which is
            what the rules look at.
        forbidden_by: Rules that rule it out; empty if it is feasible.
        effects: Rules that moved the score, with their points.
        score: Sum of the points; None if the strategy is infeasible.
    """

    traits: Traits
    costs: Costs
    own_costs: Costs
    forbidden_by: tuple[Forbids, ...]
    effects: tuple[tuple[Direction, float], ...]
    score: float | None


@cache
def _rules_about(strategy: str) -> tuple[tuple[Forbids, ...], tuple[Direction, ...]]:
    """The rows that can ever apply to a strategy: `about` depends on its traits alone."""
    traits = STRATEGIES[strategy]
    return (
        tuple(rule for rule in FEASIBILITY if rule.about(traits)),
        tuple(rule for rule in DIRECTIONS if rule.about(traits)),
    )


class _Case(NamedTuple):
    """A situation with everything about it that does not depend on the strategy.

    Attributes:
        own: The situation with all access. Rules look at costs on the user's own devices: what
            somebody else's API hides must not open a strategy that the weights would not.
    """

    situation: Resolved
    own: Resolved
    features: Features
    shape: Shape
    hardware: Hardware
    workload: Workload

    @classmethod
    def of(cls, s: Resolved) -> Self:
        shape = shape_of(s)
        own = s if s.access == "weights" else s._replace(access="weights")
        return cls(s, own, featurize(s), shape, hardware_of(s), workload_of(s, shape))

    def costs(self, situation: Resolved, traits: Traits) -> Costs:
        return estimate(situation, traits, self.hardware, self.workload, self.shape)


def _score(case: _Case, traits: Traits) -> Scored:
    """Apply every rule to one strategy."""
    forbids, directions = _rules_about(traits.id)
    own = case.costs(case.own, traits)
    costs = own if case.own is case.situation else case.costs(case.situation, traits)
    forbidden = tuple(rule for rule in forbids if rule.when(case.situation, traits, own))
    if forbidden:
        return Scored(traits, costs, own, forbidden, (), None)
    effects = []
    total = 0.0
    for rule in directions:
        points = rule.effect(case.features, case.situation)
        if points:
            effects.append((rule, points))
            total += points
    return Scored(traits, costs, own, (), tuple(effects), total)


def ranked(situation: Resolved, strategies: Iterable[str]) -> list[Scored]:
    """Feasible strategies, best first, then the infeasible ones.

    Equal scores go to the strategy that trains less, whatever order they were named in.
    """
    case = _Case.of(situation)
    return sorted((_score(case, STRATEGIES[strategy]) for strategy in strategies), key=_order)


def _order(scored: Scored) -> tuple[float, bool, float, str]:
    points = float("inf") if scored.score is None else -scored.score
    traits = scored.traits
    return (points, traits.needs_gradients, traits.trainable_fraction, traits.id)


def leader(situation: Resolved, strategies: Iterable[str]) -> tuple[str | None, float]:
    """The strategy that comes first, and its lead over the second.

    Returns:
        (None, 0) if none is feasible; a lead of 100 points if it is the only one.
    """
    feasible = [each for each in ranked(situation, strategies) if each.score is not None]
    if not feasible:
        return None, 0.0
    first = feasible[0].score
    second = feasible[1].score if len(feasible) > 1 else None
    assert first is not None
    return feasible[0].traits.id, 100.0 if second is None else first - second

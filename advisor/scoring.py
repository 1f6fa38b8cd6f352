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
from advisor.features import featurize
from advisor.inference import Resolved
from advisor.learned.artefact import POINTS_PER_LOGIT, RULES, Artefact, artefact, dot
from advisor.learned.basis import degrees
from advisor.rules import FEASIBILITY, START, Direction, Forbids
from advisor.rules.base import any_strategy, in_steps
from advisor.traits import STRATEGIES, Traits


class Scored(NamedTuple):
    """One strategy in one situation.

    Attributes:
        costs: As the situation's access has it; own_costs: on the user's own devices, which is
            what the rules look at.
        forbidden_by: Rules that rule it out; empty if it is feasible.
        effects: Rules that moved the score, with their points; `MEASURED` is what measurements add
            to the rules.
        turned: Ids of rules that hold here and whose sign measurements turned around.
        score: Sum of the points; None if the strategy is infeasible.
    """

    traits: Traits
    costs: Costs
    own_costs: Costs
    forbidden_by: tuple[Forbids, ...]
    effects: tuple[tuple[Direction, float], ...]
    turned: tuple[str, ...]
    score: float | None


MEASURED = Direction(
    id="measured",
    points=0,
    about=any_strategy,
    strength=lambda f, s: 1.0,
    says="{measured}",
    source="reports/calibration.md",
)


_Placed = tuple[int, Direction]
"""A rule and its place among `RULES`."""


@cache
def _rules_about(strategy: str) -> tuple[tuple[Forbids, ...], tuple[_Placed, ...]]:
    """The rows that can ever apply to a strategy: `about` depends on its traits alone."""
    traits = STRATEGIES[strategy]
    return (
        tuple(rule for rule in FEASIBILITY if rule.about(traits)),
        tuple((place, rule) for place, rule in enumerate(RULES) if rule.about(traits)),
    )


class Case(NamedTuple):
    """A situation with everything about it that does not depend on the strategy.

    Attributes:
        strengths: How fully each of `RULES` holds.
        own: The situation with all access. Rules look at costs on the user's own devices: what
            somebody else's API hides must not open a strategy that the weights would not.
    """

    situation: Resolved
    own: Resolved
    strengths: list[float]
    degrees: tuple[float, ...]
    shape: Shape
    hardware: Hardware
    workload: Workload

    @classmethod
    def of(cls, s: Resolved) -> Self:
        shape = shape_of(s)
        own = s if s.access == "weights" else s._replace(access="weights")
        features = featurize(s)
        strengths = [rule.strength(features, s) for rule in RULES]
        return cls(s, own, strengths, degrees(s), shape, hardware_of(s), workload_of(s, shape))

    def costs(self, situation: Resolved, traits: Traits) -> Costs:
        return estimate(situation, traits, self.hardware, self.workload, self.shape)


def _score(case: Case, traits: Traits) -> Scored:
    """Apply every rule to one strategy."""
    forbids, directions = _rules_about(traits.id)
    own = case.costs(case.own, traits)
    costs = own if case.own is case.situation else case.costs(case.situation, traits)
    situation = case.situation
    forbidden = tuple([rule for rule in forbids if rule.when(situation, traits, own)])
    if forbidden:
        return Scored(traits, costs, own, forbidden, (), (), None)
    effects, turned = _effects(case, traits, directions, artefact())
    return Scored(traits, costs, own, (), effects, turned, sum(points for _, points in effects))


def _effects(
    case: Case, traits: Traits, directions: tuple[_Placed, ...], model: Artefact | None
) -> tuple[tuple[tuple[Direction, float], ...], tuple[str, ...]]:
    """Points of the rules, in their fitted sizes, and of what measurements add to them; and the
    rules whose sign measurements turned around."""
    strengths = case.strengths
    effects: list[tuple[Direction, float]] = [(START, float(START.points))]
    if model is None:
        told = ((rule, in_steps(rule.points * strengths[place])) for place, rule in directions)
        return (*effects, *((rule, points) for rule, points in told if points)), ()
    turned = []
    total = effects[0][1]
    measured = dot(model.weights[traits.id], case.degrees)
    for place, rule in directions:
        strength = strengths[place]
        if not strength:
            continue
        size = model.rules[rule.id]
        if size * rule.points < 0:
            # that is the measurements' to say, not the rule's
            turned.append(rule.id)
            measured += size * strength
        elif points := in_steps(POINTS_PER_LOGIT * size * strength):
            effects.append((rule, points))
            total += points
    learned = in_steps(min(max(total + POINTS_PER_LOGIT * measured, 0.0), 100.0) - total)
    if learned:
        effects.append((MEASURED, learned))
    return tuple(effects), tuple(turned)


def ranked(situation: Resolved, strategies: Iterable[str]) -> list[Scored]:
    """Feasible strategies, best first, then the infeasible ones.

    Equal scores go to the strategy that trains less, whatever order they were named in.
    """
    return ranked_in(Case.of(situation), strategies)


def ranked_in(case: Case, strategies: Iterable[str]) -> list[Scored]:
    """As `ranked`, for a situation of which everything else is worked out already."""
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


def stated_score(situation: Resolved, strategy: str) -> float:
    """Points of the rules in their stated sizes, as before any measurement."""
    features = featurize(situation)
    _, directions = _rules_about(strategy)
    return START.points + sum(rule.effect(features, situation) for _, rule in directions)

"""What measurements add to an advice: probabilities, and the questions that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.inference import Resolved, resolve
from advisor.learned.artefact import Artefact, artefact
from advisor.learned.expect import Expected, Standing, expected
from advisor.learned.further import Agreement, Pilot, agreement, cheapest_within, pilot
from advisor.scoring import MEASURED, Scored, ranked
from advisor.situation import Situation

CURVE_EXAMPLES = (10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000, 1_000_000)
DEFAULT_TOLERANCE = 1.0
"""Points of the metric."""


def trusted() -> Artefact | None:
    """The model, if its probabilities were validated."""
    model = artefact()
    return model if model is not None and model.is_validated else None


def standings(order: Sequence[Scored]) -> list[Standing]:
    """The feasible of ranked strategies."""
    return [Standing(each.traits.id, each.score) for each in order if each.score is not None]


def prospects(s: Resolved, order: Sequence[Scored]) -> dict[str, Expected]:
    """Strategy id -> what to expect, for the feasible of ranked candidates; empty without a
    validated model."""
    model, feasible = trusted(), standings(order)
    if model is None or not feasible:
        return {}
    found = expected(model, s, feasible, reference(s, order))
    return {one.strategy: each for one, each in zip(feasible, found, strict=True)}


def reference(s: Resolved, order: Sequence[Scored]) -> Standing:
    """The best of the candidates when all access is given: differences to it do not change with
    access, which only removes candidates."""
    if s.access == "weights":
        return standings(order)[0]
    opened = s._replace(access="weights")
    return standings(ranked(opened, [each.traits.id for each in order]))[0]


def who_moved_it(order: Sequence[Scored]) -> Agreement | None:
    """Rules and measurements beside each other; None without a model or a feasible candidate."""
    model = artefact()
    feasible = [each for each in order if each.score is not None]
    if model is None or not feasible:
        return None
    measured = {each.traits.id: _measured(each) for each in feasible}
    rules = {each.traits.id: (each.score or 0.0) - measured[each.traits.id] for each in feasible}
    turned = sorted({name for each in feasible for name in each.turned})
    return agreement(model, rules, measured, [each.traits.id for each in feasible], turned)


def _measured(scored: Scored) -> float:
    return sum(points for rule, points in scored.effects if rule is MEASURED)


def worthwhile_pilot(s: Resolved, order: Sequence[Scored]) -> Pilot | None:
    """The pair of candidates worth measuring first."""
    model, feasible = trusted(), standings(order)
    if model is None or s.examples == 0:
        return None
    seconds = {each.traits.id: each.costs.training.seconds for each in order}
    return pilot(model, s, feasible, seconds)


def cheapest(
    order: Sequence[Scored], scores: Mapping[str, float], tolerance: float
) -> tuple[str, float]:
    """The candidate that takes least training within the tolerance, and the points it is expected
    to trail the best feasible one.

    Args:
        scores: Expected score of each feasible candidate, in points; not empty.
    """
    most = max(scores.values())
    behind = {name: most - score for name, score in scores.items()}
    cost = {each.traits.id: (each.costs.training.flops, each.costs.serving.flops) for each in order}
    name = cheapest_within(behind, cost, tolerance)
    return name, behind[name]


def curves(
    situation: Situation, strategies: tuple[str, ...], *, assume_hardware: bool
) -> tuple[dict[str, object], ...]:
    """Probability and expected score of each candidate at other numbers of examples."""
    found = []
    for examples in CURVE_EXAMPLES:
        changed = situation.replacing("demonstrations", None).replacing("examples", examples)
        s = resolve(changed, assume_hardware=assume_hardware)
        told = {
            name: {
                "p_best": each.p_best,
                "expected_score": each.score,
                "interval": list(each.interval),
            }
            for name, each in prospects(s, ranked(s, strategies)).items()
        }
        if told:
            found.append({"examples": examples, "strategies": told})
    return tuple(found)

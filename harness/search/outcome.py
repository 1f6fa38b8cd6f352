"""From a finished search to its decision and the part of `result.json` that tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from harness.comparison import paired_difference
from harness.decision import Decision, common_answers
from harness.search.curves import Point, curves_validated
from harness.search.decide import LEVEL, crossovers, drawn_scores, forecasts
from harness.search.loop import Search

_MORE = (2, 4, 8)
_SMALL_STEPS = 60
_ENDINGS = {
    "tolerance": "the search ended because no trial was expected to gain more than the tolerance",
    "budget": "the search ended with its budget",
    "exhausted": "the search ended because everything had been tried",
}


def decision(search: Search, names: Mapping[str, str]) -> Decision:
    """The strategy of the pick; the runner-up is the likeliest of the other scored ones.

    Args:
        names: Strategy -> what people call it.
    """
    pick = search.pick
    scored = {one.strategy: one.scored for one in search.outcomes.values() if one.scored}
    if pick is None or pick.strategy not in scored:
        return Decision(None, "No strategy could be scored.")
    now, promising = search.policy.standing(pick), search.policy.standing().pick
    chance = now.p_best.get(pick.strategy, 0.0)
    reason = f"{names[pick.strategy]} has the highest expected score on all examples; "
    if promising != pick:
        same = promising.strategy == pick.strategy
        other = "another setting of it" if same else names[promising.strategy]
        reason = (
            f"{names[pick.strategy]} has the highest expected score of what was trained on all "
            f"examples; {other} is expected to score higher, but was not trained on them; "
        )
    if curves_validated():
        reason += (
            f"its chance of being the best strategy is {chance:.0%}, stopping now is expected to "
            f"lose {now.expected_loss:.2f} points, and "
        )
    reason += f"{_ENDINGS[search.ended]}."
    rivals = [id for id in scored if id != pick.strategy]
    if not rivals:
        return Decision(pick.strategy, reason)
    rival = max(rivals, key=lambda id: now.p_best.get(id, 0.0))
    pair = {id: scored[id] for id in (pick.strategy, rival)}
    test = common_answers(pair, search.bench.folder, "test")
    return Decision(
        pick.strategy,
        reason,
        runner_up=rival,
        difference=paired_difference(
            test.predicted[pick.strategy],
            test.predicted[rival],
            test.targets,
            metric=search.bench.task.metric,
        ),
    )


def section(search: Search) -> dict[str, object]:
    """The field "search" of `result.json`; docs/search.md lists its parts.

    What rests on the learning curves is told only where they held on grids that were left out.
    """
    policy, budget = search.policy, search.terms.budget
    told: dict[str, object] = {
        "ended": search.ended,
        "budget": {"unit": budget.unit, "amount": budget.amount, "spent": search.spent},
        "tolerance": search.terms.tolerance,
        "trials": sum(len(one.trials) for one in search.outcomes.values()),
        "dropped": sorted(policy.dropped),
        "validated": curves_validated(),
        "history": _history(search),
    }
    return told | _foreseen(search) if curves_validated() and policy.seen else told


def _history(search: Search) -> list[dict[str, object]]:
    """The trials in the order in which they were made."""
    return [
        {
            "strategy": one.choice.strategy,
            "settings": json.loads(one.choice.setting),
            "examples": one.choice.rung.examples,
            "passes": one.choice.rung.passes,
            "status": one.status,
            "score": one.score,
            "cost": one.cost,
        }
        for one in search.steps
    ]


def _foreseen(search: Search) -> dict[str, object]:
    policy = search.policy
    pick = search.pick or policy.standing().pick
    now = policy.standing(pick)
    target = search.plan.question.target
    full = search.plan.examples
    chances = {id: now.p_best.get(id, policy.dropped.get(id, 0.0)) for id in search.outcomes}
    more = [factor * full for factor in _MORE]
    low, score, high = _at_full(search, pick)
    return {
        "p_best": chances,
        "expected_loss": now.expected_loss,
        "level": LEVEL,
        "predicted": {"score": score, "interval": [low, high]},
        "crossovers": _crossovers(search),
        "more_labels": [
            {
                "examples": one.examples,
                "score": one.score,
                "interval": list(one.interval),
                "reaches_target": one.reaches,
            }
            for one in forecasts(policy.curves, pick, more, full, target)
        ],
        "target": None if target is None else _target(search, target),
        "curves": _curves(search),
    }


def _at_full(search: Search, pick: Point) -> tuple[float, float, float]:
    drawn = drawn_scores(*search.policy.curves.predict([pick]))[:, 0]
    low, middle, high = np.quantile(drawn, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    return float(low), float(middle), float(high)


def _best(search: Search) -> dict[str, str]:
    """Strategy -> its best tried setting."""
    found = {id: search.policy.best_of(id) for id in search.outcomes}
    return {id: point.setting for id, point in found.items() if point is not None}


def _crossovers(search: Search) -> list[dict[str, object]]:
    tried = sorted({2**one.point.x * search.plan.examples for one in search.policy.seen})
    best = _best(search)
    if len(best) < 2 or not tried:
        return []
    found = crossovers(search.policy.curves, best, tried, search.plan.examples)
    return [
        {
            "before": one.before,
            "after": one.after,
            "examples": one.examples,
            "interval": list(one.interval),
            "probability": one.probability,
            "measured": one.measured,
        }
        for one in found
    ]


def _curves(search: Search) -> list[dict[str, object]]:
    """Of every strategy's best setting: what is expected at the sizes of the search and beyond."""
    full = search.plan.examples
    examples = [*search.sizes, *(factor * full for factor in _MORE)]
    found: list[dict[str, object]] = []
    for strategy, setting in _best(search).items():
        points = [Point(strategy, setting, float(np.log2(n / full))) for n in examples]
        drawn = drawn_scores(*search.policy.curves.predict(points))
        ends = np.quantile(drawn, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2], axis=0)
        for place, n in enumerate(examples):
            low, middle, high = (float(one) for one in ends[:, place])
            found.append(
                {"strategy": strategy, "examples": n, "score": middle, "interval": [low, high]}
            )
    return found


def _target(search: Search, target: float) -> dict[str, object]:
    """The fewest labels with which some strategy more likely than not reaches the target."""
    full = search.plan.examples
    grid = [round(n) for n in np.geomspace(full, _MORE[-1] * full, _SMALL_STEPS)]
    reached: list[tuple[int, str]] = []
    for strategy, setting in _best(search).items():
        n = _reaches(search, Point(strategy, setting, 0.0), grid, target)
        if n is not None:
            reached.append((n, strategy))
    first = min(reached, default=None)
    return {
        "score": target,
        "strategy": None if first is None else first[1],
        "examples": None if first is None else first[0],
        "looked_up_to": grid[-1],
    }


def _reaches(search: Search, point: Point, grid: Sequence[int], target: float) -> int | None:
    found = forecasts(search.policy.curves, point, grid, search.plan.examples, target)
    return next((one.examples for one in found if (one.reaches or 0.0) >= 0.5), None)

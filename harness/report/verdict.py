"""The run in two sentences, and what to keep in mind while reading them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report import wording
from harness.report.cautions import cautions
from harness.report.names import interval_name, name_of
from harness.report.parts import Fact
from harness.report.result import Result, StrategyResult

SURE = 0.9
"""Win rate from which on a lead is called a win, provided its interval excludes zero."""


@dataclass(frozen=True)
class Verdict:
    """What the report says first.

    Attributes:
        kind: "clear", "close", "alone", "missed" (no strategy reaches the target) or "none".
        headline: Who won and by how much.
        certainty: How sure that is.
        figures: The few numbers behind it.
        cautions: What limits the conclusion.
    """

    kind: str
    headline: str
    certainty: str
    figures: tuple[Fact, ...]
    cautions: tuple[str, ...]


def verdict(result: Result) -> Verdict:
    best = _best(result)
    if best is None:
        return Verdict("none", "No strategy was measured to the end.", _endings(result), (), ())
    kind, headline = _headline(result, best)
    return Verdict(
        kind, headline, _certainty(result), _figures(result, best), tuple(cautions(result, best))
    )


def _best(result: Result) -> StrategyResult | None:
    """The winner; without one, the strategy with the highest test score."""
    winner = result.named(result.winner)
    if winner is not None and winner.test_mean is not None:
        return winner
    measured = [one for one in result.strategies if one.test_mean is not None]
    return max(measured, key=lambda one: one.test_mean or 0.0, default=None)


def _said_score(result: Result, one: StrategyResult) -> str:
    return f"{wording.score(result.metric, one.test_mean or 0.0)} test {wording.metric_name(result.metric)}"


def _headline(result: Result, best: StrategyResult) -> tuple[str, str]:
    plain = name_of(result, best.strategy)
    name = wording.capital(plain)
    reached = _said_score(result, best)
    if result.wanted is not None and (best.test_mean or 0.0) < result.wanted:
        wanted = wording.score(result.metric, result.wanted)
        return (
            "missed",
            f"No strategy reaches the target of {wanted}: {plain} comes closest with {reached}.",
        )
    if result.winner is None:
        return "close", f"No winner was declared; {plain} scores highest with {reached}."
    rival, lead = name_of(result, result.runner_up), _lead(result)
    if not rival:
        return "alone", f"{name} reaches {reached}; no other strategy was scored."
    if lead is None:
        return "close", f"{name} comes first with {reached}, before {rival}."
    gap = wording.gap(result.metric, lead)
    if lead < 0:
        return "close", f"{name} is chosen with {reached}, though {rival} scores {gap} higher."
    if _is_clear(result):
        return "clear", f"{name} wins with {reached}, {gap} ahead of {rival}."
    return (
        "close",
        f"{name} comes first with {reached}, but its lead of {gap} over {rival} could be chance.",
    )


def _lead(result: Result) -> float | None:
    """The recorded difference to the runner-up, else that of the two means."""
    if result.difference and result.difference.mean is not None:
        return result.difference.mean
    first, second = result.named(result.winner), result.named(result.runner_up)
    if not (first and second) or first.test_mean is None or second.test_mean is None:
        return None
    return first.test_mean - second.test_mean


def _is_clear(result: Result) -> bool:
    interval = result.difference.interval if result.difference else None
    return (
        interval is not None
        and interval[0] > 0
        and (result.win_rate is None or result.win_rate >= SURE)
    )


def _certainty(result: Result) -> str:
    said = []
    if result.win_rate is not None and result.runner_up:
        said.append(
            f"{name_of(result, result.winner) or 'the first'} leads in {wording.percent(result.win_rate, 0)} of the bootstrap resamples "
            "over seeds and test examples."
        )
    interval = result.difference.interval if result.difference else None
    if interval:
        low, high = (wording.signed(result.metric, end) for end in interval)
        unit = " points" if wording.is_share(result.metric) else ""
        said.append(f"The {interval_name(result)} of its lead runs from {low} to {high}{unit}.")
    if result.runner_up and not said:
        said.append("How sure that is was not measured.")
    if result.winner_reason:
        said.append(result.winner_reason)
    return " ".join(map(wording.sentence, said))


def _figures(result: Result, best: StrategyResult) -> tuple[Fact, ...]:
    metric = wording.metric_name(result.metric)
    interval = best.test.interval if best.test else None
    figures = [
        Fact(
            f"Test {metric}",
            wording.score(result.metric, best.test_mean or 0.0),
            wording.score_range(result.metric, *interval) if interval else "",
        )
    ]
    if result.win_rate is not None and result.runner_up:
        figures.append(Fact("Win rate", wording.percent(result.win_rate, 0), "of resamples"))
    if best.seconds is not None:
        figures.append(Fact("Time it took", wording.duration(best.seconds), "tuning and scoring"))
    if best.trained_parameters is not None:
        share = _share_of_model(result, best)
        figures.append(Fact("Trained parameters", wording.many(best.trained_parameters), share))
    return tuple(figures)


def _share_of_model(result: Result, best: StrategyResult) -> str:
    params = result.question.model.params
    if not params or not best.trained_parameters:
        return ""
    share = best.trained_parameters / params
    if share < 0.0001:
        return "less than 0.01% of the model"
    return f"{100 * share:.2g}% of the model" if share < 0.995 else ""


def _endings(result: Result) -> str:
    ends = [
        f"{name_of(result, one.strategy)}: {one.status}" + (f", {one.reason}" if one.reason else "")
        for one in result.strategies
    ]
    return wording.sentence("; ".join(ends))

"""What the advisor said before anything was measured, beside what came out."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report import wording
from harness.report.names import name_of
from harness.report.parts import Cell, Column, Line, Row, Table, table
from harness.report.result import Advice, Reason, Recommended, Result, TippingPoint

FIELDS = {"params": "model size", "shift": "domain shift"}
MAIN_REASONS = 3
"""Reasons shown for each strategy; `advise --explain` lists them all."""


@dataclass(frozen=True)
class AdviceView:
    """Attributes:
    outcome: Whether the advice was right, in one or two sentences.
    ranking: The recommendations; None if there are none.
    tipping: What would have put another strategy first.
    """

    outcome: str
    ranking: Table | None
    assumptions: tuple[str, ...]
    tipping: tuple[str, ...]


def advice_view(result: Result) -> AdviceView:
    advice = result.advice
    if advice is None:
        return AdviceView("The advisor was not asked before this run.", None, (), ())
    return AdviceView(
        _outcome(result, advice),
        _ranking(result, advice),
        tuple(map(wording.sentence, advice.assumptions)),
        tuple(_tipping(result, point) for point in advice.tipping_points),
    )


def _advised(result: Result, advice: Advice) -> str | None:
    """The strategy that was recommended first."""
    if result.agreement and result.agreement.advised:
        return result.agreement.advised
    ranked = [one for one in advice.recommendations if one.rank is not None]
    return min(ranked, key=lambda one: one.rank or 0).strategy if ranked else None


def _outcome(result: Result, advice: Advice) -> str:
    advised = _advised(result, advice)
    if advised is None:
        return "The advisor recommended no strategy."
    said = f"The advisor recommended {name_of(result, advised)}"
    if result.winner is None:
        return f"{said}; no winner was measured to hold it against."
    if sum(one.test_mean is not None for one in result.strategies) < 2:
        return f"{said}; fewer than two strategies were scored to hold it against."
    agreed = result.agreement.agreed if result.agreement else None
    if agreed is None:
        agreed = advised == result.winner
    first = name_of(result, result.winner)
    if agreed:
        return f"{said}, and {first} won: the advice was right.{_price(result, True)}"
    return f"{said}, but {first} won.{_price(result, False)}"


def _price(result: Result, agreed: bool) -> str:
    """The regret: the best test score less that of the strategy that was advised."""
    regret = result.agreement.regret if result.agreement else None
    if regret is None:
        return "" if agreed else " What following the advice would have cost was not measured."
    if regret <= 0:
        return " No strategy scores higher on the test set, so following the advice costs nothing."
    name = wording.metric_name(result.metric)
    return (
        f" Following the advice costs {wording.gap(result.metric, regret)} of test {name} against "
        "the strategy with the highest test score."
    )


def _ranking(result: Result, advice: Advice) -> Table | None:
    ranked = _by_rank(advice)
    if not ranked:
        return None
    shared = _shared(advice)
    # null until it is validated: without it, P(best) is no gap of this run
    chances = any(one.p_best is not None for one in ranked)
    columns = [
        Column("Rank"),
        Column("Score of 100"),
        *([Column("P(best)")] if chances else []),
        Column("Main reasons", numeric=False),
        Column(f"Measured {wording.metric_name(result.metric)}"),
    ]
    rows = [_recommended(result, one, shared, chances) for one in ranked]
    return table("The advisor's ranking before the run", "Strategy", columns, rows, [])


def _by_rank(advice: Advice) -> list[Recommended]:
    return sorted(advice.recommendations, key=lambda one: (one.rank is None, one.rank or 0))


def _shared(advice: Advice) -> set[tuple[str, float | str | None]]:
    """Reasons that count the same for every feasible strategy, and so tell none from another."""
    feasible = [one for one in advice.recommendations if one.rank is not None]
    found = [{(reason.rule, reason.effect) for reason in one.reasons} for one in feasible]
    return set.intersection(*found) if len(found) > 1 else set()


def _recommended(
    result: Result, one: Recommended, shared: set[tuple[str, float | str | None]], chances: bool
) -> Row:
    measured = result.named(one.strategy)
    mean = measured.test_mean if measured else None
    score = None if one.score is None or one.feasible is False else f"{one.score:.0f}"
    chance = None if one.p_best is None else wording.percent(one.p_best, 0)
    return Row(
        (
            Cell(name_of(result, one.strategy), badge="ruled out" if one.feasible is False else ""),
            Cell(wording.known(str, one.rank)),
            Cell(score),
            *([Cell(chance)] if chances else []),
            Cell(lines=tuple(map(_line, _main(one.reasons, shared)))),
            Cell(wording.score(result.metric, mean) if mean is not None else None),
        ),
        kind="winner" if one.strategy == result.winner else "",
    )


def _main(reasons: tuple[Reason, ...], shared: set[tuple[str, float | str | None]]) -> list[Reason]:
    """The weightiest reasons: what rules a strategy out, then by size of effect."""
    telling = [reason for reason in reasons if (reason.rule, reason.effect) not in shared]

    def weight(reason: Reason) -> float:
        return abs(reason.effect) if isinstance(reason.effect, float) else float("inf")

    return sorted(telling, key=weight, reverse=True)[:MAIN_REASONS]


def _line(reason: Reason) -> Line:
    effect = reason.effect
    lead = f"{effect:+.0f}".replace("-", "−") if isinstance(effect, float) else (effect or "")
    return Line(wording.sentence(reason.text or reason.rule), lead, reason.source or "")


def _tipping(result: Result, point: TippingPoint) -> str:
    start, end = (_amount(value) for value in (point.start, point.end))
    field = FIELDS.get(point.field, point.field.replace("_", " "))
    change = f"{field} {end}" + (f" instead of {start}" if start else "")
    return wording.sentence(f"With {change}, {name_of(result, point.becomes)} would come first")


def _amount(value: str | float | None) -> str:
    if isinstance(value, float):
        return wording.many(value) if value == int(value) or value >= 1000 else f"{value:g}"
    return value or ""

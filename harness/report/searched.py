"""What a budgeted search did: trials in order, budget, how it ended, and what its curves foresee."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate

from harness.report import wording
from harness.report.names import name_of
from harness.report.parts import Band, Cell, Column, Fact, Row, Table, table
from harness.report.result import Crossing, Reach, Result, Searched, Tried

_ENDINGS = {
    "tolerance": "no further trial was expected to gain more than the tolerance",
    "budget": "what was left of the budget paid for no further trial",
    "exhausted": "everything had been tried",
}
_WITHHELD = (
    "Chances, expected losses and forecasts are not shown: the intervals of the learning curves did "
    "not hold on data sets that were left out."
)


@dataclass(frozen=True)
class SearchView:
    """The section on the search.

    Attributes:
        unscored: Names the strategies without a test score, and why; empty if there are none.
        strategies: What was tried of each one, and its chance of being best.
        bands: What the chart of predicted scores draws; `foreseen` holds their numbers.
        withheld: Why chances are missing; empty if they are shown.
        crossovers: One sentence each.
    """

    said: str
    unscored: str
    facts: tuple[Fact, ...]
    strategies: Table
    history: Table
    bands: tuple[Band, ...]
    foreseen: Table | None
    more_labels: Table | None
    withheld: str
    crossovers: tuple[str, ...]
    target: str


def search_view(result: Result) -> SearchView | None:
    """The section; None where the run was no search."""
    search = result.search
    if search is None:
        return None
    shown = search.validated
    return SearchView(
        said=_said(search),
        unscored=_unscored(result),
        facts=_facts(result, search),
        strategies=_strategies(result, search),
        history=_history(result, search),
        bands=_bands(result, search) if shown else (),
        foreseen=_foreseen(result, search) if shown and search.curves else None,
        more_labels=_more_labels(result, search) if shown and search.more_labels else None,
        withheld="" if shown else _WITHHELD,
        crossovers=_crossovers(result, search) if shown else (),
        target=_target(result, search.target) if shown and search.target else "",
    )


def budget(search: Searched) -> str | None:
    """What was asked for, in its unit; None without a limit."""
    return _amount(search, search.budget.amount)


def _spending(result: Result, search: Searched) -> str:
    """Where the budget went; one of wall clock pays for more than trials."""
    spent = search.budget.spent
    if not spent:
        return ""
    if search.budget.unit == "trials":
        return f"{spent:,.0f} made"
    told = f"{_amount(search, spent)} spent on trials"
    rest = (result.seconds or 0.0) - spent
    if search.budget.unit != "seconds" or rest <= 0:
        return told
    return f"{told}, {wording.duration(rest)} on loading, scoring and the report"


def _amount(search: Searched, value: float | None) -> str | None:
    """A part of the budget in its unit."""
    if value is None:
        return None
    if search.budget.unit == "seconds":
        return wording.duration(value)
    if search.budget.unit == "flops":
        return wording.operations(value)
    return f"{value:,.0f} trial{'' if value == 1 else 's'}"


def _said(search: Searched) -> str:
    count = len(search.history)
    spent, amount = search.budget.spent, search.budget.amount
    used = ""
    if spent is not None and amount:
        used = f", which took {wording.percent(spent / amount, 0)} of the budget,"
    why = _ENDINGS.get(search.ended, search.ended or "of a reason that was not recorded")
    trials = f"{count} trial{'' if count == 1 else 's'}"
    return wording.sentence(f"the search made {trials}{used} and ended because {why}")


def _unscored(result: Result) -> str:
    names = [name_of(result, one.strategy) for one in result.strategies if one.test_mean is None]
    if not names:
        return ""
    return wording.sentence(
        f"without a test score: {wording.listed(names)}. A search trains on all examples only what "
        "may win, so a strategy without a score was not shown to be worse by the test set, only "
        "less promising on validation examples"
    )


def _facts(result: Result, search: Searched) -> tuple[Fact, ...]:
    found = [
        Fact("Budget", budget(search) or "no limit", _spending(result, search)),
        Fact("Tolerance", _points(search.tolerance) or "not recorded", "of expected loss"),
        Fact("Dropped", wording.listed([name_of(result, one) for one in search.dropped]) or "none"),
    ]
    if search.validated and search.expected_loss is not None:
        note = "that the best setting is expected to lead the winner by"
        found.append(Fact("Expected loss", _points(search.expected_loss) or "", note))
    if search.validated and search.predicted and search.predicted.score is not None:
        one = search.predicted
        note = _interval(result, search, one.interval)
        found.append(Fact("Predicted score", wording.score(result.metric, one.score or 0.0), note))
    return tuple(found)


def _points(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f} points"


def _interval(result: Result, search: Searched, ends: tuple[float, float] | None) -> str:
    if ends is None:
        return ""
    return f"{_level(search)} interval {wording.score_range(result.metric, *ends)}"


def _level(search: Searched) -> str:
    return "" if search.level is None else wording.percent(search.level, 0)


def _strategies(result: Result, search: Searched) -> Table:
    rows = []
    for one in result.strategies:
        tried = [step for step in search.history if step.strategy == one.strategy]
        scores = [step.score for step in tried if step.score is not None]
        chance = search.p_best.get(one.strategy) if search.validated else None
        rows.append(
            Row(
                (
                    Cell(
                        name_of(result, one.strategy),
                        badge="dropped" if one.strategy in search.dropped else "",
                    ),
                    Cell(str(len(tried))),
                    Cell(_amount(search, sum(step.cost or 0.0 for step in tried))),
                    Cell(wording.known(_count, _most(tried))),
                    Cell(wording.score(result.metric, max(scores)) if scores else None),
                    Cell(wording.known(lambda p: wording.percent(p, 0), chance)),
                ),
                "winner" if one.strategy == result.winner else "",
            )
        )
    columns = [
        Column("Trials"), Column("Spent"), Column("Largest size"), Column("Best validation score"),
        Column("Chance of being best"),
    ]  # fmt: skip
    return table("What each strategy got", "Strategy", columns, rows, [])


def _most(tried: list[Tried]) -> float | None:
    return max((step.examples for step in tried if step.examples is not None), default=None)


def _count(examples: float) -> str:
    return f"{examples:,.0f}"


def _history(result: Result, search: Searched) -> Table:
    sums = accumulate(step.cost or 0.0 for step in search.history)
    rows = [
        Row(
            (
                Cell(str(place)),
                Cell(name_of(result, step.strategy), badge="failed" if step.score is None else ""),
                Cell(json.dumps(dict(step.settings), sort_keys=True, default=str)),
                Cell(wording.known(_count, step.examples)),
                Cell(wording.known(lambda share: wording.percent(share, 0), step.passes)),
                Cell(wording.known(lambda score: wording.score(result.metric, score), step.score)),
                Cell(_amount(search, spent)),
            )
        )
        for place, (step, spent) in enumerate(zip(search.history, sums, strict=True), start=1)
    ]
    columns = [
        Column("Strategy", numeric=False), Column("Setting", numeric=False), Column("Examples"),
        Column("Passes"), Column("Validation score"), Column("Spent so far"),
    ]  # fmt: skip
    notes = ["Passes: share of the setting's epochs or demonstrations."]
    return table("Trials in the order in which they were made", "Trial", columns, rows, notes)


def _bands(result: Result, search: Searched) -> tuple[Band, ...]:
    found = []
    for strategy in dict.fromkeys(one.strategy for one in search.curves):
        predicted = [
            (one.examples, one.interval[0], one.score, one.interval[1])
            for one in search.curves
            if one.strategy == strategy
            and one.examples
            and one.score is not None
            and one.interval is not None
        ]
        seen = [
            (step.examples, step.score)
            for step in search.history
            if step.strategy == strategy and step.examples and step.score is not None
        ]
        full = result.question.examples or max((n for n, *_ in predicted), default=1.0)
        if len(predicted) > 1:
            name = name_of(result, strategy)
            found.append(Band(name, tuple(sorted(predicted)), tuple(seen), full))
    return tuple(found)


def _foreseen(result: Result, search: Searched) -> Table:
    rows = [
        Row(
            (
                Cell(name_of(result, one.strategy)),
                Cell(wording.known(_count, one.examples)),
                Cell(wording.known(lambda score: wording.score(result.metric, score), one.score)),
                Cell(one.interval and wording.score_range(result.metric, *one.interval)),
            )
        )
        for one in search.curves
    ]
    columns = [Column("Examples"), Column("Score"), Column(f"{_level(search)} interval")]
    return table("Predicted scores of each strategy's best setting", "Strategy", columns, rows, [])


def _more_labels(result: Result, search: Searched) -> Table:
    rows = [
        Row(
            (
                Cell(wording.known(_count, one.examples)),
                Cell(wording.known(lambda score: wording.score(result.metric, score), one.score)),
                Cell(one.interval and wording.score_range(result.metric, *one.interval)),
                Cell(wording.known(lambda p: wording.percent(p, 0), one.reaches_target)),
            )
        )
        for one in search.more_labels
    ]
    columns = [Column("Score"), Column(f"{_level(search)} interval"), Column("Reaches the target")]
    return table("What more labels would bring the winner", "Examples", columns, rows, [])


def _crossovers(result: Result, search: Searched) -> tuple[str, ...]:
    found = tuple(_crossing(result, search, one) for one in search.crossovers)
    return found or (
        "No strategy is as likely as not to overtake another within four times the examples.",
    )


def _crossing(result: Result, search: Searched, one: Crossing) -> str:
    where = "" if one.examples is None else f" at about {_count(one.examples)} examples"
    ends = ""
    if one.interval is not None:
        ends = f", {_level(search)} interval {_count(one.interval[0])} to {_count(one.interval[1])}"
    chance = "" if one.probability is None else f", if they cross ({one.probability:.0%} likely)"
    beyond = "" if one.measured else "; that is outside the sizes that were measured"
    after, before = name_of(result, one.after), name_of(result, one.before)
    return wording.sentence(f"{after} overtakes {before}{where}{ends}{chance}{beyond}")


def _target(result: Result, reach: Reach) -> str:
    wanted = "the target" if reach.score is None else wording.score(result.metric, reach.score)
    if reach.strategy is None or reach.examples is None:
        looked = (
            "" if reach.looked_up_to is None else f" up to {_count(reach.looked_up_to)} examples"
        )
        return wording.sentence(f"no strategy is as likely as not to reach {wanted}{looked}")
    name = name_of(result, reach.strategy)
    return wording.sentence(
        f"{name} is as likely as not to reach {wanted} from {_count(reach.examples)} examples on"
    )

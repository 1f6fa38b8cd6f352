"""What lies behind the scores: classes, learning curves, and how good the cost estimates were."""

from __future__ import annotations

from harness.report import wording
from harness.report.names import name_of
from harness.report.parts import Block, Cell, Column, Curve, Row, table
from harness.report.result import Estimate, Result, StrategyResult
from harness.report.tables import measured, metric_text, strategy_row
from harness.report.wording import duration, known, size


def recalls(result: Result) -> Block | None:
    """The share of each class's test examples that each strategy found."""
    found = [one for one in measured(result) if one.per_class]
    if not found:
        return None
    labels = dict.fromkeys(
        [*result.question.data.label_names, *(label for one in found for label in one.per_class)]
    )
    rows = [Row((Cell(label), *(Cell(_recall(one, label)) for one in found))) for label in labels]
    columns = [Column(name_of(result, one.strategy)) for one in found]
    label, recall = min(found[0].per_class.items(), key=lambda item: item[1])
    said = (
        f"{name_of(result, found[0].strategy)} finds {wording.percent(recall)} of “{label}”, "
        "the class it misses most"
    )
    listing = table("Recall per class on the test set", "Class", columns, rows, [])
    return Block(wording.sentence(said), listing)


def _recall(one: StrategyResult, label: str) -> str | None:
    return metric_text("recall", one.per_class.get(label))


def curves(result: Result) -> tuple[Curve, ...]:
    """Learning curves of the strategies whose validation loss was read more than once."""
    found = []
    for one in measured(result):
        validation = [(point.step, point.validation_loss) for point in one.curve]
        train = [(point.step, point.train_loss) for point in one.curve]
        found.append(Curve(name_of(result, one.strategy), _complete(validation), _complete(train)))
    return tuple(curve for curve in found if len(curve.validation) > 1)


def _complete(
    pairs: list[tuple[float | None, float | None]],
) -> tuple[tuple[float, float], ...]:
    return tuple(sorted((x, y) for x, y in pairs if x is not None and y is not None))


def losses(result: Result) -> Block | None:
    """The numbers of the learning curves; None if there are none."""
    drawn = curves(result)
    if not drawn:
        return None
    rows = [row for curve in drawn for row in _loss_rows(curve)]
    columns = [Column("Step"), Column("Training loss"), Column("Validation loss")]
    listing = table("Losses at each evaluation", "Strategy", columns, rows, [])
    return Block(_curves_said(result, drawn), listing)


def _loss_rows(curve: Curve) -> list[Row]:
    train, validation = dict(curve.train), dict(curve.validation)
    return [
        Row(
            (
                Cell(curve.label),
                Cell(f"{step:,.0f}"),
                Cell(known("{:.3f}".format, train.get(step))),
                Cell(known("{:.3f}".format, validation.get(step))),
            )
        )
        for step in sorted({*train, *validation})
    ]


def _curves_said(result: Result, drawn: tuple[Curve, ...]) -> str:
    falling = [
        name_of(result, one.strategy) for one in result.strategies if one.status == "underfit"
    ]
    if falling:
        return wording.sentence(
            f"validation loss was still falling at the end for {wording.listed(falling)}: "
            "longer training may help"
        )
    lows = [f"{curve.label} {min(loss for _, loss in curve.validation):.3f}" for curve in drawn]
    return wording.sentence(f"lowest validation loss: {', '.join(lows)}")


def estimates(result: Result) -> Block | None:
    """What the cost model expected beside what was measured; None where it said nothing."""
    found = [one for one in measured(result) if one.estimate != Estimate()]
    if not found:
        return None
    columns = [
        Column("Least time, estimated"),
        Column("Time, measured"),
        Column("Time, ratio"),
        Column("Memory, estimated"),
        Column("Memory, measured"),
        Column("Memory, ratio"),
    ]
    rows = [_estimate_row(result, one) for one in found]
    notes = [
        "A ratio is measured over estimated.",
        "The time was estimated for the minimum of trials; more are made while time is left.",
    ]
    listing = table("Estimated and measured cost", "Strategy", columns, rows, notes)
    return Block(_estimates_said(found), listing)


def _estimate_row(result: Result, one: StrategyResult) -> Row:
    return strategy_row(
        result,
        one,
        [
            known(duration, one.estimate.seconds),
            known(duration, one.seconds),
            known(wording.times, _time_ratio(one)),
            known(size, one.estimate.peak_memory_bytes),
            known(size, one.peak_memory_bytes),
            known(wording.times, _memory_ratio(one)),
        ],
    )


def _time_ratio(one: StrategyResult) -> float | None:
    return _ratio(one.seconds, one.estimate.seconds)


def _memory_ratio(one: StrategyResult) -> float | None:
    return _ratio(one.peak_memory_bytes, one.estimate.peak_memory_bytes)


def _ratio(got: float | None, expected: float | None) -> float | None:
    return got / expected if got is not None and expected else None


def _estimates_said(found: list[StrategyResult]) -> str:
    said = [
        f"{what} is {_span(ratios)} the estimate"
        for what, ratios in (
            ("measured time", [ratio for ratio in map(_time_ratio, found) if ratio is not None]),
            ("peak memory", [ratio for ratio in map(_memory_ratio, found) if ratio is not None]),
        )
        if ratios
    ]
    return wording.sentence(wording.listed(said))


def _span(ratios: list[float]) -> str:
    low, high = wording.times(min(ratios)), wording.times(max(ratios))
    return low if low == high else f"{low} to {high}"

"""How good each strategy is and what it costs, as tables."""

from __future__ import annotations

from harness.report import wording
from harness.report.names import interval_name, name_of
from harness.report.parts import Cell, Column, Row, Table, table
from harness.report.result import Result, Score, StrategyResult
from harness.report.wording import duration, known, many, size

QUIET = {"done"}
"""Statuses that need no badge."""


def ordered(result: Result) -> list[StrategyResult]:
    """Strategies as they are listed: winner, then by test score, then those without one."""

    def place(one: StrategyResult) -> tuple[bool, bool, float]:
        return (one.test_mean is None, one.strategy != result.winner, -(one.test_mean or 0.0))

    return sorted(result.strategies, key=place)


def measured(result: Result) -> list[StrategyResult]:
    return [one for one in ordered(result) if one.test_mean is not None]


def quality(result: Result) -> Table:
    """How good each strategy and baseline is on data none of them was trained on."""
    metric = wording.metric_name(result.metric)
    others = _other_metrics(result)
    columns = [
        Column(f"Test {metric}"),
        Column(wording.capital(interval_name(result))),
        Column("Spread over seeds"),
        Column("Validation"),
        Column("Shifted test"),
        *(Column(wording.metric_name(name)) for name in others),
    ]
    rows = [_quality_row(result, one, others) for one in ordered(result)]
    rows += [_baseline_row(result, name, others) for name in result.baselines]
    notes = [
        "Spread is the standard deviation over seeds. Validation chose the hyperparameters; the "
        "test set chose nothing."
    ]
    return table("Quality of each strategy and baseline", "Strategy", columns, rows, notes)


def _other_metrics(result: Result) -> list[str]:
    found = {name for one in result.strategies for name in one.metrics}
    found = {name for name in found if not name.endswith("_calibrated")}  # beside the score
    found |= {name for values in result.baselines.values() for name in values}
    first = [name for name in ("accuracy", "macro_f1", "log_loss", "ece") if name in found]
    return [name for name in (*first, *sorted(found - set(first))) if name != result.metric]


def _quality_row(result: Result, one: StrategyResult, others: list[str]) -> Row:
    if one.test is None or one.test.mean is None:
        return _unmeasured(result, one)
    interval, std = one.test.interval, one.test.std
    values = [
        wording.score(result.metric, one.test.mean),
        wording.score_range(result.metric, *interval) if interval else None,
        _spread(result, std, one.test.n_seeds),
        _mean(result, one.validation),
        _mean(result, one.ood),
        *(metric_text(name, one.metrics.get(name)) for name in others),
    ]
    return strategy_row(result, one, values)


def _baseline_row(result: Result, name: str, others: list[str]) -> Row:
    scores = result.baselines[name]
    values = [
        metric_text(result.metric, scores.get(result.metric)),
        *[None] * 4,
        *(metric_text(other, scores.get(other)) for other in others),
    ]
    return Row((_baseline_heading(name), *map(Cell, values)), kind="baseline")


def _baseline_heading(name: str) -> Cell:
    return Cell(f"{wording.baseline_name(name)} (baseline)")


def costs(result: Result) -> Table:
    """What each strategy took to train and takes to keep and to serve."""
    columns = [
        Column("Time"),
        Column("Time shared"),
        Column("Trials"),
        Column("Trained parameters"),
        Column("Peak memory"),
        Column("Size on disk"),
        Column("Time per example"),
    ]
    rows = [_cost_row(result, one) for one in measured(result)]
    notes = [
        "Time covers tuning, the final seeds and scoring.",
        "Work done once for several strategies, such as feature extraction, is charged to each.",
        "Time per example is that of prediction in batches.",
    ]
    return table("Cost of each strategy", "Strategy", columns, rows, notes)


def _cost_row(result: Result, one: StrategyResult) -> Row:
    return strategy_row(
        result,
        one,
        [
            known(duration, one.seconds),
            known(duration, one.charged_seconds),
            trials(one),
            known(many, one.trained_parameters),
            known(size, one.peak_memory_bytes),
            known(size, one.artefact_bytes),
            known(wording.milliseconds, one.latency_ms),
        ],
    )


def beside(result: Result) -> Table | None:
    """What was measured beside the score; None where nothing was."""
    columns = [
        Column("One query"),
        Column("Work per query"),
        Column("Work of training"),
        Column("Calibration error"),
        Column("after temperature"),
        Column("Features kept"),
        Column("Text loss before"),
        Column("and after"),
    ]
    rows = [_beside_row(result, one) for one in measured(result)]
    if not any(one.measures for one in measured(result)):
        return None
    notes = [
        "One query is the median of predictions one by one, nothing cached. Work is in "
        "floating-point operations, where torch computes it. Calibration error is the expected "
        "one on the test set, also with the temperature that validation chose. Features kept is "
        "the linear CKA between the original and the adapted model (1: unchanged). Text loss is "
        "in nats per token of test inputs; if it rises, the language model forgot.",
    ]
    return table("Beside the score", "Strategy", columns, rows, notes)


def _beside_row(result: Result, one: StrategyResult) -> Row:
    found = one.measures
    return strategy_row(
        result,
        one,
        [
            known(wording.milliseconds, found.get("latency_ms")),
            known(wording.operations, found.get("flops_per_query")),
            known(wording.operations, one.flops),
            metric_text("ece", one.metrics.get("ece")),
            metric_text("ece", one.metrics.get("ece_calibrated")),
            known(wording.two_digits, found.get("feature_similarity")),
            known(wording.two_digits, found.get("text_loss_before")),
            known(wording.two_digits, found.get("text_loss_after")),
        ],
    )


def overview(result: Result) -> Table:
    """Score beside cost in few columns, for where there is little room."""
    columns = [
        Column(wording.metric_name(result.metric)),
        Column(interval_name(result)),
        Column("shifted"),
        Column("time"),
        Column("trained"),
        Column("memory"),
    ]
    rows = [_overview_row(result, one) for one in ordered(result)]
    for name, scores in result.baselines.items():
        value = metric_text(result.metric, scores.get(result.metric))
        cells = (_baseline_heading(name), Cell(value), *[Cell("")] * 5)
        rows.append(Row(cells, kind="baseline"))
    return table("Scores and costs", "strategy", columns, rows, [])


def _overview_row(result: Result, one: StrategyResult) -> Row:
    if one.test is None or one.test.mean is None:
        return _unmeasured(result, one)
    interval = one.test.interval
    return strategy_row(
        result,
        one,
        [
            wording.score(result.metric, one.test.mean),
            wording.score_range(result.metric, *interval) if interval else None,
            _mean(result, one.ood),
            known(duration, one.seconds),
            known(many, one.trained_parameters),
            known(size, one.peak_memory_bytes),
        ],
    )


def trials(one: StrategyResult) -> str | None:
    """How many settings were tried, and how many of them failed."""
    if one.trials is None:
        return None
    failed = f" ({many(one.failed_trials)} failed)" if one.failed_trials else ""
    return many(one.trials) + failed


def strategy_row(result: Result, one: StrategyResult, values: list[str | None]) -> Row:
    """A row for a strategy that was measured; its values stand right of its name."""
    badge = "" if one.status in QUIET else one.status
    heading = Cell(name_of(result, one.strategy), badge=badge)
    kind = "winner" if one.strategy == result.winner else ""
    return Row((heading, *map(Cell, values)), kind=kind)


def _unmeasured(result: Result, one: StrategyResult) -> Row:
    heading = Cell(name_of(result, one.strategy), badge=one.status)
    remark = wording.sentence(one.reason or "No reason was recorded")
    return Row((heading,), kind="unmeasured", remark=remark)


def _mean(result: Result, found: Score | None) -> str | None:
    return metric_text(result.metric, found.mean if found else None)


def metric_text(name: str, value: float | None) -> str | None:
    """A value of a metric in words, or None where there is none."""
    return None if value is None else wording.score(name, value)


def _spread(result: Result, std: float | None, seeds: int | None) -> str | None:
    if std is None or seeds == 1:
        return None
    width = f"± {wording.gap(result.metric, std).split()[0]}"
    return f"{width} ({seeds} seeds)" if seeds else width


def settings(result: Result) -> Table | None:
    """The hyperparameters each strategy was scored with."""
    rows = []
    for one in measured(result):
        values = {**one.hyperparameters, **one.chosen}
        said = ", ".join(f"{name} = {_setting(value)}" for name, value in values.items())
        rows.append(strategy_row(result, one, [said or None]))
    filled = any(row.cells[1].text for row in rows)
    columns = [Column("Settings", numeric=False)]
    caption = "Hyperparameters that validation chose"
    return table(caption, "Strategy", columns, rows, []) if filled else None


def _setting(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_setting, value)) + "]"
    return str(value)

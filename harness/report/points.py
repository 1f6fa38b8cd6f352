"""Strategies and baselines as points of the charts, and what the charts show in one sentence."""

from __future__ import annotations

from harness.report import wording
from harness.report.names import name_of
from harness.report.parts import Point
from harness.report.result import Result
from harness.report.tables import measured

BASELINE = " (baseline)"


def points(result: Result) -> tuple[Point, ...]:
    """Strategies and baselines with their scores and costs, in the order of the table."""
    strategies = [
        Point(
            name_of(result, one.strategy),
            "winner" if one.strategy == result.winner else "strategy",
            one.test.mean,
            one.test.interval,
            one.ood.mean if one.ood else None,
            one.seconds if one.seconds else None,
        )
        for one in measured(result)
        if one.test is not None and one.test.mean is not None
    ]
    baselines = [
        Point(f"{wording.baseline_name(name)}{BASELINE}", "baseline", scores[result.metric])
        for name, scores in result.baselines.items()
        if result.metric in scores
    ]
    return (*strategies, *baselines)


def scores_said(result: Result) -> str:
    """The sentence above the chart of scores."""
    drawn = points(result)
    baselines = [point for point in drawn if point.kind == "baseline"]
    scored = [point for point in drawn if point.kind != "baseline"]
    many = f"{len(scored)} measured strateg{'y' if len(scored) == 1 else 'ies'}"
    if not baselines:
        return f"Test scores of {many}."
    floor = max(baselines, key=lambda point: point.score)
    above = sum(point.score > floor.score for point in scored)
    return wording.sentence(
        f"{above} of {many} score{'s' if above == 1 else ''} above the best baseline, "
        f"{floor.label.removesuffix(BASELINE)} with {wording.score(result.metric, floor.score)}"
    )


def costs_said(result: Result) -> str:
    """The sentence above the chart of score against cost."""
    spent = [one for one in measured(result) if one.seconds]
    if len(spent) < 2:
        return "How long each strategy took, with its test score."
    cheap = min(spent, key=lambda one: one.seconds or 0.0)
    dear = max(spent, key=lambda one: one.seconds or 0.0)
    ratio = wording.times((dear.seconds or 0.0) / (cheap.seconds or 1.0))
    change = (dear.test_mean or 0.0) - (cheap.test_mean or 0.0)
    compared = f"{wording.gap(result.metric, change)} {'more' if change > 0 else 'less'}"
    return wording.sentence(
        f"{name_of(result, dear.strategy)} took {ratio} as long as {name_of(result, cheap.strategy)} "
        f"and scores {compared if change else 'the same'}"
    )

"""What to keep in mind while reading the verdict."""

from __future__ import annotations

from harness.report import wording
from harness.report.names import name_of
from harness.report.result import Result, StrategyResult

NEEDS = {
    "underfunded": "it did not get its minimum number of trials",
    "underfit": "the validation loss was still falling when training ended",
}
"""Statuses of strategies that could do better with more time, and what they mean."""

ENDED = {"failed": "failed", "stopped": "was stopped"}
"""Statuses of strategies that were not finished, as verbs."""


def cautions(result: Result, best: StrategyResult) -> list[str]:
    """What limits the conclusion that a strategy is best, one sentence each."""
    return [
        caution
        for caution in (
            _beaten_by_baseline(result, best),
            _beaten_on_test(result, best),
            *_short_changed(result),
            *_broken(result),
            _few_seeds(best),
            _unfair(result),
            _data_warnings(result),
        )
        if caution
    ]


def _beaten_by_baseline(result: Result, best: StrategyResult) -> str:
    scores = {
        name: values[result.metric]
        for name, values in result.baselines.items()
        if result.metric in values
    }
    if not scores:
        return ""
    name = max(scores, key=lambda one: scores[one])
    if scores[name] < (best.test_mean or 0.0):
        return ""
    return (
        f"The {wording.baseline_name(name)} baseline, which uses no pretrained model, is at least "
        f"as good: {wording.score(result.metric, scores[name])}."
    )


def _beaten_on_test(result: Result, best: StrategyResult) -> str:
    """Strategies other than the runner-up that score higher; the headline speaks of that one."""
    higher = [
        f"{name_of(result, one.strategy)} ({wording.score(result.metric, one.test_mean)})"
        for one in result.strategies
        if one.test_mean is not None
        and one.test_mean > (best.test_mean or 0.0)
        and one.strategy != result.runner_up
    ]
    if not higher:
        return ""
    verb = "scores" if len(higher) == 1 else "score"
    return wording.sentence(
        f"{wording.listed(higher)} {verb} higher on the test set; validation examples, not the "
        "test set, choose the winner"
    )


def _short_changed(result: Result) -> list[str]:
    """The strategies that would have needed more time, those with one reason together."""
    alike: dict[tuple[str, str], list[str]] = {}
    for one in result.strategies:
        if one.status in NEEDS:
            reason = one.reason or NEEDS[one.status]
            alike.setdefault((one.status, reason), []).append(name_of(result, one.strategy))
    return [
        wording.sentence(
            f"{wording.listed(names)} {'is' if len(names) == 1 else 'are'} {status} ({reason}), "
            "so a larger budget could change the order"
        )
        for (status, reason), names in alike.items()
    ]


def _broken(result: Result) -> list[str]:
    """Strategies that did not end well but have a score from what did."""
    return [
        wording.sentence(
            f"{name_of(result, one.strategy)} {verb} ({one.reason or 'no reason was recorded'}); "
            "its scores are of the seeds that were finished"
        )
        for one in result.strategies
        if (verb := ENDED.get(one.status)) and one.test_mean is not None
    ]


def _few_seeds(best: StrategyResult) -> str:
    if best.test is None or best.test.n_seeds != 1:
        return ""
    return "Scores come from a single seed: the spread between seeds is unknown."


def _unfair(result: Result) -> str:
    if result.protocol in (None, "fair"):
        return ""
    return (
        f"The protocol was {result.protocol!r}: it looks for a winner cheaply and "
        "does not compare the strategies on equal terms."
    )


def _data_warnings(result: Result) -> str:
    count = sum(finding.level == "warning" for finding in result.question.data.findings)
    if not count:
        return ""
    return f"The data check has {count} warning{'s' if count > 1 else ''}; see “Data findings”."

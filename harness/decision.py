"""Which strategy won, and how sure that is. Validation selects; the test set only reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.comparison import Interval, interval, paired_difference, win_rate
from harness.records import RunRecord
from harness.trial import compared_answers, read_predictions
from harness.tuning import StrategyOutcome

_INELIGIBLE = ("failed", "refused", "stopped")
_CLEARLY = (
    1.5  # times: under a time limit a fit takes what it is given, smaller factors say nothing
)


@dataclass(frozen=True)
class Decision:
    """The answer of a run.

    Attributes:
        winner: None if no strategy was scored.
        reason: One sentence.
        runner_up: Next best on validation; None if there was no second.
        difference: Test score of the winner minus the runner-up's.
        win_rate: Share of resamples of the test set and the seeds in which the winner leads.
        tied: Strategies whose validation scores cannot be told from the best one's.
    """

    winner: str | None
    reason: str
    runner_up: str | None = None
    difference: Interval | None = None
    win_rate: float | None = None
    tied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """Given and right answers of one split, as metrics compare them.

    Attributes:
        predicted: Strategy -> answers, shape (seeds, n, …).
        targets: Shape (n, …).
    """

    predicted: dict[str, np.ndarray]
    targets: np.ndarray


def decide(
    outcomes: Sequence[StrategyOutcome], names: Mapping[str, str], *, folder: Path, metric: str
) -> Decision:
    """Choose by validation; ties go to the strategy that cost less.

    Scores on fresh seeds choose where there are any: on seed 0 the setting itself was chosen by
    validation, and the more settings a strategy tried, the more that flatters it.

    Args:
        names: Strategy -> what people call it.
    """
    running = {
        one.strategy: one.scored for one in outcomes if one.scored and one.status not in _INELIGIBLE
    }
    if not running:
        return Decision(None, "No strategy could be scored.")
    if len(running) == 1:
        only = next(iter(running))
        return Decision(only, f"{names[only]} is the only strategy that was scored.", win_rate=1.0)
    seeds = _selecting_seeds(list(running.values()))
    if not all(_validates(finals, seeds) for finals in running.values()):
        tied = order = tuple(running)
        winner = _cheapest(running, tied)
        reason = f"There were no validation examples to choose by; {names[winner]} costs least."
    else:
        scores = {id: _validation_mean(finals, seeds, metric) for id, finals in running.items()}
        order = tuple(sorted(scores, key=lambda id: -scores[id]))
        rivals = [id for id in order[1:] if _is_tie(running[order[0]], running[id], folder, metric)]
        tied = (order[0], *rivals)
        winner = _cheapest(running, tied)
        reason = _reason(winner, order, tied, scores, metric, names)
    runner_up = next(id for id in order if id != winner)
    test = common_answers(running, folder, "test")
    return Decision(
        winner=winner,
        reason=reason,
        runner_up=runner_up,
        difference=paired_difference(
            test.predicted[winner], test.predicted[runner_up], test.targets, metric=metric
        ),
        win_rate=win_rate(test.predicted, test.targets, metric=metric)[winner],
        tied=tied,
    )


def score_interval(
    finals: Mapping[int, RunRecord], folder: Path, split: str, metric: str
) -> Interval | None:
    """Mean over seeds and its interval over seeds and examples; None where nothing was scored.

    Every seed validates on other rows: validation pools them and resamples rows alone.
    """
    if not any(split in record.happened.scores for record in finals.values()):
        return None
    if split == "validation":
        pooled = _pooled_validation({"it": finals}, tuple(finals), folder)
        return interval(pooled.predicted["it"], pooled.targets, metric=metric)
    answers = common_answers({"it": finals}, folder, split)
    return interval(answers.predicted["it"], answers.targets, metric=metric)


def common_answers(
    running: Mapping[str, Mapping[int, RunRecord]], folder: Path, split: str
) -> Answers:
    """What every strategy answered on the same rows, for the seeds they all have."""
    seeds = _common_seeds(list(running.values()))
    predicted, targets = {}, np.empty(0, dtype=np.int64)
    for id, finals in running.items():
        arrays = [read_predictions(folder, finals[seed]) for seed in seeds]
        predicted[id] = np.stack([compared_answers(one, split) for one in arrays])
        targets = arrays[0][f"{split}_targets"]
    return Answers(predicted, targets)


def _pooled_validation(
    running: Mapping[str, Mapping[int, RunRecord]], seeds: Sequence[int], folder: Path
) -> Answers:
    """Answers on the validation rows of all seeds, side by side: shape (1, n)."""
    predicted, targets = {}, np.empty(0, dtype=np.int64)
    for id, finals in running.items():
        arrays = [read_predictions(folder, finals[seed]) for seed in seeds]
        rows = [compared_answers(one, "validation") for one in arrays]
        predicted[id] = np.concatenate(rows)[None, :]
        targets = np.concatenate([one["validation_targets"] for one in arrays])
    return Answers(predicted, targets)


def _is_tie(
    best: Mapping[int, RunRecord], other: Mapping[int, RunRecord], folder: Path, metric: str
) -> bool:
    """Whether the interval of the paired difference, on the seeds both have, reaches 0."""
    seeds = _selecting_seeds([best, other])
    pooled = _pooled_validation({"best": best, "other": other}, seeds, folder)
    ahead = paired_difference(
        pooled.predicted["best"], pooled.predicted["other"], pooled.targets, metric=metric
    )
    return ahead.low <= 0


def _cheapest(running: Mapping[str, Mapping[int, RunRecord]], among: Sequence[str]) -> str:
    """The first of these unless another is clearly cheaper.

    Clearly cheaper means less time by a factor of 1.5; of those about as quick as the quickest,
    fewer trained parameters by that factor.

    Args:
        among: Best validation score first.
    """
    seconds = {id: _cost(running[id]) for id in among}
    quick = [id for id in among if seconds[id] <= _CLEARLY * min(seconds.values())]
    fewest = min(_trained(running[id]) for id in quick)
    return next(id for id in quick if _trained(running[id]) <= _CLEARLY * fewest)


def _reason(
    winner: str,
    order: Sequence[str],
    tied: Sequence[str],
    scores: Mapping[str, float],
    metric: str,
    names: Mapping[str, str],
) -> str:
    metric = metric.replace("_", " ")
    best = order[0]
    if len(tied) == 1:
        return (
            f"{names[winner]} has the highest validation {metric} ({scores[winner]:.3f}), "
            f"ahead of {names[order[1]]} ({scores[order[1]]:.3f}) by more than chance explains."
        )
    if winner == best:
        others = " and ".join(names[id] for id in tied if id != best)
        verb = "is" if len(tied) == 2 else "are"
        return (
            f"{names[winner]} has the highest validation {metric} ({scores[winner]:.3f}); it cannot "
            f"be told from {others}, which {verb} not clearly cheaper."
        )
    return (
        f"{names[winner]} ({scores[winner]:.3f} validation {metric}) cannot be told from "
        f"{names[best]} ({scores[best]:.3f}) and costs less: a tie goes to the cheaper one."
    )


def _common_seeds(finals: Sequence[Mapping[int, RunRecord]]) -> tuple[int, ...]:
    return tuple(sorted(set.intersection(*(set(one) for one in finals))))


def _selecting_seeds(finals: Sequence[Mapping[int, RunRecord]]) -> tuple[int, ...]:
    common = _common_seeds(finals)
    return tuple(seed for seed in common if seed > 0) or common


def _validation_mean(finals: Mapping[int, RunRecord], seeds: Sequence[int], metric: str) -> float:
    return float(np.mean([finals[seed].happened.scores["validation"][metric] for seed in seeds]))


def _validates(finals: Mapping[int, RunRecord], seeds: Sequence[int]) -> bool:
    return all("validation" in finals[seed].happened.scores for seed in seeds)


def _trained(finals: Mapping[int, RunRecord]) -> int:
    return max(record.happened.trained_parameters or 0 for record in finals.values())


def _cost(finals: Mapping[int, RunRecord]) -> float:
    """Mean seconds of fitting and scoring once, shared extraction included."""
    return float(np.mean([record.happened.seconds for record in finals.values()]))

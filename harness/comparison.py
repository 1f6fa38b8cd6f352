"""How sure a comparison is: bootstrap over seeds and test examples.

Scores of finished strategies vary for two reasons: which training examples and initialization a
seed drew, and which examples happen to be in the test set. Each resample draws both with
replacement (Efron and Tibshirani 1993). Test examples are drawn once per resample for all
strategies, since all answered the same ones; so are seeds, among strategies with as many seeds
(row i of each must then be the same seed). With a single seed the spread between seeds is
unknown, and intervals are over examples alone and therefore too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from advisor.errors import UnknownName
from harness.metrics import METRICS

RESAMPLES = 2000
_ENTRIES = 4_000_000  # of the resampling matrix that are held in memory at once


@dataclass(frozen=True)
class Interval:
    """An estimate with its percentile interval.

    Attributes:
        mean: On the data as they are, averaged over seeds.
        low: Lower and high: upper end.
        level: Share of resamples inside.
    """

    mean: float
    low: float
    high: float
    level: float = 0.95


def bootstrap_scores(
    predictions: Mapping[str, np.ndarray],
    targets: np.ndarray,
    *,
    metric: str = "accuracy",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Each strategy's score, averaged over the drawn seeds, in every resample.

    Args:
        predictions: Strategy -> answers, shape (seeds, n_test) or (seeds, n_test, d): class
            indices, numbers or texts, as the metric wants them.
        targets: The right ones, shape (n_test,) or (n_test, d).

    Returns:
        Strategy -> float64, shape (resamples,); paired across strategies.

    Raises:
        UnknownName: For an unknown metric.
        ValueError: If shapes do not fit.
    """
    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    for name, array in predictions.items():
        if array.shape[1:] != targets.shape or 0 in array.shape:
            raise ValueError(f"{name}: shape {array.shape} is not (seeds, {len(targets)})")
    statistics = {
        name: [METRICS[metric].statistics(row, targets) for row in array]
        for name, array in predictions.items()
    }
    rng = np.random.default_rng(seed)
    drawn_seeds = {
        count: _draws(rng, resamples, count) / count
        for count in sorted({len(array) for array in predictions.values()})
    }
    scores: dict[str, list[np.ndarray]] = {name: [] for name in predictions}
    block = max(1, _ENTRIES // len(targets))
    for start in range(0, resamples, block):
        weights = _draws(rng, min(block, resamples - start), len(targets))
        for name, rows in statistics.items():
            by_seed = np.stack([METRICS[metric].score(weights @ row) for row in rows], axis=1)
            shares = drawn_seeds[len(rows)][start : start + len(weights)]
            scores[name].append((by_seed * shares).sum(axis=1))
    return {name: np.concatenate(parts) for name, parts in scores.items()}


def interval(
    predictions: np.ndarray,
    targets: np.ndarray,
    *,
    metric: str = "accuracy",
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """A strategy's mean score over seeds and its interval; predictions as in `paired_difference`."""
    scores = bootstrap_scores(
        {"it": predictions}, targets, metric=metric, resamples=resamples, seed=seed
    )["it"]
    return _percentiles(_mean_score(predictions, targets, metric), scores, level)


def paired_difference(
    a: np.ndarray,
    b: np.ndarray,
    targets: np.ndarray,
    *,
    metric: str = "accuracy",
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Score of a minus score of b with its interval, on the same test examples.

    Args:
        a: Answers, shape (seeds, n_test, …); b likewise, perhaps of other seeds.
        targets: Shape (n_test, …).
    """
    scores = bootstrap_scores(
        {"a": a, "b": b}, targets, metric=metric, resamples=resamples, seed=seed
    )
    difference = _mean_score(a, targets, metric) - _mean_score(b, targets, metric)
    return _percentiles(difference, scores["a"] - scores["b"], level)


def win_rate(
    predictions: Mapping[str, np.ndarray],
    targets: np.ndarray,
    *,
    metric: str = "accuracy",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, float]:
    """Share of resamples in which each strategy leads; strategies that tie share the resample.

    Args:
        predictions: Strategy -> answers, shape (seeds, n_test, …).

    Returns:
        Strategy -> share in [0, 1]; they sum to 1.
    """
    scores = bootstrap_scores(predictions, targets, metric=metric, resamples=resamples, seed=seed)
    table = np.stack(list(scores.values()))
    leads = np.isclose(table, table.max(axis=0), rtol=0, atol=1e-12)
    return dict(zip(scores, (leads / leads.sum(axis=0)).mean(axis=1).tolist(), strict=True))


def _draws(rng: np.random.Generator, resamples: int, n: int) -> np.ndarray:
    """How often each of n items is drawn in each resample, float32, shape (resamples, n)."""
    drawn = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return (
        np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float32)
    )


def _mean_score(predictions: np.ndarray, targets: np.ndarray, metric: str) -> float:
    return float(np.mean([METRICS[metric](row, targets) for row in predictions]))


def _percentiles(estimate: float, scores: np.ndarray, level: float) -> Interval:
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), level)

"""How good choices and probabilities are: regret, log loss, calibration, coverage, compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.fit.cases import TIE, Case, surprise
from harness.fit.observations import Array
from harness.fit.predict import Prediction

RESAMPLES = 4000
LEVEL = 0.9


def regrets(cases: Sequence[Case], picks: Sequence[int], over: str = "max") -> Array:
    """Points by which each pick trails the best measured strategy, shape (cases,)."""
    return np.array(
        [
            case.measured(over).max() - case.measured(over)[pick]
            for case, pick in zip(cases, picks, strict=True)
        ]
    )


def groups_of(cases: Sequence[Case]) -> np.ndarray:
    return np.array([case.group for case in cases])


def balanced(values: Array, groups: np.ndarray) -> float:
    """Mean of the means of the groups."""
    return float(np.mean([values[groups == one].mean() for one in np.unique(groups)]))


def choice_scores(cases: Sequence[Case], picks: Sequence[int]) -> dict[str, float]:
    """Regret and top-1, plain and source-balanced, under the best and the median variant."""
    groups = groups_of(cases)
    best, median = regrets(cases, picks), regrets(cases, picks, "median")
    hit = (best <= TIE).astype(float)
    return {
        "regret": float(best.mean()),
        "regret_balanced": balanced(best, groups),
        "regret_median": float(median.mean()),
        "regret_median_balanced": balanced(median, groups),
        "top1": float(hit.mean()),
        "top1_balanced": balanced(hit, groups),
    }


def interval_of(values: Array, groups: np.ndarray, *, is_balanced: bool = False) -> list[float]:
    """90% interval of a mean over resampled sources.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    names = np.unique(groups)
    sums = np.array([values[groups == one].sum() for one in names])
    counts = np.array([(groups == one).sum() for one in names])
    drawn = np.random.default_rng(0).integers(len(names), size=(RESAMPLES, len(names)))
    if is_balanced:
        means = (sums / counts)[drawn].mean(axis=1)
    else:
        means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]


def difference(ours: Array, theirs: Array, groups: np.ndarray) -> dict[str, Any]:
    """Ours minus theirs, paired by case, plain and balanced, each with its interval."""
    gap = ours - theirs
    return {
        "plain": float(gap.mean()),
        "plain_interval": interval_of(gap, groups),
        "balanced": balanced(gap, groups),
        "balanced_interval": interval_of(gap, groups, is_balanced=True),
    }


def log_losses(cases: Sequence[Case], probabilities: Sequence[Array]) -> Array:
    return np.array([surprise(p, case) for case, p in zip(cases, probabilities, strict=True)])


def probability_scores(predicted: Sequence[Prediction], base: Sequence[Array]) -> dict[str, Any]:
    """Log loss and Brier score against guessing evenly and by base rate; reliability.

    Cases with one possible strategy are left out: there is nothing to say.

    Args:
        base: For each case, how often each strategy won in the other sources.
    """
    several = [
        (each, rate)
        for each, rate in zip(predicted, base, strict=True)
        if each.case.possible.sum() > 1
    ]
    cases = [each.case for each, _ in several]
    groups = groups_of(cases)
    p = [each.p for each, _ in several]
    even = [np.full(len(case.strategies), 1 / len(case.strategies)) for case in cases]
    ours, uniform, rate = (
        log_losses(cases, one) for one in (p, even, [rate for _, rate in several])
    )
    brier = np.array(
        [float(np.square(one - case.won).sum()) for one, case in zip(p, cases, strict=True)]
    )
    return {
        "log_loss": float(ours.mean()),
        "log_loss_balanced": balanced(ours, groups),
        "log_loss_uniform": float(uniform.mean()),
        "log_loss_base_rate": float(rate.mean()),
        "against_uniform": difference(ours, uniform, groups),
        "against_base_rate": difference(ours, rate, groups),
        "brier": float(brier.mean()),
        **reliability([each for each, _ in several]),
    }


def reliability(predicted: Sequence[Prediction], bins: int = 10) -> dict[str, Any]:
    """Expected calibration error of P(best) over all candidates, and its bins.

    Source: Naeini et al. 2015, Obtaining Well Calibrated Probabilities Using Bayesian Binning.
    """
    said = np.concatenate([each.p for each in predicted])
    came = np.concatenate([each.case.won for each in predicted])
    at = np.minimum((said * bins).astype(int), bins - 1)
    table = [
        {
            "from": one / bins,
            "to": (one + 1) / bins,
            "candidates": int((at == one).sum()),
            "said": float(said[at == one].mean()),
            "came": float(came[at == one].mean()),
        }
        for one in range(bins)
        if (at == one).any()
    ]
    error = sum(row["candidates"] * abs(row["said"] - row["came"]) for row in table) / len(said)
    return {"ece": float(error), "reliability": table}


def coverage(predicted: Sequence[Prediction]) -> dict[str, float]:
    """Share of 80% intervals, of what each other candidate scores beside the pick, that hold."""
    held, groups, widths = [], [], []
    for each in predicted:
        truth = each.case.best
        for i in range(len(truth)):
            if i != each.pick and each.case.possible[i]:
                centre, width = each.difference(i)
                held.append(abs(truth[i] - truth[each.pick] - centre) <= width)
                widths.append(2 * width)
                groups.append(each.case.group)
    return {
        "coverage": float(np.mean(held)),
        "coverage_balanced": balanced(np.array(held, float), np.array(groups)),
        "median_width": float(np.median(widths)),
    }


def cheapest(predicted: Sequence[Prediction], tolerance: float, *, even: bool = False) -> list[int]:
    """The candidate that takes least training among those expected within the tolerance.

    Args:
        even: Whether all that train by gradients train for as many epochs.
    """
    picks = []
    for each in predicted:
        behind = [-each.difference(i)[0] for i in range(len(each.mean))]
        within = [i for i, one in enumerate(behind) if one <= tolerance]
        picks.append(min(within, key=lambda i: (work_of(each.case, even)[i], behind[i])))
    return picks


_GRID = tuple(0.25 * one for one in range(41))
"""Tolerances in points among which one is chosen."""


def chosen_tolerance(
    predicted: Sequence[Prediction], allowed: Array, *, even: bool = False
) -> tuple[list[int], dict[str, float]]:
    """Picks of the cheapest within one tolerance, chosen without the source it is used for.

    For each source it is the tolerance that saves most compute in the cases of the other sources
    while their mean regret is no worse than that allowed in them.

    Args:
        allowed: Regret of the reference in each case, shape (cases,).

    Returns:
        Picks, and source group -> its tolerance.
    """
    cases = [each.case for each in predicted]
    groups = groups_of(cases)
    picks = {one: cheapest(predicted, one, even=even) for one in _GRID}
    lost = {one: regrets(cases, some) for one, some in picks.items()}
    saved = {one: shares_saved(cases, some, even=even) for one, some in picks.items()}
    chosen = {}
    for group in np.unique(groups):
        rest = groups != group
        fine = [one for one in _GRID if lost[one][rest].mean() <= allowed[rest].mean()]
        chosen[str(group)] = max(fine, key=lambda one: saved[one][rest].mean(), default=0.0)
    return [picks[chosen[str(group)]][at] for at, group in enumerate(groups)], chosen


def work_of(case: Case, even: bool) -> Array:
    return case.even_flops if even else case.flops


def compute_saved(
    cases: Sequence[Case], picks: Sequence[int], *, even: bool = False
) -> dict[str, float]:
    """Share of the training compute of always full fine-tuning that the picks do without.

    `mean` averages shares over cases; `total` compares sums, which the largest cases decide.
    """
    shares = shares_saved(cases, picks, even=even)
    full = np.array([case.full_flops for case in cases])
    return {"mean": float(shares.mean()), "total": float(shares @ full / full.sum())}


def shares_saved(cases: Sequence[Case], picks: Sequence[int], *, even: bool = False) -> Array:
    """Share of the training compute of full fine-tuning that each pick does without, shape (cases,)."""
    took = np.array([work_of(case, even)[pick] for case, pick in zip(cases, picks, strict=True)])
    return np.asarray(1 - took / np.array([case.full_flops for case in cases]))


_PRICES = tuple(float(one) for one in np.geomspace(1e-3, 10, 200))
"""Shares of the compute of full fine-tuning that one point is worth."""


def traded(
    cases: Sequence[Case], behind: Sequence[Array], price: float, *, even: bool = False
) -> list[int]:
    """Picks that weigh compute against points at one price for all cases, which saves most for the
    regret they have if `behind` is right (Lagrange).

    Args:
        behind: Points each candidate trails the best by, measured or expected, shape (k,) each.
        price: Share of the compute of full fine-tuning that one point is worth.
    """
    return [
        int(np.argmin(work_of(case, even) / case.full_flops + price * points))
        for case, points in zip(cases, behind, strict=True)
    ]


def most_saved(
    cases: Sequence[Case], behind: Sequence[Array], allowed: float, *, even: bool = False
) -> dict[str, Any]:
    """The price at which `traded` picks save most compute at a measured regret up to `allowed`."""
    found: dict[str, Any] = {"price": None, "saved": {"mean": 0.0, "total": 0.0}}
    for price in _PRICES:
        picks = traded(cases, behind, price, even=even)
        lost = regrets(cases, picks)
        saved = compute_saved(cases, picks, even=even)
        if lost.mean() <= allowed and saved["mean"] > found["saved"]["mean"]:
            found = {
                "price": price,
                "saved": saved,
                "regret": float(lost.mean()),
                "regret_balanced": balanced(lost, groups_of(cases)),
            }
    return found


def expected_losses(predicted: Sequence[Prediction]) -> list[Array]:
    """Points each candidate is expected to trail the pick by, shape (k,) for each case."""
    return [np.array([-each.difference(i)[0] for i in range(len(each.mean))]) for each in predicted]


def none_cheaper(cases: Sequence[Case], *, even: bool = False) -> float:
    """Share of the cases in which no measured strategy takes less compute than full fine-tuning."""
    least = np.array([work_of(case, even).min() / case.full_flops for case in cases])
    return float(np.mean(least >= 1 - TIE))


def seconds_beside(cases: Sequence[Case], strategy: str) -> list[float]:
    """Seconds of one fit of a strategy beside full fine-tuning, wherever our own runs have both."""
    found = set()
    for case in cases:
        took = {
            one.strategy: [row.seconds for row in one.rows if row.seconds]
            for one in case.one.context.observations
        }
        if took.get(strategy) and took.get("full_finetune"):
            found.add(float(np.mean(took[strategy]) / np.mean(took["full_finetune"])))
    return sorted(found)


def work_beside(cases: Sequence[Case], strategy: str) -> float | None:
    """Median work of training a strategy beside that of full fine-tuning, for equal epochs; None where
    it was not measured."""
    shares = [
        case.even_flops[case.strategies.index(strategy)] / case.full_flops
        for case in cases
        if strategy in case.strategies
    ]
    return float(np.median(shares)) if shares else None


def by_group(
    cases: Sequence[Case], values: Array, key: Callable[[Case], str]
) -> dict[str, dict[str, float]]:
    """Mean and number of cases per key."""
    keys = np.array([key(case) for case in cases])
    return {
        str(one): {"cases": int((keys == one).sum()), "mean": float(values[keys == one].mean())}
        for one in np.unique(keys)
    }

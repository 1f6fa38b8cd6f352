"""Averaging over what cannot be told beforehand: how far sizes of rules and of terms may move.

Choosing the best of a few candidates jumps: one source more or less, and another wins by a hair.
Averaging does not. The weights come from predicting sources that were left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.fit.cases import Case, surprise
from harness.fit.model import Hyper
from harness.fit.predict import Folds, Prediction, Setting, calibrated

START = Hyper()
GRID: dict[str, tuple[float, ...]] = {
    "freedom": (0.3, 0.6),
    "mechanism": (0.1, 0.3),
    "other": (0.05, 0.1),
}
"""What is tried beside the start, one at a time: from a half to one and a half."""
CANDIDATES = (START, *(START._replace(**{name: one}) for name in GRID for one in GRID[name]))


def tuned(folds: Folds, cases: Sequence[Case], without: frozenset[str] = frozenset()) -> Setting:
    """Candidates weighted by the log score on left-out groups, groups in `without` unseen.

    A source is one witness: its cases count by their mean.

    Source: Yao et al. 2018, Using Stacking to Average Bayesian Predictive Distributions (pseudo-BMA).
    """
    scores = [
        -total_surprise(folds.left_out(Setting(hyper), cases, without, in_points=False))
        for hyper in CANDIDATES
    ]
    weights = np.exp(np.array(scores) - max(scores))
    shares = [round(float(one), 6) for one in weights / weights.sum()]
    shares[0] += 1 - sum(shares)
    setting = Setting(START, averaged=tuple(zip(CANDIDATES, shares, strict=True)))
    return calibrated(setting, folds.left_out(setting, cases, without))


def total_surprise(predicted: Sequence[Prediction]) -> float:
    """Log loss of P(best), averaged over the cases of a source and added up over sources."""
    losses: dict[str, list[float]] = {}
    for each in predicted:
        losses.setdefault(each.case.group, []).append(surprise(each.p, each.case))
    return float(sum(np.mean(several) for several in losses.values()))

"""Choosing the few settings of the model by predicting sources that were left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.fit.cases import Case
from harness.fit.model import Hyper
from harness.fit.predict import Folds, Prediction, Setting, calibrated

START = Hyper()
GRID: dict[str, tuple[float, ...]] = {
    "freedom": (0.3, 0.4, 0.6),
    "mechanism": (0.1, 0.2, 0.3),
    "other": (0.05, 0.07, 0.1),
}
"""What is tried, one after the other; the others stay as stated."""
_WORTH = 0.05
"""How much the loss must fall for a change: less is what another draw of sources would undo."""


def tuned(folds: Folds, cases: Sequence[Case], without: frozenset[str] = frozenset()) -> Setting:
    """Setting with the lowest loss on left-out groups, groups in `without` unseen."""

    def loss(hyper: Hyper) -> float:
        return objective(folds.left_out(Setting(hyper), cases, without, in_points=False))

    hyper, least = START, loss(START)
    for name, values in GRID.items():
        for value in values:
            tried = hyper._replace(**{name: value})
            if tried != hyper and (found := loss(tried)) < least - _WORTH:
                hyper, least = tried, found
    setting = Setting(hyper)
    return calibrated(setting, folds.left_out(setting, cases, without))


def objective(predicted: Sequence[Prediction]) -> float:
    """Log loss of P(best) plus a fifth of the regret in points, plain and source-balanced added.

    The log loss alone would be blind to how much a wrong choice costs.
    """
    loss: dict[str, list[float]] = {}
    for each in predicted:
        truth = each.case.best
        surprise = -np.log(each.p[truth >= truth.max() - 1e-9].sum())
        regret = truth.max() - truth[each.pick]
        loss.setdefault(each.case.group, []).append(float(surprise + 0.2 * regret))
    plain = np.mean([one for several in loss.values() for one in several])
    balanced = np.mean([np.mean(several) for several in loss.values()])
    return float(plain + balanced)

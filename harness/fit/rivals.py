"""Simpler ways of choosing, for comparison. Each sees what the model sees: the other sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from advisor.scoring import stated_score
from advisor.traits import STRATEGIES
from harness.fit.cases import Case

Picks = list[int]
"""Index of the chosen strategy in each case."""
Rival = Callable[[Sequence[Case], Sequence[Case]], Picks]
"""(cases to learn from, cases to choose in) -> picks."""

_AMBITION = ("full_finetune", "soft_prompt", "linear_probe", "hard_prompt")
"""Where the wanted strategy was not measured, the next in this order is taken: what trains most."""
_TREES = 200


def always(strategy: str) -> Rival:
    """One strategy wherever it was measured, else what trains most."""
    order = (strategy, *_AMBITION)

    def choose(known: Sequence[Case], asked: Sequence[Case]) -> Picks:
        return [
            case.strategies.index(next(name for name in order if name in case.strategies))
            for case in asked
        ]

    return choose


def rules_alone(known: Sequence[Case], asked: Sequence[Case]) -> Picks:
    """The rules in their stated sizes, which no measurement has touched."""
    return [
        int(np.argmax([stated_score(case.one.situation, name) for name in case.strategies]))
        for case in asked
    ]


def majority(known: Sequence[Case], asked: Sequence[Case]) -> Picks:
    """The strategy that won the largest share of the cases in which it was measured."""
    won: Counter[str] = Counter(case.strategies[int(case.best.argmax())] for case in known)
    seen: Counter[str] = Counter(name for case in known for name in case.strategies)
    return [
        int(np.argmax([won[name] / max(seen[name], 1) for name in case.strategies]))
        for case in asked
    ]


def nearest(known: Sequence[Case], asked: Sequence[Case]) -> Picks:
    """Whatever won the nearest case that compared the same strategies."""
    return [_of_nearest(known, case) for case in asked]


def _of_nearest(known: Sequence[Case], case: Case) -> int:
    alike = [one for one in known if set(case.strategies) <= set(one.strategies)]
    if not alike:
        return always("full_finetune")((), [case])[0]
    one = min(alike, key=lambda one: float(np.square(one.degrees - case.degrees).sum()))
    scores = [one.best[one.strategies.index(name)] for name in case.strategies]
    return int(np.argmax(scores))


def forest(known: Sequence[Case], asked: Sequence[Case]) -> Picks:
    """A random forest on the same features: the degrees of the situation and the strategy.

    It predicts points above the mean of the case.

    Source: Breiman 2001, Random Forests.
    """
    from sklearn.ensemble import RandomForestRegressor

    trees = RandomForestRegressor(
        _TREES, min_samples_leaf=3, max_features=0.4, random_state=0, n_jobs=1
    )
    rows = np.vstack([_rows(case) for case in known])
    above = np.concatenate([case.best - case.best.mean() for case in known])
    trees.fit(rows, above)
    found = trees.predict(np.vstack([_rows(case) for case in asked]))
    ends = np.cumsum([len(case.strategies) for case in asked])
    return [int(part.argmax()) for part in np.split(found, ends[:-1])]


def _rows(case: Case) -> np.ndarray:
    names = [[float(name == one) for one in STRATEGIES] for name in case.strategies]
    same = np.tile(case.degrees, (len(case.strategies), 1))
    return np.hstack([names, same])


RIVALS: dict[str, Rival] = {
    "course rules alone": rules_alone,
    "always full fine-tuning": always("full_finetune"),
    "always linear probe": always("linear_probe"),
    "always soft prompting where possible": always("soft_prompt"),
    "majority winner": majority,
    "nearest neighbour": nearest,
    "random forest": forest,
}

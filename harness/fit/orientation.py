"""The same model judged on other countings of contexts.

`harness.evidence.contexts` lets a prompt with demonstrations join only numbers of labels that could
have paid for them. In `COUNTINGS` zero-shot and in-context scores join every number of labels of the
same model and data set, as what one gets without training; published rows alone. `with_unfinished`
judges our own runs by scores that ran out of time, too, which are no evidence of how good a
strategy is (docs/decisions/0009-unfinished-runs-are-no-evidence.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from advisor.traits import CORE
from harness.evidence.contexts import contexts
from harness.evidence.schema import Row
from harness.fit.cases import Case, cases
from harness.fit.observations import compared
from harness.fit.predict import Folds, Prediction, fit_level, fitted_to, predict
from harness.fit.scores import choice_scores, difference, groups_of, regrets
from harness.fit.validate import LeftOut, with_rivals

_DOUBTFUL = frozenset({"doubt", "secondary", "derived"})
COUNTINGS = {
    "every usable row": frozenset[str](),
    "without rows tagged as doubtful": _DOUBTFUL,
    "and without rows that compare heads with prompt patterns": _DOUBTFUL | {"head_vs_prompt"},
}
"""Which counting -> tags of the rows that are left out."""


def counted(rows: Iterable[Row], out: frozenset[str]) -> list[Case]:
    """Cases of published rows without those of some tags; every prompt joins every n."""
    some = [
        replace(row, n_train=0) if row.strategy == "hard_prompt" else row
        for row in rows
        if row.protocol == "published" and row.strategy in CORE and not out & set(row.tags)
    ]
    return cases(compared(contexts(some)))


def with_unfinished(rows: Iterable[Row]) -> list[Case]:
    """Cases of all rows, where what ran out of time stands for its strategy as it scored."""
    return cases(compared(contexts(as_scored(rows))))


def as_scored(rows: Iterable[Row]) -> list[Row]:
    """Usable rows, and those of ours that ran out of time, which count like the others."""
    return [
        replace(row, usable=True, weight=1.0) if ran_out(row) else row
        for row in rows
        if row.usable or ran_out(row)
    ]


def ran_out(row: Row) -> bool:
    """Whether a row of ours counts for nothing because its strategy ended unfinished."""
    return row.protocol == "fair" and not row.usable


def orientation(
    rows: Sequence[Row], asked: Sequence[Case], folds: Folds, left: LeftOut
) -> dict[str, Any]:
    """Choices under each counting, every source predicted without it in the settings of its fold.

    Args:
        rows: Evidence.
        asked: The cases that `left` predicts; levels are fitted on them.
    """
    usable = [row for row in rows if row.usable]
    return {
        name: scored(counted(usable, out), asked, folds, left) for name, out in COUNTINGS.items()
    }


def scored(
    counting: Sequence[Case], asked: Sequence[Case], folds: Folds, left: LeftOut
) -> dict[str, Any]:
    """Scores of our choices and of the rivals' in cases that were counted in another way."""
    predicted: list[Prediction] = []
    for group in sorted({case.group for case in counting}):
        setting = left.settings[group]
        seen = [one for name, one in folds.of(setting.hyper).items() if name != group]
        rest = [case for case in asked if case.group != group]
        mine = [case for case in counting if case.group == group]
        predicted += predict(fitted_to(seen, setting), setting, fit_level(rest), mine)
    here = LeftOut(predicted, left.settings, [])
    several, groups = here.cases, groups_of(here.cases)
    ours = regrets(several, here.picks)
    return {
        "cases": len(several),
        "sources": len(set(groups)),
        "data_sets": len({case.data for case in several}),
        "model": choice_scores(several, here.picks),
        "rivals": {
            name: choice_scores(several, picks)
            | {"difference": difference(ours, regrets(several, picks), groups)}
            for name, picks in with_rivals(here, counting).items()
        },
    }

"""Validation on what was left out: whole sources, and whole data sets. Tuning is nested inside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from advisor.learned.artefact import RULES
from harness.fit.cases import Case, cases
from harness.fit.observations import Array, Compared, table
from harness.fit.predict import Folds, Prediction, Setting, fit_level, fitted_to, predict
from harness.fit.rivals import RIVALS
from harness.fit.scores import (
    balanced,
    by_group,
    cheapest,
    choice_scores,
    chosen_tolerance,
    compute_saved,
    coverage,
    difference,
    expected_losses,
    groups_of,
    interval_of,
    log_losses,
    most_saved,
    none_cheaper,
    probability_scores,
    regrets,
    seconds_beside,
    work_beside,
)
from harness.fit.tune import tuned

DATA_FOLDS = 8
TOLERANCES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
REFERENCE = "always full fine-tuning"
Say = Callable[[str], None]
_VISUAL_PROMPTS = (
    "visual_prompts_suit_few_labels",
    "visual_prompts_want_labelled_pretraining",
    "masked_autoencoders_want_their_weights_moved",
)


@dataclass(frozen=True)
class LeftOut:
    """Predictions of cases whose source or data set was not seen.

    Attributes:
        settings: Name of the fold -> what was tuned without it.
        base: For each prediction, how often each strategy won elsewhere.
    """

    predicted: list[Prediction]
    settings: dict[str, Setting]
    base: list[Array]

    @property
    def cases(self) -> list[Case]:
        return [each.case for each in self.predicted]

    @property
    def picks(self) -> list[int]:
        return [each.pick for each in self.predicted]


def leave_sources_out(folds: Folds, asked: Sequence[Case], say: Say) -> LeftOut:
    """Each source group predicted by a model tuned and fitted without it."""
    predicted: list[Prediction] = []
    settings: dict[str, Setting] = {}
    base: list[Array] = []
    for group in sorted({case.group for case in asked}):
        say(f"without {group}")
        out = frozenset({group})
        settings[group] = tuned(folds, asked, without=out)
        rest = [case for case in asked if case.group != group]
        mine = [case for case in asked if case.group == group]
        seen = [one for name, one in folds.of(settings[group].hyper).items() if name != group]
        fitted = fitted_to(seen, settings[group])
        predicted += predict(fitted, settings[group], fit_level(rest), mine)
        base += base_rates(rest, mine)
    return LeftOut(predicted, settings, base)


def leave_data_out(contexts: Sequence[Compared], say: Say) -> LeftOut:
    """Data sets in folds; all their contexts, of whatever source, are left out together."""
    fold_of = fold_of_data(cases(contexts))
    spare = 0  # a data set without a case of its own goes with the first fold
    predicted: list[Prediction] = []
    settings: dict[str, Setting] = {}
    base: list[Array] = []
    for fold in range(DATA_FOLDS):
        say(f"without data sets, fold {fold + 1} of {DATA_FOLDS}")
        # a mean over several data sets tells of its members: only asked, never learned from
        seen = [
            one
            for one in contexts
            if fold_of.get(one.context.data_group, spare) != fold and not _is_mean(one)
        ]
        rest = cases(seen)
        mine = cases(
            [one for one in contexts if fold_of.get(one.context.data_group, spare) == fold]
        )
        folds = Folds(table(seen))
        setting = settings[f"fold {fold + 1}"] = tuned(folds, rest)
        fitted = fitted_to(list(folds.of(setting.hyper).values()), setting)
        predicted += predict(fitted, setting, fit_level(rest), mine)
        base += base_rates(rest, mine)
    return LeftOut(predicted, settings, base)


def _is_mean(one: Compared) -> bool:
    return any(
        "mean_over_data" in row.tags for each in one.context.observations for row in each.rows
    )


def fold_of_data(several: Sequence[Case]) -> dict[str, int]:
    """Data set -> its fold."""
    names = sorted({case.data for case in several})
    return {name: place % DATA_FOLDS for place, name in enumerate(names)}


def base_rates(known: Sequence[Case], asked: Sequence[Case]) -> list[Array]:
    """How often each strategy won where it was measured, among those of each case."""
    won: Counter[str] = Counter(case.strategies[int(case.best.argmax())] for case in known)
    seen: Counter[str] = Counter(name for case in known for name in case.strategies)
    found = []
    for case in asked:
        rate = np.array([(won[name] + 0.5) / (seen[name] + 1) for name in case.strategies])
        found.append(rate / rate.sum())
    return found


def with_rivals(
    left: LeftOut, asked: Sequence[Case], *, by_data: bool = False
) -> dict[str, list[int]]:
    """Name of the rival -> picks in the order of the predictions, each without its own source, or
    without the data sets of its own fold."""
    # two ways of leaving out make their own cases of the same contexts: the context tells them apart
    order = {id(case.one.context): place for place, case in enumerate(left.cases)}
    folds = fold_of_data(asked)

    def fold(case: Case) -> object:
        return folds[case.data] if by_data else case.group

    found: dict[str, list[int]] = {}
    for name, rival in RIVALS.items():
        picks = [0] * len(order)
        for one in sorted({fold(case) for case in asked}, key=str):
            known = [case for case in asked if fold(case) != one]
            mine = [case for case in asked if fold(case) == one]
            for case, pick in zip(mine, rival(known, mine), strict=True):
                picks[order[id(case.one.context)]] = pick
        found[name] = picks
    return found


def summary(left: LeftOut, rivals: dict[str, list[int]]) -> dict[str, Any]:
    """Everything the report says of one way of leaving out."""
    several, groups = left.cases, groups_of(left.cases)
    ours = regrets(several, left.picks)
    gaps = {
        name: difference(ours, regrets(several, picks), groups) for name, picks in rivals.items()
    }
    return {
        "cases": len(several),
        "sources": len(set(groups)),
        "data_sets": len({case.data for case in several}),
        "model": choice_scores(several, left.picks)
        | {
            "regret_interval": interval_of(ours, groups),
            "regret_balanced_interval": interval_of(ours, groups, is_balanced=True),
        },
        "rivals": {
            name: choice_scores(several, picks) | {"difference": gaps[name]}
            for name, picks in rivals.items()
        },
        "published": _beside_reference(
            several,
            left.picks,
            rivals[REFERENCE],
            lambda case: case.one.context.protocol == "published",
        ),
        "unread": _beside_reference(
            several, left.picks, rivals[REFERENCE], lambda case: case.group not in READ_FROM
        ),
        "probability": probability_scores(left.predicted, left.base),
        "coverage": coverage(left.predicted),
        "by_source": _beside(several, ours, rivals, lambda case: case.group),
        "by_metric_group": _beside(
            several, ours, rivals, lambda case: case.one.context.metric_group
        ),
        "by_strategies": _beside(several, ours, rivals, lambda case: " ".join(case.strategies)),
        "by_examples": _beside(several, ours, rivals, _size),
        "savings": _savings(left, rivals),
        "savings_even": _savings(left, rivals, even=True),
        "soft_seconds": seconds_beside(several, "soft_prompt"),
        "soft_work_even": work_beside(several, "soft_prompt"),
    }


def _beside_reference(
    several: list[Case], picks: list[int], full: list[int], wanted: Callable[[Case], bool]
) -> dict[str, Any]:
    """Choices in some of the cases, ours and always full fine-tuning."""
    at = [place for place, case in enumerate(several) if wanted(case)]
    some = [several[place] for place in at]
    return {
        "cases": len(some),
        "model": choice_scores(some, [picks[place] for place in at]),
        REFERENCE: choice_scores(some, [full[place] for place in at]),
    }


def _size(case: Case) -> str:
    for most, name in ((100, "below 100"), (1_000, "100 to 999"), (10_000, "1,000 to 9,999")):
        if case.examples < most:
            return name
    return "10,000 and more"


def _beside(
    several: list[Case],
    ours: Array,
    rivals: dict[str, list[int]],
    key: Callable[[Case], str],
) -> dict[str, dict[str, float]]:
    theirs = by_group(several, regrets(several, rivals[REFERENCE]), key)
    return {
        name: row | {REFERENCE: theirs[name]["mean"]}
        for name, row in by_group(several, ours, key).items()
    }


def _savings(left: LeftOut, rivals: dict[str, list[int]], *, even: bool = False) -> dict[str, Any]:
    """Cheapest within tolerance: regret and compute beside always full fine-tuning."""
    several, groups = left.cases, groups_of(left.cases)
    full = regrets(several, rivals[REFERENCE])
    allowed = float(full.mean())

    def scored(picks: list[int]) -> dict[str, Any]:
        found = regrets(several, picks)
        return {
            "regret": float(found.mean()),
            "regret_balanced": balanced(found, groups),
            "saved": compute_saved(several, picks, even=even),
        }

    chosen, tolerances = chosen_tolerance(left.predicted, full, even=even)
    return {
        "full": allowed,
        "full_balanced": balanced(full, groups),
        "hindsight": most_saved(
            several, [case.best.max() - case.best for case in several], allowed, even=even
        ),
        "one_price": most_saved(several, expected_losses(left.predicted), allowed, even=even),
        "none_cheaper": none_cheaper(several, even=even),
        "chosen": scored(chosen) | {"tolerances": tolerances},
        "table": [
            {"tolerance": one, **scored(cheapest(left.predicted, one, even=even))}
            for one in TOLERANCES
        ],
    }


READ_FROM: dict[str, tuple[str, ...]] = {
    "vtab_1k_baselines": _VISUAL_PROMPTS,
    "han2024_vpt_or_ft": _VISUAL_PROMPTS,
    "prompt_tuning_lester": (
        "many_labels_soft_beats_hard",
        "prompt_tuning_needs_scale",
        "a_frozen_body_is_robust",
    ),
    "lora_paper": ("labels_train_a_subset",),
    "tfew_paper": ("large_models_tune_a_subset",),
}
"""Source group -> rules whose stated size was read from tables that are in it."""
_KIN = (frozenset({"vtab_1k_baselines", "han2024_vpt_or_ft"}),)
"""Groups without common baselines that yet study the same: one paper's sweep of another's method."""


@dataclass(frozen=True)
class Ablation:
    """What is taken away.

    Attributes:
        rules, evidence, shift: Whether there are any.
        read: Whether rules keep the size that was read from a source that is left out.
        kin: Whether groups that study the same stay when one is left out.
    """

    rules: bool = True
    evidence: bool = True
    shift: bool = True
    read: bool = True
    kin: bool = True


UNREAD = "no rule read from a source left out"
ABLATIONS = {
    "all": Ablation(),
    "no rules": Ablation(rules=False),
    "no evidence": Ablation(evidence=False),
    "no shift": Ablation(shift=False),
    UNREAD: Ablation(read=False),
    "both groups on visual prompts left out": Ablation(kin=False),
    "the two last together": Ablation(read=False, kin=False),
}


def ablations(contexts: Sequence[Compared], left: LeftOut, say: Say) -> dict[str, dict[str, float]]:
    """Regret and log loss with something taken away.

    Each source is predicted under the settings that were tuned without it.
    """
    shiftless = [
        replace(one, situation=one.situation._replace(shift=USUAL_SHIFT)) for one in contexts
    ]
    whole, without = ((cases(some), Folds(table(some))) for some in (contexts, shiftless))
    found = {}
    for name, ablation in ABLATIONS.items():
        say(f"ablation: {name}")
        asked, folds = whole if ablation.shift else without
        found[name] = _ablated(asked, folds, left.settings, ablation)
    return found


USUAL_SHIFT = 0.4
"""At which the degree of shift is zero."""


def _ablated(
    asked: Sequence[Case], folds: Folds, settings: dict[str, Setting], ablation: Ablation
) -> dict[str, float]:
    predicted: list[Prediction] = []
    for group, setting in settings.items():
        kin = next((some for some in _KIN if group in some), frozenset({group}))
        out = frozenset({group}) if ablation.kin else kin
        forgotten = frozenset(READ_FROM.get(group, ())) if not ablation.read else frozenset()
        absent = frozenset[str]() if ablation.rules else frozenset(rule.id for rule in RULES)
        seen = [
            one
            for name, one in folds.of(setting.hyper).items()
            if ablation.evidence and name not in out
        ]
        rest = [case for case in asked if case.group not in out]
        mine = [case for case in asked if case.group == group]
        fitted = fitted_to(seen, setting, forgotten, absent)
        predicted += predict(fitted, setting, fit_level(rest), mine)
    several = [each.case for each in predicted]
    losses = log_losses(several, [each.p for each in predicted])
    return choice_scores(several, [each.pick for each in predicted]) | {
        "log_loss": float(losses.mean()),
        "log_loss_balanced": balanced(losses, groups_of(several)),
    }

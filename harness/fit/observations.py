"""Evidence as rows of numbers: one row per strategy and variant in a context."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from advisor.features import Features, featurize, rising
from advisor.inference import Resolved, resolve
from advisor.learned.artefact import NAMES, RULES
from advisor.learned.basis import DEGREES, KINDS, TERMS, degrees
from advisor.scoring import ranked
from advisor.situation import Situation
from advisor.traits import STRATEGIES, Traits
from harness.evidence.contexts import Context, Observation
from harness.evidence.schema import Row

Array = NDArray[np.float64]

OTHERS = {
    "other_adapter": "lora",
    "other_bitfit": "ia3",
    "other_peft": "lora",
    "other_partial_finetune": "lora",
    "other_nonlinear_head": "linear_probe",
    "other_text_in_probe": "linear_probe",
}
"""Strategies that are not ours -> the one whose traits come nearest; each has an offset of its own,
so that they teach what depends on the situation and not how good ours is; reading class names helps
a probe most where labels are a handful."""
TERM_NAMES = (
    *NAMES,
    *(f"offset {name}" for name in OTHERS),
    "offset other_text_in_probe handful",
)
SLOPES = ("one", "examples", "shift", "size")
"""Degrees along which sources differ from each other."""
_DEGREE = {name: place for place, name in enumerate(DEGREES)}
_FLOOR = 0.005
"""Scores are kept this far from 0 and 1 before the logit is taken."""
_MOST = 1.2
"""Largest deviation from the context's median that counts, in logits: a collapsed run says that it
collapsed, not by how much."""


@dataclass(frozen=True)
class Compared:
    """A context with its situation as `advise` would be asked about it."""

    context: Context
    situation: Resolved

    @property
    def group(self) -> str:
        return self.context.source_group

    @property
    def block(self) -> str:
        """Rows of one model on one data set in one source vary together."""
        c = self.context
        return "\0".join((c.source, c.model, c.pretraining, c.data, c.split, c.metric))


@dataclass(frozen=True)
class Table:
    """All rows of the contexts.

    Attributes:
        contexts: Of which the rows are.
        terms: Design, shape (rows, len(TERM_NAMES)).
        logits: Scores as logits, deviations cut; shape (rows,).
        weights: In (0, 1]; shape (rows,).
        context: Index into `contexts`; shape (rows,). measured: equal for the same measurement.
        strategies: Strategy id of each row.
        slopes: Degrees along which sources differ, shape (rows, 4).
    """

    contexts: tuple[Compared, ...]
    terms: Array
    logits: Array
    weights: Array
    context: NDArray[np.int64]
    measured: NDArray[np.int64]
    strategies: NDArray[np.str_]
    slopes: Array


def compared(contexts: Iterable[Context]) -> list[Compared]:
    """Contexts on a bounded metric whose number of examples is known, with their situations."""
    return [
        Compared(one, situation_of(one))
        for one in contexts
        if one.examples is not None and one.metric_group != "unbounded"
    ]


def situation_of(context: Context) -> Resolved:
    """What `advise` would be told of a context; no hardware is assumed.

    Our own runs stood under a cap on one machine, which is part of the question they answer.
    """
    said = {
        "params": context.params,
        "family": context.family,
        "objective": context.objective,
        "task": context.task,
        "modality": "image" if context.modality == "video" else context.modality,
        "classes": context.classes if (context.classes or 0) >= 2 else None,
        "examples": context.examples,
        "shift": context.shift,
        "robust": True if context.split == "ood" else None,
        "budget_hours": context.cap_seconds / 3600 if context.cap_seconds else None,
        "gpus": 0 if context.device.startswith("cpu") else None,
    }
    known = {name: value for name, value in said.items() if value not in (None, "")}
    return resolve(Situation.from_mapping(known), assume_hardware=False)


def ruled_out(s: Resolved, strategies: Iterable[str]) -> frozenset[str]:
    """Strategies of ours that `advise` takes for impossible in a situation."""
    ours = [name for name in dict.fromkeys(strategies) if name in STRATEGIES]
    return frozenset(each.traits.id for each in ranked(s, ours) if each.forbidden_by)


def is_described(strategy: str) -> bool:
    """Whether it is one of ours or has the traits of one."""
    return strategy in STRATEGIES or strategy in OTHERS


def traits_of(strategy: str) -> Traits:
    return STRATEGIES[OTHERS.get(strategy, strategy)]


def terms_of(strategy: str, s: Resolved, features: Features) -> Array:
    """The design row of one strategy in one situation, shape (len(TERM_NAMES),)."""
    traits = traits_of(strategy)
    values = degrees(s)
    kinds = {kind.id for kind in KINDS if kind.about(traits)}
    rules = [rule.strength(features, s) if rule.about(traits) else 0.0 for rule in RULES]
    learned = [values[_DEGREE[degree]] if kind in kinds else 0.0 for kind, degree in TERMS]
    offsets = [float(strategy == name) for name in OTHERS]
    mixed = features.handful * (strategy == "other_text_in_probe")
    return np.array([*rules, *learned, *offsets, mixed])


def table(contexts: Sequence[Compared]) -> Table:
    """The rows of contexts, in their order."""
    terms, logits, weights, context, measured, strategies, slopes = ([] for _ in range(7))
    seen: dict[tuple[str, ...], int] = {}
    for place, one in enumerate(contexts):
        features = featurize(one.situation)
        rows = [row for row in one.context.observations if is_described(row.strategy)]
        scores = [one.context.merit(row.value) for row in rows]
        for row, logit in zip(rows, _cut_logits(scores), strict=True):
            terms.append(terms_of(row.strategy, one.situation, _as_prompted(features, row)))
            logits.append(logit)
            weights.append(row.weight)
            context.append(place)
            measured.append(seen.setdefault(tuple(each.id for each in row.rows), len(seen)))
            strategies.append(row.strategy)
            values = degrees(one.situation)
            slopes.append([values[_DEGREE[name]] for name in SLOPES])
    return Table(
        tuple(contexts), np.array(terms), np.array(logits), np.array(weights),
        np.array(context), np.array(measured), np.array(strategies), np.array(slopes),
    )  # fmt: skip


def _as_prompted(features: Features, row: Observation) -> Features:
    """A prompt has as many demonstrations as were shown, not as many as there are labels."""
    if row.strategy != "hard_prompt":
        return features
    several = [shown for each in row.rows if (shown := _demonstrations(each)) is not None]
    if not several:
        return features
    return features._replace(shots=rising(sum(several) / len(several), 1, 32))


def _demonstrations(row: Row) -> int | None:
    """How many a prompt shows; None where it is not said. Printed prompts have no other labels, ours
    say it among their settings."""
    if row.protocol == "published":
        return row.n_train
    found = re.search(r"n_demonstrations=(\d+)", row.variant)
    return int(found[1]) if found else None


def _cut_logits(scores: Sequence[float]) -> list[float]:
    logits = [_logit(score) for score in scores]
    middle = float(np.median(logits))
    return [middle + min(max(logit - middle, -_MOST), _MOST) for logit in logits]


def _logit(score: float) -> float:
    inside = min(max(score, _FLOOR), 1 - _FLOOR)
    return log(inside / (1 - inside))

"""What the learned model looks at: the rules, and degrees of a situation for kinds of strategies.

The score of a strategy is a sum over rules (each with a fitted size) plus a sum over pairs of a kind
of strategy and a degree of the situation. Kinds are traits, so a new strategy is predicted from what
it shares with the measured ones. Hard prompting has no term with the number of labels: it reads them
only through the demonstrations a prompt can hold, which is a rule.
"""

from __future__ import annotations

from functools import cache
from math import log10

from advisor.features import rising
from advisor.inference import Resolved
from advisor.rules.base import (
    keeps_the_body,
    learns_from_labels,
    prompts_in_words,
    trains_a_subset,
    trains_only_a_head,
    trains_prompt_vectors,
)
from advisor.traits import FAMILIES, TASKS, Traits

TYPE_CHECKING = False  # `typing` itself would cost start-up time; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable

_OBJECTIVES = ("masked_autoencoder", "contrastive", "supervised")
_COUNTS = ("examples", "many_examples", "per_class", "handful", "shift_examples")
_PLAIN = ("one", "size", "shift", "image")
_BY_FAMILY = tuple(f"family_{name}" for name in FAMILIES)
_BY_OBJECTIVE = tuple(f"objective_{name}" for name in _OBJECTIVES)
_BY_TASK = tuple(f"task_{name}" for name in TASKS if name != "classification")
_COUNTS_BY_FAMILY = tuple(f"examples_{name}" for name in FAMILIES)

DEGREES = (
    *_PLAIN, *_BY_FAMILY, *_BY_OBJECTIVE, *_BY_TASK, *_COUNTS, *_COUNTS_BY_FAMILY,
)  # fmt: skip
"""Names of the numbers that `degrees` returns, in their order."""
_WITHOUT_COUNTS = (*_PLAIN, *_BY_FAMILY, *_BY_OBJECTIVE, *_BY_TASK)
_WITH_COUNTS = (*_COUNTS, *_COUNTS_BY_FAMILY)


class Kind:
    """A kind of strategy whose differences are learned.

    Attributes:
        about: Which strategies are of the kind; degrees: of what their score may depend.
    """

    def __init__(self, id: str, about: Callable[[Traits], bool], degrees: tuple[str, ...]) -> None:
        self.id, self.about, self.degrees = id, about, degrees


def _from_scratch(t: Traits) -> bool:
    return not t.needs_pretraining


def _two_trainings(t: Traits) -> bool:
    return t.head_first


KINDS: tuple[Kind, ...] = (
    Kind("words", prompts_in_words, _WITHOUT_COUNTS),
    Kind("trained", learns_from_labels, _WITH_COUNTS),
    Kind("frozen", keeps_the_body, DEGREES),
    Kind("head", trains_only_a_head, DEGREES),
    Kind("vectors", trains_prompt_vectors, DEGREES),
    Kind("subset", trains_a_subset, DEGREES),
    Kind("scratch", _from_scratch, (*_PLAIN, *_COUNTS)),
    Kind("head_first", _two_trainings, ("one", "examples", "shift")),
)

_APART = ("words", "head", "vectors", "subset", "scratch")


@cache
def branch(traits: Traits) -> str:
    """The kind whose strategies share what a source or a data set has of its own; "full" for those
    that train all weights of a pretrained model."""
    of = {kind.id: kind.about(traits) for kind in KINDS}
    return next((id for id in _APART if of[id]), "full")


TERMS: tuple[tuple[str, str], ...] = tuple(
    (kind.id, degree) for kind in KINDS for degree in kind.degrees
)
"""The learned terms beside the rules: (kind, degree)."""


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def degrees(s: Resolved) -> tuple[float, ...]:
    """Numbers of about one unit, one per name in `DEGREES`.

    Beyond the range of the evidence they stop growing, so that a trend is not drawn on.
    """
    decades = log10(max(s.examples, 1))
    examples = _within(decades - 3, -3, 3) / 1.5
    many = _within(decades - 3.3, 0, 3) / 1.5
    per_class = _within(log10(max(s.examples, 1) / s.classes) - 1.5, -2, 3) / 1.5
    handful = 1 - rising(s.examples / s.classes, 1, 16)
    size = _within(log10(s.params) - 8, -1.5, 3.5) / 1.5
    shift = 2 * s.shift - 0.8
    family, objective, task = _memberships(s.family, s.objective, s.task)
    return (
        1.0, size, shift, float(s.modality == "image"), *family, *objective, *task,
        examples, many, per_class, handful, shift * examples, *[examples * of for of in family],
    )  # fmt: skip


@cache
def _memberships(family: str, objective: str | None, task: str) -> tuple[tuple[float, ...], ...]:
    """1 for what a situation is and 0 for what it is not: by family, by objective, by task."""
    return (
        tuple(float(family == name) for name in FAMILIES),
        # every CLIP is contrastive: its family says so already
        tuple(float(objective == name and family != "clip") for name in _OBJECTIVES),
        tuple(float(task == name) for name in TASKS if name != "classification"),
    )

"""Hyperparameters that the user fixes: a search space with fewer directions.

Controlled comparisons need them (a prompt before against behind the input, zero against some
demonstrations), and so does whoever knows already what suits the data.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from advisor.errors import SpecError, UnknownName
from harness.records import Scalar

if TYPE_CHECKING:
    from harness.strategies.base import Space, Strategy

Fixed = Mapping[str, Mapping[str, Scalar]]
"""Strategy id -> hyperparameter -> value."""


def read_fixed(given: Sequence[str], strategies: Sequence[str]) -> dict[str, dict[str, Scalar]]:
    """`STRATEGY.KEY=VALUE`, one or more, as a mapping.

    Args:
        strategies: Ids that may be named; hyphens and upper case are accepted.

    Raises:
        SpecError: If one is not written like that.
        UnknownName: For a strategy that takes no part.
    """
    fixed: dict[str, dict[str, Scalar]] = {}
    for one in given:
        place, equals, value = one.partition("=")
        strategy, dot, key = place.strip().partition(".")
        if not (equals and dot and key and value.strip()):
            raise SpecError(
                f"--set must be STRATEGY.HYPERPARAMETER=VALUE; got {one!r}. "
                "Write --set soft_prompt.position=behind."
            )
        id = strategy.lower().replace("-", "_")
        if id not in strategies:
            raise UnknownName("strategy of this run", strategy, strategies)
        fixed.setdefault(id, {})[key.strip().replace("-", "_")] = _value(value.strip())
    return fixed


def restricted(space: Space, kind: type[Strategy], fixed: Mapping[str, Scalar]) -> Space:
    """The space with some hyperparameters held at one value.

    Points tried first take the value, too, and those that thereby become equal are tried once.

    Raises:
        UnknownName: For a hyperparameter the strategy does not have.
        SpecError: For a value outside its range.
    """
    from optuna.distributions import CategoricalDistribution

    from harness.strategies.base import Space

    if not fixed:
        return space
    known = [name for name in inspect.signature(kind).parameters if name != "self"]
    for name, value in fixed.items():
        if name not in known:
            raise UnknownName(f"hyperparameter of {kind.id}", name, known)
        allowed = space.distributions.get(name)
        searched = allowed is not None and not allowed.single()
        if searched and not _contains(allowed, value):
            raise SpecError(f"{kind.id}.{name} must be within {allowed}; got {value!r}.")
    distributions = dict(space.distributions) | {
        name: CategoricalDistribution((value,)) for name, value in fixed.items()
    }
    first = list(
        {repr(sorted(p.items())): p for p in ({**q, **fixed} for q in space.first)}.values()
    )
    return Space(distributions, tuple(first), space.exhaustive)


def _contains(distribution: object, value: Scalar) -> bool:
    from optuna.distributions import BaseDistribution, CategoricalDistribution

    assert isinstance(distribution, BaseDistribution)
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return isinstance(value, int | float) and distribution._contains(float(value))


def _value(text: str) -> Scalar:
    """A number, truth value or word as it is meant."""
    words: dict[str, Scalar] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

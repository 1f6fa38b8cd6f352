"""What the advisor's posterior says of a question, as the prior of a search."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from advisor.features import featurize
from advisor.inference import Resolved, resolve
from advisor.learned.artefact import RULES, Artefact, artefact, dot
from advisor.learned.basis import degrees
from advisor.learned.expect import variance_of
from advisor.situation import Situation
from advisor.traits import STRATEGIES
from harness.search.curves import Prior

_DOUBLINGS = 3
"""Over which the advisor's slope is read: a single halving may fall between two of its steps."""
_UNKNOWN = 0.5
"""Standard deviation in logits of a strategy that the advisor does not know."""


def prior_of(
    situation: Situation, strategies: Sequence[str], model: Artefact | None = None
) -> Prior:
    """Mean, slope and covariance of the strategies' scores in logits.

    Args:
        situation: With its examples; that many are full size.
        model: The fit to ask; None for the one that travels with the package.
    """
    model = artefact() if model is None else model
    known = tuple(name for name in strategies if name in STRATEGIES)
    if model is None or not known:
        return Prior(covariance={(name, name): _UNKNOWN**2 for name in strategies})
    here = resolve(situation, assume_hardware=False)
    fewer = max(round(here.examples / 2**_DOUBLINGS), 1)
    before = here._replace(examples=fewer)
    doublings = log2(max(here.examples, 1) / fewer) or 1.0
    now, then = _means(model, here, known), _means(model, before, known)
    rise = [(b - a) / doublings for a, b in zip(then, now, strict=True)]
    variance = variance_of(model, here, known)
    return Prior(
        mean=_about_zero(known, now),
        slope=_about_zero(known, rise),
        covariance={
            (one, other): variance[i][j]
            for i, one in enumerate(known)
            for j, other in enumerate(known)
        },
    )


def _about_zero(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Only differences between strategies are the advisor's to say."""
    middle = sum(values) / len(values)
    return {name: value - middle for name, value in zip(names, values, strict=True)}


def _means(model: Artefact, s: Resolved, strategies: Sequence[str]) -> list[float]:
    """Expected scores in logits: fitted rules and what measurements add, not rounded to points."""
    features, values = featurize(s), degrees(s)
    found = []
    for name in strategies:
        traits = STRATEGIES[name]
        rules = sum(
            model.rules[rule.id] * rule.strength(features, s)
            for rule in RULES
            if rule.about(traits)
        )
        found.append(rules + dot(model.weights[name], values))
    return found

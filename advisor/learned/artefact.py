"""The fitted model as a file: read once, never written here.

`harness calibrate --evidence-only` writes it; what each field means stands at `Artefact`.
"""

from __future__ import annotations

import json
import os
from functools import cache
from operator import mul

from advisor.learned.basis import DEGREES, KINDS, TERMS
from advisor.rules import DIRECTIONS, START
from advisor.traits import STRATEGIES, Traits

TYPE_CHECKING = False  # `typing` itself would cost start-up time; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

PATH = os.path.join(os.path.dirname(__file__), "artefact.json")
POINTS_PER_LOGIT = 20.0
"""Score points per logit: 50 points either side of the start are 2.5 logits, more than strategies
differ by."""

RULES = tuple(rule for rule in DIRECTIONS if rule is not START)
NAMES = (*(f"rule {rule.id}" for rule in RULES), *(f"{kind} {degree}" for kind, degree in TERMS))
"""Names of all terms of the model, in the order of a design row."""


class Artefact:
    """Everything `advise` needs of the fit. Immutable.

    Attributes:
        rules: Rule id -> fitted size in logits where the rule holds fully; a rule newer than the
            fit has its stated size.
        weights: Strategy id -> weight of every degree in logits, shape (len(DEGREES),).
        spread: Prior standard deviation of every term in logits, shape (len(NAMES),).
        reduction: How evidence lowers the prior covariance of the terms, shape (rank, len(NAMES)):
            covariance = diag(spread^2) - reduction' reduction.
        noise: What a new source adds to each strategy on its own, standard deviations in logits:
            `group` along its `slopes`, `block` of the data set and `single` of one measurement,
            which `narrowing` shrinks; `words` is a factor on the first two for hard prompting,
            `inflation` one on all variances.
        level: Degree -> weight; they add up to the logarithm of points per logit.
        interval: Half the width of an 80% interval in standard deviations.
        nodes: Points of a standard normal in 8 dimensions; their negatives belong to them.
        pairs: "a b" -> {"contexts", "sources"}: where the two were compared.
        validation: Scores on left-out sources. evidence: digest and counts of what was fitted.
    """

    def __init__(self, raw: dict[str, Any]) -> None:
        unit = raw["unit"]
        means = dict(zip(raw["terms"], raw["mean"], strict=True))
        self.rules: dict[str, float] = {
            rule.id: means.get(f"rule {rule.id}", unit * rule.points) for rule in RULES
        }
        self.weights = {id: _weights(traits, means) for id, traits in STRATEGIES.items()}
        self.spread: list[float] = raw["spread"]
        self.reduction: list[list[float]] = raw["reduction"]
        if raw["terms"] != list(NAMES):  # rules have come or gone since the fit
            self.spread = _in_order(raw, raw["spread"], new=unit * 10)
            self.reduction = [_in_order(raw, row, new=0.0) for row in raw["reduction"]]
        self.noise: dict[str, Any] = raw["noise"]
        self.level: dict[str, float] = raw["level"]
        self.interval: float = raw["interval"]
        self.nodes: list[list[float]] = raw["nodes"]
        self.pairs: dict[str, dict[str, int]] = raw["pairs"]
        self.validation: dict[str, Any] = raw["validation"]
        self.evidence: dict[str, Any] = raw["evidence"]

    @property
    def is_validated(self) -> bool:
        """Whether probabilities may be shown: on left-out sources they beat an even guess and base
        rates, and are calibrated."""
        return bool(self.validation["passed"])


@cache
def artefact() -> Artefact | None:
    """The artefact that travels with the package; None where there is none."""
    try:
        with open(PATH, encoding="utf-8") as file:
            return Artefact(json.load(file))
    except FileNotFoundError:
        return None


def _in_order(raw: dict[str, Any], values: list[float], *, new: float) -> list[float]:
    """Values in the order of `NAMES`."""
    known = dict(zip(raw["terms"], values, strict=True))
    return [known.get(name, new) for name in NAMES]


def _weights(traits: Traits, means: dict[str, float]) -> tuple[float, ...]:
    """Sum over the kinds a strategy is of, for each degree."""
    weights = dict.fromkeys(DEGREES, 0.0)
    for kind in KINDS:
        if kind.about(traits):
            for degree in kind.degrees:
                weights[degree] += means.get(f"{kind.id} {degree}", 0.0)
    return tuple(weights.values())


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(mul, one, other))

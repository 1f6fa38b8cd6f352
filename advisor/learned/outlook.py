"""From differences between strategies to probabilities: who is best, by how much, how surely.

The scores of the candidates are jointly normal on the logit scale. Probabilities are integrals over
fixed nodes, so that the same question always gets the same answer.
"""

from __future__ import annotations

from math import exp, log10, sqrt
from operator import add, mul, sub

from advisor.features import Features
from advisor.inference import Resolved
from advisor.learned.artefact import RULES, Artefact, dot
from advisor.learned.basis import DEGREES, KINDS, TERMS, branch, degrees
from advisor.traits import STRATEGIES, Traits

TYPE_CHECKING = False  # `typing` itself would cost start-up time; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Sequence

Row = tuple[float, ...]
Matrix = list[list[float]]

_PLACE = {name: place for place, name in enumerate(DEGREES)}
_TERMS = tuple((kind, _PLACE[degree]) for kind, degree in TERMS)


class Outlook:
    """What is expected of the feasible candidates, in their order.

    Attributes:
        p_best: Probability of having the highest expected score; they add up to 1.
        regret: Points by which the best is expected to lead the candidate.
    """

    def __init__(self, p_best: list[float], regret: list[float]) -> None:
        self.p_best, self.regret = p_best, regret


def design_row(s: Resolved, features: Features, values: Row, traits: Traits) -> Row:
    """All terms of the model for one strategy, in the order of `artefact.NAMES`.

    Args:
        values: The situation's `degrees`.
    """
    kinds = {kind.id for kind in KINDS if kind.about(traits)}
    return (
        *(rule.strength(features, s) if rule.about(traits) else 0.0 for rule in RULES),
        *(values[place] if kind in kinds else 0.0 for kind, place in _TERMS),
    )


def covariance(model: Artefact, s: Resolved, rows: list[Row], names: Sequence[str]) -> Matrix:
    """Of the candidates' scores in a new source, in square logits.

    Args:
        rows: One design row per candidate; names: their strategy ids.
    """
    spread = [tuple(map(mul, row, model.spread)) for row in rows]
    lowered = [tuple(dot(direction, row) for direction in model.reduction) for row in rows]
    branches = [branch(STRATEGIES[name]) for name in names]
    single, shared = run_variance(model, s), shared_variance(model, s)
    wide = model.noise["words"] ** 2
    alike = {one: (wide if one == "words" else 1.0) * shared for one in branches}
    inflation = model.noise["inflation"]
    size = range(len(rows))
    return [
        [
            inflation
            * (
                dot(spread[i], spread[j])
                - dot(lowered[i], lowered[j])
                + (alike[branches[i]] if branches[i] == branches[j] else 0.0)
                + (single if i == j else 0.0)
            )
            for j in size
        ]
        for i in size
    ]


def known_deviation(model: Artefact, one: Row, other: Row) -> float:
    """Standard deviation of the difference between two design rows over an average of sources,
    data sets and runs, in logits."""
    apart = tuple(map(sub, one, other))
    spread = tuple(map(mul, apart, model.spread))
    lowered = tuple(dot(direction, apart) for direction in model.reduction)
    return sqrt(max(model.noise["inflation"] * (dot(spread, spread) - dot(lowered, lowered)), 0.0))


def shared_variance(model: Artefact, s: Resolved) -> float:
    """Variance that strategies of one branch have in common: sources and data sets differ. For hard
    prompting they differ more by the factor `words`: nothing of it is fitted to the data at hand."""
    noise, values = model.noise, degrees(s)
    slopes = sum(values[_PLACE[name]] ** 2 for name in noise["slopes"])
    return float(noise["group"] ** 2 * slopes + _narrowed(model, s) * noise["block"] ** 2)


def run_variance(model: Artefact, s: Resolved) -> float:
    """Variance of one measurement, which no other shares."""
    return float(_narrowed(model, s) * model.noise["single"] ** 2)


def _narrowed(model: Artefact, s: Resolved) -> float:
    """Factor on variances: many labels scatter less."""
    decades = min(max(log10(max(s.examples, 1)) - 3, -3), 3)
    return float(10 ** (-2 * model.noise["narrowing"] * decades))


def points_per_logit(model: Artefact, s: Resolved) -> float:
    """How many points of the metric one logit is likely to be: fewer where scores are high."""
    values = degrees(s)
    return exp(sum(weight * values[_PLACE[name]] for name, weight in model.level.items()))


def outlook(model: Artefact, means: list[float], variance: Matrix, points: float) -> Outlook:
    """Probabilities and regrets by quadrature over the nodes.

    Args:
        means: Expected scores in logits, any common level; variance: their covariance.
        points: Per logit.
    """
    root = [tuple(row[: i + 1]) for i, row in enumerate(cholesky(variance))]
    wins, highest = [0.5] * len(means), 0.0
    for node in model.nodes:
        steps = [sum(map(mul, row, node)) for row in root]
        for drawn in (list(map(add, means, steps)), list(map(sub, means, steps))):
            most = max(drawn)
            wins[drawn.index(most)] += 1
            highest += most
    draws = 2 * len(model.nodes)
    # a node and its negative cancel: each candidate's own mean over the draws is its mean
    return Outlook(
        [one / (draws + 0.5 * len(means)) for one in wins],
        [max(points * (highest / draws - one), 0.0) for one in means],
    )


def cholesky(matrix: Matrix) -> Matrix:
    """Lower triangular root of a positive definite matrix."""
    root = [[0.0] * len(matrix) for _ in matrix]
    for i, row in enumerate(matrix):
        for j in range(i + 1):
            rest = row[j] - sum(root[i][k] * root[j][k] for k in range(j))
            root[i][j] = sqrt(rest) if i == j else rest / root[j][j]
    return root


def deviation(variance: Matrix, i: int, j: int) -> float:
    """Standard deviation of the difference between two candidates, in logits."""
    return sqrt(max(variance[i][i] + variance[j][j] - 2 * variance[i][j], 0.0))

"""What `advisor.learned.expect` works out for one situation, for many at once. Needs numpy."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from advisor.learned.artefact import POINTS_PER_LOGIT, RULES, Artefact
from advisor.learned.basis import DEGREES, KINDS, TERMS, branch
from advisor.traits import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.inference import Resolved
    from advisor.learned.expect import Standing

    Array = np.ndarray

_PLACES = np.array([DEGREES.index(degree) for _, degree in TERMS])
_STRATEGIES = {name: place for place, name in enumerate(STRATEGIES)}


class Asked:
    """A situation with its feasible candidates.

    Attributes:
        situation: What is asked. strengths, degrees: Of the rules in it and of itself.
        feasible: Its candidates, at least one.
        reference: The best candidate that full access would allow.
    """

    __slots__ = ("degrees", "feasible", "reference", "situation", "strengths")

    def __init__(
        self,
        situation: Resolved,
        strengths: list[float],
        degrees: tuple[float, ...],
        feasible: list[Standing],
        reference: Standing,
    ) -> None:
        self.situation, self.strengths, self.degrees = situation, strengths, degrees
        self.feasible, self.reference = feasible, reference


def prospects_of(model: Artefact, rows: Sequence[Asked]) -> list[dict[str, tuple[float, float]]]:
    """Strategy -> (P(best), expected score in points beside the reference), for each row.

    Args:
        rows: Situations with equally many feasible candidates.
    """
    names = [tuple(one.strategy for one in each.feasible) for each in rows]
    degrees = np.array([each.degrees for each in rows])
    variance = _covariance(model, rows, names, degrees)
    means = np.array([[one.score for one in each.feasible] for each in rows]) / POINTS_PER_LOGIT
    tops = np.array([each.reference.score for each in rows]) / POINTS_PER_LOGIT
    nodes = np.array(model.nodes)[:, : means.shape[1]]
    wins = _wins(means, nodes @ np.linalg.cholesky(variance).transpose(0, 2, 1))
    behind = _points_per_logit(model, degrees)[:, None] * (means - tops[:, None])
    return [
        dict(zip(some, zip(p, points, strict=True), strict=True))
        for some, p, points in zip(names, wins.tolist(), behind.tolist(), strict=True)
    ]


def _covariance(
    model: Artefact, rows: Sequence[Asked], names: Sequence[tuple[str, ...]], degrees: Array
) -> Array:
    """Of the candidates' scores in a new source, shape (rows, candidates, candidates)."""
    strategies = np.array([[_STRATEGIES[name] for name in some] for some in names])
    terms = _values(rows, degrees)[:, None, :] * _takes()[strategies]
    spread = terms * np.array(model.spread)
    lowered = terms @ np.array(model.reduction).T
    known = spread @ spread.transpose(0, 2, 1) - lowered @ lowered.transpose(0, 2, 1)
    single, shared = _own_variances(model, rows, degrees)
    branches = _branches()[strategies]
    alike = branches[:, :, None] == branches[:, None, :]
    wide = np.where(branches == "words", model.noise["words"] ** 2, 1.0)
    together = alike * (wide * shared[:, None])[:, :, None]
    alone = single[:, None, None] * np.eye(terms.shape[1])
    return np.asarray(model.noise["inflation"] * (known + together + alone))


def _values(rows: Sequence[Asked], degrees: Array) -> Array:
    """Every term as if all of them were about every strategy, shape (rows, terms)."""
    return np.hstack([np.array([one.strengths for one in rows]), degrees[:, _PLACES]])


@cache
def _takes() -> Array:
    """Which terms are about a strategy, 0 or 1, shape (strategies, terms)."""
    about = []
    for traits in STRATEGIES.values():
        kinds = {kind.id for kind in KINDS if kind.about(traits)}
        about.append([*(rule.about(traits) for rule in RULES), *(kind in kinds for kind, _ in TERMS)])  # fmt: skip
    return np.array(about, dtype=float)


@cache
def _branches() -> Array:
    """Branch of every strategy, shape (strategies,)."""
    return np.array([branch(traits) for traits in STRATEGIES.values()])


def _own_variances(model: Artefact, rows: Sequence[Asked], degrees: Array) -> tuple[Array, Array]:
    """As `run_variance` and `shared_variance` of `advisor.learned.outlook`, shape (rows,) each."""
    noise = model.noise
    examples = np.array([max(each.situation.examples, 1) for each in rows], dtype=float)
    narrow = 10 ** (-2 * noise["narrowing"] * np.clip(np.log10(examples) - 3, -3, 3))
    slopes = np.square(degrees[:, [DEGREES.index(name) for name in noise["slopes"]]]).sum(axis=1)
    shared = noise["group"] ** 2 * slopes + narrow * noise["block"] ** 2
    return narrow * noise["single"] ** 2, shared


def _points_per_logit(model: Artefact, degrees: Array) -> Array:
    weights = np.zeros(len(DEGREES))
    for name, weight in model.level.items():
        weights[DEGREES.index(name)] = weight
    return np.exp(degrees @ weights)


def _wins(means: Array, steps: Array) -> Array:
    """Share of the drawn worlds in which each candidate is first, shape (rows, candidates).

    Args:
        means: Shape (rows, candidates); steps: away from them, shape (rows, nodes, candidates).
    """
    first = np.concatenate(
        [(means[:, None, :] + steps).argmax(axis=2), (means[:, None, :] - steps).argmax(axis=2)],
        axis=1,
    )
    rows, size = means.shape
    counted = np.bincount((first + size * np.arange(rows)[:, None]).ravel(), minlength=means.size)
    counts = counted.reshape(rows, size)
    return np.asarray((counts + 0.5) / (first.shape[1] + 0.5 * size))

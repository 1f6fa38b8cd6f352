"""A hierarchical linear model of the differences between strategies inside a context.

For row i of strategy s in context c of source group g, on the logit scale,

    y_i = level_c + x(s, c)' beta + group_(g, s)(c) + block_(model, data, s) + noise_i.

`level_c` has a wide prior, so only differences inside a context speak. `beta` has a Gaussian prior:
for rules around their stated sizes, for learned terms around zero. The group effect has an intercept
and slopes of its own, so that a large source is one witness and not hundreds. Sources that share
baselines are one group; a measurement that stands in several contexts has one noise. Everything but
`beta` is integrated out in closed form for each group, which makes leaving groups out a subtraction.

Source: Gelman et al. 2013, Bayesian Data Analysis, chapters 14 and 15.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from advisor.learned.basis import branch
from harness.fit.observations import RULES, TERM_NAMES, Array, Table, traits_of

_LEVEL = 5.0
"""Standard deviation of a context's level, in logits."""


class Hyper(NamedTuple):
    """What is tuned; standard deviations in logits.

    Attributes:
        group, block, noise: Of the effects of source groups, of model x data, and of one number.
        narrowing: Powers of ten by which noise shrinks per tenfold labels.
        words: Factor on the first two for hard prompting, which nothing fits to the data at hand.
        unit: Logits per stated point of a rule. freedom: Prior deviation of a rule's size, as a
            share of its stated size.
        kind: Prior deviation of the constant of a kind of strategy; mechanism: of its terms with
            family and modality; other: of all other learned terms.
    """

    group: float = 0.15
    block: float = 0.1
    noise: float = 0.3
    narrowing: float = 0.05
    words: float = 2.0
    unit: float = 0.02
    freedom: float = 0.4
    kind: float = 0.2
    mechanism: float = 0.2
    other: float = 0.07


class Statistics(NamedTuple):
    """What one group says about beta: its precision-weighted normal equations."""

    gram: Array
    moment: Array


class Posterior(NamedTuple):
    """Of beta: mean, shape (terms,), and covariance, shape (terms, terms)."""

    mean: Array
    covariance: Array


def narrowed(examples: Array | float, narrowing: float) -> Array:
    """Factor on noise: few labels scatter more."""
    decades = np.clip(np.log10(np.maximum(examples, 1)) - 3, -3, 3)
    return np.asarray(10.0 ** (-narrowing * decades))


def statistics(rows: Table, hyper: Hyper) -> dict[str, Statistics]:
    """Group -> its statistics, everything but beta integrated out."""
    groups = np.array([rows.contexts[place].group for place in rows.context])
    blocks = np.array([rows.contexts[place].block for place in rows.context])
    examples = np.array([rows.contexts[place].situation.examples for place in rows.context])
    factor = narrowed(examples, hyper.narrowing)
    branches = np.array([branch(traits_of(name)) for name in rows.strategies])
    found = {}
    for group in sorted(set(groups)):
        at = np.flatnonzero(groups == group)
        same = _same(branches[at])
        scale = np.outer(factor[at], factor[at])
        weight = 1 / np.sqrt(rows.weights[at])
        wide = np.where(branches[at] == "words", hyper.words, 1.0)
        same = same * np.outer(wide, wide)
        covariance = (
            hyper.noise**2 * _same(rows.measured[at]) * scale * np.outer(weight, weight)
            + 1e-4 * np.eye(len(at))
            + hyper.group**2 * same * (rows.slopes[at] @ rows.slopes[at].T)
            + hyper.block**2 * same * _same(blocks[at]) * scale
            + _LEVEL**2 * _same(rows.context[at])
        )
        root = np.linalg.cholesky(covariance)
        both = np.column_stack([rows.terms[at], rows.logits[at]])
        whitened = solve_triangular(root, both, lower=True)
        gram = whitened.T @ whitened
        found[group] = Statistics(gram[:-1, :-1], gram[:-1, -1])
    return found


def _same(labels: np.ndarray) -> np.ndarray:
    """Which pairs of rows carry the same label, shape (rows, rows)."""
    _, number = np.unique(labels, return_inverse=True)  # comparing numbers is faster than texts
    return np.asarray(number[:, None] == number[None, :])


def prior(
    hyper: Hyper,
    forgotten: frozenset[str] = frozenset(),
    absent: frozenset[str] = frozenset(),
) -> tuple[Array, Array]:
    """Mean and standard deviation of every term, shape (terms,) each.

    Args:
        forgotten: Ids of rules whose stated size is taken as unknown: zero, with its deviation.
        absent: Ids of rules that the model does not have: zero, without any.
    """
    mean, spread = np.zeros(len(TERM_NAMES)), np.full(len(TERM_NAMES), hyper.other)
    for place, rule in enumerate(RULES):
        mean[place] = 0.0 if rule.id in forgotten | absent else hyper.unit * rule.points
        spread[place] = hyper.unit * abs(rule.points) * hyper.freedom * (rule.id not in absent)
    for place, name in enumerate(TERM_NAMES[len(RULES) :], start=len(RULES)):
        kind, _, degree = name.partition(" ")
        if kind == "offset" or degree == "one":
            spread[place] = hyper.kind
        elif degree == "image" or degree.startswith(("family_", "examples_")):
            spread[place] = hyper.mechanism
    return mean, spread


def posterior(
    found: Iterable[Statistics],
    hyper: Hyper,
    forgotten: frozenset[str] = frozenset(),
    absent: frozenset[str] = frozenset(),
) -> Posterior:
    """Combine groups with the prior; see `prior` for `forgotten` and `absent`."""
    some = list(found)
    mean, spread = prior(hyper, forgotten, absent)
    gram = np.sum([one.gram for one in some], axis=0) if some else np.zeros((len(mean),) * 2)
    moment = np.sum([one.moment for one in some], axis=0) if some else np.zeros(len(mean))
    precision = spread[:, None] * gram * spread[None, :] + np.eye(len(mean))
    root = np.linalg.cholesky(precision)
    rest = spread * (moment - gram @ mean)
    solved = solve_triangular(root, rest, lower=True)
    inverse = solve_triangular(root, np.diag(spread), lower=True)
    return Posterior(mean + inverse.T @ solved, inverse.T @ inverse)


def prediction_noise(
    strategies: Sequence[str], examples: float, slopes: Array, hyper: Hyper
) -> Array:
    """Variance of what a new source adds to each core strategy, in square logits. Each is of a branch
    of its own, so they share nothing."""
    factor = float(narrowed(examples, hyper.narrowing)) ** 2
    wide = np.array([hyper.words**2 if name == "hard_prompt" else 1.0 for name in strategies])
    shared = hyper.group**2 * float(slopes @ slopes) + factor * hyper.block**2
    return np.asarray(wide * shared + factor * hyper.noise**2)

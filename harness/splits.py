"""Which rows are trained on, validated on and tested on.

Drawn subsets are nested: with the same seed, 100 examples contain the 50 examples of a smaller
run, in training and in validation both, so that a curve over n adds labels and changes none.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from advisor.errors import DataError, SpecError
from harness.datasets.base import Split

VALIDATION_SHARE = 0.25


def draw_examples(pool: Split, n: int | None, seed: int, n_classes: int) -> tuple[Split, Split]:
    """Draw n examples in all and part them into training and validation.

    "Examples" are all labels used, training plus validation. Classes are drawn in proportion to
    the pool, after one row of each. Of c rows of a class, a quarter (rounded) validates, at
    least one from c = 2 on, none for c = 1: 1 -> 0, 2..5 -> 1, 6..9 -> 2. With one row per
    class the validation split is therefore empty; with two per class it is half of the
    examples, since a class that is never validated would not count in any choice.

    With groups, whole groups are assigned to one side (about a quarter to validation), and
    the shares hold only as far as the groups allow.

    Args:
        n: Number of examples; 0 draws none, None draws the whole pool.
        seed: Decides the order; subsets of one seed are nested.

    Raises:
        SpecError: If n is negative, between 1 and n_classes - 1, or larger than the pool.
        DataError: If the pool lacks a class.
    """
    n = len(pool) if n is None else n
    if n < 0 or n > len(pool):
        raise SpecError(
            f"examples must be between 0 and {len(pool):,}, the size of the pool; got {n:,}."
        )
    if n == 0:
        return pool.take([]), pool.take([])
    if n < n_classes:
        raise SpecError(
            f"{n_classes} classes need at least {n_classes} examples, one of each; got {n}."
        )
    if len(present := np.unique(pool.strata)) < n_classes:
        raise DataError(f"the pool has rows of {len(present)} of {n_classes} classes only.")
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(pool))
    validates = _held(pool.strata, pool.groups, VALIDATION_SHARE, shuffled, seed)
    chosen = _proportional_order(pool.strata, validates, shuffled)[:n]
    return pool.take(chosen[~validates[chosen]]), pool.take(chosen[validates[chosen]])


def hold_out(
    targets: np.ndarray, groups: Sequence[str] | None, *, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions kept and held out, stratified, with no group on both sides; both ascending.

    Every class keeps at least one row; a class of one row is not held out.

    Raises:
        SpecError: If the fraction is not inside (0, 1).
        DataError: If there are too few rows or groups to hold any out.
    """
    if not 0 < fraction < 1:
        raise SpecError(
            f"the test fraction must be between 0 and 1, both excluded; got {fraction}."
        )
    shuffled = np.random.default_rng(seed).permutation(len(targets))
    held = _held(targets, groups, fraction, shuffled, seed)
    if not held.any():
        raise DataError(
            f"{len(targets):,} rows{' in too few groups' if groups else ''} are too few to hold out a "
            "test set; give one with --test-data."
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


def _held(
    targets: np.ndarray,
    groups: Sequence[str] | None,
    fraction: float,
    shuffled: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Which rows are on the held-out side, bool, shape (n,)."""
    if groups is not None:
        return _held_groups(targets, np.asarray(groups), fraction, seed)
    held = np.zeros(len(targets), dtype=bool)
    for label in np.unique(targets):
        rows = shuffled[targets[shuffled] == label]
        held[rows[np.diff(_held_count(np.arange(len(rows) + 1), fraction)) > 0]] = True
    return held


def _held_count(count: np.ndarray, fraction: float) -> np.ndarray:
    """How many of the first `count` rows of a class are held out; grows by at most one a row."""
    rounded = np.floor(count * fraction + 0.5).astype(np.int64)
    return np.clip(rounded, np.minimum(count // 2, 1), np.maximum(count - 1, 0))


def _held_groups(targets: np.ndarray, groups: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Whole groups: one of about 1 / fraction stratified folds."""
    from sklearn.model_selection import StratifiedGroupKFold

    held = np.zeros(len(targets), dtype=bool)
    largest_class = int(np.bincount(targets).max())
    folds = min(max(2, round(1 / fraction)), len(np.unique(groups)), largest_class)
    if folds < 2:
        return held
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # a class with fewer rows than folds is no harm: only one fold is used
        warnings.filterwarnings("ignore", message="The least populated class")
        sides = [rows for _, rows in splitter.split(targets, targets, groups)]
    # a very large group fills a fold of its own: take the fold nearest to the size wanted
    held[min(sides, key=lambda rows: abs(len(rows) - fraction * len(targets)))] = True
    for label in np.unique(targets):  # a class must never be missing from training
        mine = targets == label
        if held[mine].all():
            held[groups == groups[np.flatnonzero(mine)[0]]] = False
    return held


def _proportional_order(
    targets: np.ndarray, validates: np.ndarray, shuffled: np.ndarray
) -> np.ndarray:
    """All rows in an order whose every prefix is proportional to the classes and the two sides.

    Row r of a class with c rows stands at (r + 1/2) / c of the way (the divisor method of
    Webster), except that first rows go first; rows of a class take turns between the sides
    as `_held_count` says, as long as both last.
    """
    place = np.empty(len(targets))
    for label in np.unique(targets):
        rows = shuffled[targets[shuffled] == label]
        turn = np.empty(len(rows))
        validating = validates[rows]
        # enough turns for either side to find all it needs
        turns = np.diff(_held_count(np.arange(4 * len(rows) + 9), VALIDATION_SHARE)) > 0
        turn[validating] = np.flatnonzero(turns)[: validating.sum()]
        turn[~validating] = np.flatnonzero(~turns)[: (~validating).sum()]
        rank = np.argsort(np.argsort(turn))
        place[rows] = np.where(rank == 0, -1.0, (rank + 0.5) / len(rows))
    return shuffled[np.argsort(place[shuffled], kind="stable")]

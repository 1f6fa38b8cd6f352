"""Looks for what would make a comparison worthless, before anything is trained.

Two rows are duplicates if their inputs are equal, or nearly equal with the same label. Nearly
equal inputs with different labels are left alone: the small difference may be what the label is
about (a fabric with and without a defect).

Only training rows are ever removed. The test set stays as it was given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from harness.datasets.base import Finding
from harness.datasets.rows import Rows, Signature

NEAR_CORRELATION = 0.99
"""Thumbnails that correlate at least this much count as one picture: copies re-encoded at JPEG
quality 60 or scaled to half lie above it, different photos below (`test_real_data.py`)."""
IMBALANCE = 10
_BLOCK = 2048


def examine(
    pool: Rows, test: Rows | None, ood: Rows | None, *, classes: bool = True
) -> tuple[Rows, list[Finding]]:
    """The pool without duplicates and without rows of the test sets, and what was found.

    Args:
        classes: Whether labels are classes. Else one input may have several right labels, such
            as translations, and only equal labels make equal inputs copies of one another.
    """
    parts = [pool] + [held for held in (test, ood) if held is not None]
    n = len(pool)
    exact, near = clusters([signature for rows in parts for signature in rows.signatures])
    _, labels = np.unique([label for rows in parts for label in rows.labels], return_inverse=True)
    alike = near * (labels.max() + 1) + labels  # nearly equal and of one class

    keep = np.ones(n, dtype=bool)
    findings: list[Finding] = []
    start = n
    for name, held in (("test", test), ("shifted", ood)):
        if held is not None:
            rows = slice(start, start + len(held))
            repeated = np.isin(exact[:n], exact[rows]) | np.isin(alike[:n], alike[rows])
            shared = _shared_groups(pool, held) & ~repeated
            findings += _leakage(name, keep & repeated, exact, rows)
            findings += _group_leakage(name, keep & shared)
            findings += _repeats_inside(name, alike[rows])
            keep = keep & ~repeated & ~shared
            start += len(held)
    # leaking rows go first: a copy that stays must not be dropped in favour of one that leaks
    if classes:
        keep, found = _settle_conflicts(keep, exact[:n], labels[:n])
        findings += found
    same = exact * (labels.max() + 1) + labels  # equal and of one class
    keep, found = _collapse(keep, same[:n], alike[:n])
    findings += found
    kept = pool.take(np.flatnonzero(keep))
    return kept, findings + (imbalance(kept) if classes else [])


def clusters(signatures: Sequence[Signature]) -> tuple[np.ndarray, np.ndarray]:
    """Cluster numbers of equal and of nearly equal inputs, two int64 arrays of shape (n,)."""
    exact = _numbered([signature.exact for signature in signatures])
    if isinstance(signatures[0].near, str):
        return exact, _numbered([cast(str, signature.near) for signature in signatures])
    return exact, _near_images(np.stack([signature.near for signature in signatures]), exact)


def _numbered(values: Sequence[str]) -> np.ndarray:
    number: dict[str, int] = {}
    return np.array([number.setdefault(value, len(number)) for value in values], dtype=np.int64)


def _near_images(thumbnails: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Connected components of "equal file or correlation at least NEAR_CORRELATION"."""
    n = len(thumbnails)
    _, first = np.unique(exact, return_index=True)
    pairs = [np.stack([np.arange(n), first[exact]])]
    for start in range(0, n, _BLOCK):
        block = thumbnails[start : start + _BLOCK] @ thumbnails[start:].T
        pairs.append(np.stack(np.nonzero(block >= NEAR_CORRELATION)) + start)
    rows, columns = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _settle_conflicts(
    keep: np.ndarray, exact: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, list[Finding]]:
    """Keep the most frequent label of equal inputs; on a tie, the one that comes first."""
    rows = np.flatnonzero(keep)
    pair = exact[rows] * (labels.max() + 1) + labels[rows]
    _, first, inverse, counts = np.unique(
        pair, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -counts, exact[rows][first]))
    in_order = exact[rows][first][order]
    wins = np.zeros(len(first), dtype=bool)
    wins[order] = np.append(True, in_order[1:] != in_order[:-1])
    losers = rows[~wins[inverse]]
    if not len(losers):
        return keep, []
    keep = keep.copy()
    keep[losers] = False
    inputs, dropped = len(np.unique(exact[losers])), len(losers)
    text = (
        f"{_many(inputs, 'training input')} with more than one label: the most frequent was kept, "
        f"{_many(dropped, 'row')} removed. The labels may be unreliable, or depend on a column that was not read."
    )
    return keep, [Finding("conflicting_labels", "warning", text, dropped)]


def _collapse(
    keep: np.ndarray, same: np.ndarray, alike: np.ndarray
) -> tuple[np.ndarray, list[Finding]]:
    """The first of the rows that are `alike`; `same` numbers the equal ones among these."""
    rows = np.flatnonzero(keep)
    first = np.zeros(len(keep), dtype=bool)
    first[rows[np.unique(alike[rows], return_index=True)[1]]] = True
    dropped = len(rows) - int(first.sum())
    if not dropped:
        return first, []
    equal = len(rows) - len(np.unique(same[rows]))
    text = (
        f"{_many(dropped, 'training row')} removed as a copy of another ({equal:,} equal, "
        f"{dropped - equal:,} nearly equal); one of each stays."
    )
    return first, [Finding("duplicates", "warning", text, dropped)]


def _leakage(name: str, leaking: np.ndarray, exact: np.ndarray, rows: slice) -> list[Finding]:
    if not (count := int(leaking.sum())):
        return []
    n = len(leaking)
    equal = len(np.intersect1d(exact[:n], exact[rows]))
    text = (
        f"{_many(count, 'training row')} removed because the {name} set holds the same; of the {name} set, "
        f"{_many(equal, 'distinct input')} occurred in training word for word or byte for byte. It is unchanged."
    )
    return [Finding("leakage", "warning", text, count)]


def _shared_groups(pool: Rows, held: Rows) -> np.ndarray:
    if pool.groups is None or held.groups is None:
        return np.zeros(len(pool), dtype=bool)
    return np.isin(pool.groups, list(set(held.groups)))


def _group_leakage(name: str, leaking: np.ndarray) -> list[Finding]:
    if not (count := int(leaking.sum())):
        return []
    text = f"{_many(count, 'training row')} removed because the {name} set holds other rows of the same group."
    return [Finding("group_leakage", "warning", text, count)]


def _repeats_inside(name: str, alike: np.ndarray) -> list[Finding]:
    if not (count := len(alike) - len(np.unique(alike))):
        return []
    text = f"{_many(count, 'row')} of the {name} set equal to another or nearly so; left in, such inputs weigh double."
    return [Finding("test_duplicates", "note", text, count)]


def imbalance(rows: Rows) -> list[Finding]:
    """A warning if the largest class is at least ten times the smallest."""
    ranked = Counter(rows.labels).most_common()
    if len(ranked) < 2:  # one class only is refused elsewhere
        return []
    (most, high), (least, low) = ranked[0], ranked[-1]
    if high < IMBALANCE * low:
        return []
    text = (
        f"Classes are imbalanced: {high:,} training rows of {most!r}, {low:,} of {least!r}. "
        "Accuracy can hide the small classes; consider --metric macro_f1."
    )
    return [Finding("imbalance", "warning", text, low)]


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

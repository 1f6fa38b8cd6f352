"""Metrics of tagged words: a row's answer is one tag a word, joined by blanks."""

from __future__ import annotations

import numpy as np

from harness.metrics.base import Metric

OUTSIDE = "O"
"""The tag of a word that belongs to no span."""

Span = tuple[str, int, int]
"""Type, first word and word behind the last."""


def spans(tags: list[str]) -> set[Span]:
    """The spans that tags mark.

    In IOB2 a span begins with B-TYPE and goes on with I-TYPE. As in CoNLL's own script and in
    seqeval, an I-TYPE that continues nothing of its type begins a span as well. A tag without B-
    or I- marks a span of its one word.

    Source: Tjong Kim Sang and De Meulder 2003, CoNLL-2003 shared task (its conlleval).
    """
    found: set[Span] = set()
    opened: tuple[str, int] | None = None
    for place, tag in enumerate([*tags, OUTSIDE]):
        mark, _, kind = tag.partition("-")
        prefixed = mark in ("B", "I") and bool(kind)
        if opened is not None and not (prefixed and mark == "I" and kind == opened[0]):
            found.add((*opened, place))
            opened = None
        if prefixed:
            opened = opened or (kind, place)
        elif tag != OUTSIDE:
            found.add((tag, place, place + 1))
    return found


def _span_counts(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Spans that are right, said and true of each row, shape (n, 3)."""
    counts = []
    for answer, target in zip(answers, targets, strict=True):
        said, true = spans(str(answer).split()), spans(str(target).split())
        counts.append((len(said & true), len(said), len(true)))
    return np.array(counts, dtype=np.float64)


def _micro_f1(sums: np.ndarray) -> np.ndarray:
    total = sums[..., 1] + sums[..., 2]
    return 2 * sums[..., 0] / np.where(total > 0, total, 1)


def _word_counts(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Words with the right tag, and all words, of each row, shape (n, 2)."""
    counts = []
    for answer, target in zip(answers, targets, strict=True):
        said, true = str(answer).split(), str(target).split()
        right = sum(one == other for one, other in zip(said, true, strict=False))
        counts.append((right, max(len(said), len(true))))
    return np.array(counts, dtype=np.float64)


tag_f1 = Metric("tag_f1", _span_counts, _micro_f1)
"""F1 of spans of all rows together (micro-averaged): right in type, beginning and end or wrong.

0 where there are no spans at all, as in seqeval.
"""

tag_accuracy = Metric(
    "tag_accuracy", _word_counts, lambda sums: sums[..., 0] / np.maximum(sums[..., 1], 1)
)
"""Share of words with the right tag; a missing or surplus tag is a wrong one."""

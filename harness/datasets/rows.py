"""Labelled rows as a source reads them: labels still text, nothing checked yet."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.datasets.base import Finding
from harness.text_pair import TextPair


@dataclass(frozen=True)
class Signature:
    """What tells equal inputs apart.

    Attributes:
        exact: Equal for equal inputs: the text itself, or the sha256 of an image file.
        near: For nearly equal inputs: the normalised text, or a small grey thumbnail of zero
            mean and unit length, float32, shape (256,) (all zeros for an image of one grey).
    """

    exact: str
    near: str | np.ndarray


@dataclass(frozen=True)
class Rows:
    """Inputs and labels side by side, in the order of the source.

    Attributes:
        inputs: Texts or image files, length n.
        labels: As written in the source, length n.
        ids: Where each row came from ("train.csv:17", "ants/1.jpg"), length n.
        signatures: What duplicates are found by, length n.
        groups: See `Split.groups`.
    """

    inputs: tuple[str | Path, ...]
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    signatures: tuple[Signature, ...]
    groups: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: Sequence[int] | np.ndarray) -> Rows:
        """The rows at these positions, in this order."""
        return Rows(
            inputs=tuple(self.inputs[row] for row in rows),
            labels=tuple(self.labels[row] for row in rows),
            ids=tuple(self.ids[row] for row in rows),
            signatures=tuple(self.signatures[row] for row in rows),
            groups=None if self.groups is None else tuple(self.groups[row] for row in rows),
        )

    def __add__(self, other: Rows) -> Rows:
        """Both, one after the other; groups only if both have them."""
        return Rows(
            inputs=self.inputs + other.inputs,
            labels=self.labels + other.labels,
            ids=self.ids + other.ids,
            signatures=self.signatures + other.signatures,
            groups=self.groups + other.groups if self.groups and other.groups else None,
        )


@dataclass(frozen=True)
class Reading:
    """What was found under one name.

    Attributes:
        pool: Rows to train and validate on.
        test: The source's own test part; None if it has none.
        findings: What was noticed while reading.
        columns: "text", "label" and, of pairs, "text_b" -> where it was read from.
    """

    pool: Rows
    test: Rows | None = None
    findings: tuple[Finding, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


def text_rows(
    texts: Sequence[str],
    labels: Sequence[str],
    ids: Sequence[str],
    groups: Sequence[str] | None = None,
) -> Rows:
    """Rows of texts or pairs of them, blanks at either end removed."""
    stripped = tuple(_stripped(text) for text in texts)
    return Rows(
        inputs=stripped,
        labels=tuple(labels),
        ids=tuple(ids),
        signatures=tuple(Signature(text, normalised(text)) for text in stripped),
        groups=None if groups is None else tuple(groups),
    )


def _stripped(text: str) -> str:
    if isinstance(text, TextPair):
        return TextPair(text.first.strip(), text.second.strip())
    return text.strip()


# Marks of a sentence only: brackets, emoticons and signs such as %, @ or # carry meaning.
_PUNCTUATION = re.compile("[.,;:!?…'\"`‘’‚“”„«»\u2010-\u2015-]")


def normalised(text: str) -> str:
    """The text without case, sentence punctuation and differences in white space.

    A text of punctuation alone stays as it is, so that "?" and "!" do not become equal.
    """
    bare = _PUNCTUATION.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(bare.split()) or text

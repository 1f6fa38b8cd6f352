"""Targets of tasks without classes: texts, or numbers written as text."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from advisor.errors import DataError
from harness.datasets.base import Finding, Split
from harness.datasets.rows import Rows


@dataclass(frozen=True)
class TextTargets:
    """What was written is the target."""

    names: tuple[str, ...] = ()
    named: bool = True
    findings: tuple[Finding, ...] = ()

    def split(self, rows: Rows) -> Split:
        """Targets are numpy's str, shape (n,)."""
        return Split(rows.inputs, np.array(rows.labels, dtype=np.str_), rows.ids, rows.groups)


@dataclass(frozen=True)
class NumberTargets:
    """What was written is one number, or several parted by blanks, as many in every row."""

    names: tuple[str, ...] = ()
    named: bool = True
    findings: tuple[Finding, ...] = ()

    def split(self, rows: Rows) -> Split:
        """Targets are float64, shape (n, d).

        Raises:
            DataError: With the first row that holds no finite numbers, or another count of them.
        """
        targets = [_numbers(label, id) for label, id in zip(rows.labels, rows.ids, strict=True)]
        width = len(targets[0])
        for found, id in zip(targets, rows.ids, strict=True):
            if len(found) != width:
                raise DataError(f"{id}: {len(found)} numbers, but the first row has {width}.")
        return Split(rows.inputs, np.array(targets, dtype=np.float64), rows.ids, rows.groups)


def _numbers(label: str, id: str) -> list[float]:
    try:
        numbers = [float(part) for part in label.split()]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        raise DataError(
            f"{id}: {label!r} is no number. This task predicts numbers; write one such as 3.5, or "
            "name another --label-column."
        )
    return numbers

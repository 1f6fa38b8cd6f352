"""From labels as written to class names and class indices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from advisor.errors import DataError
from harness.datasets.base import Finding, Split
from harness.datasets.rows import Rows

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_SHOWN = 10


@dataclass(frozen=True)
class Classes:
    """The classes of a data set.

    Attributes:
        names: In the order of the class indices.
        index: Label as written -> class index.
        named: False if the names are bare numbers, so that a prompt has nothing to say.
        findings: What is to be said about them.
    """

    names: tuple[str, ...]
    index: Mapping[str, int]
    named: bool
    findings: tuple[Finding, ...]

    def split(self, rows: Rows) -> Split:
        """The rows with class indices for labels."""
        targets = np.array([self.index[label] for label in rows.labels], dtype=np.int64)
        return Split(rows.inputs, targets, rows.ids, rows.groups)


def find_classes(labels: Sequence[str], given: Sequence[str] | None) -> Classes:
    """Classes in sorted order (numbers by value), under the given names if there are any.

    Given names that are the labels themselves only set the order of the classes.

    Raises:
        DataError: For one class only, a class for every row, or names that do not fit.
    """
    distinct = set(labels)
    numeric = all(_NUMBER.fullmatch(label) for label in distinct)
    written = sorted(distinct, key=lambda label: (float(label) if numeric else 0.0, label))
    if len(written) == 1:
        raise DataError(
            f"all {len(labels):,} rows have the label {written[0]!r}; classification needs at least two "
            "classes. Is --label-column right?"
        )
    if len(written) == len(labels):
        raise DataError(
            f"each of the {len(labels):,} rows has a label of its own, so nothing can be learned "
            "from one and tested on another. Is --label-column right?"
        )
    index = {label: position for position, label in enumerate(written)}
    if given is None:
        findings = (_numbers_only(written),) if numeric else ()
        return Classes(tuple(written), index, not numeric, findings)
    names = tuple(name.strip() for name in given)
    if len(names) != len(written) or len(set(names)) != len(names) or not all(names):
        raise DataError(
            f"--label-names gives {len(names)} names ({_listed(names)}) for {len(written)} labels "
            f"({_listed(written)}); give one different name per label, in that order."
        )
    if set(names) == distinct:
        return Classes(names, {name: position for position, name in enumerate(names)}, True, ())
    mapping = ", ".join(f"{label} = {name}" for label, name in zip(written, names, strict=True))
    note = Finding("label_names", "note", f"Labels are read as: {mapping}.", len(names))
    return Classes(names, index, True, (note,))


def refuse_unseen(test: Rows, classes: Classes) -> None:
    """Refuse a test set with labels no training row has.

    Raises:
        DataError: With the labels.
    """
    if unseen := sorted(set(test.labels) - set(classes.index)):
        raise DataError(
            f"the test set has labels that no training row has: {_listed(unseen)} "
            f"(training has {_listed(sorted(classes.index))}). Add training rows or remove those test rows."
        )


def drop_unseen(ood: Rows, classes: Classes) -> tuple[Rows, tuple[Finding, ...]]:
    """The shifted rows whose label is known: a shifted set often has further classes.

    Raises:
        DataError: If no row is left.
    """
    known = [row for row, label in enumerate(ood.labels) if label in classes.index]
    unseen = sorted(set(ood.labels) - set(classes.index))
    if not known:
        raise DataError(
            f"no row of --ood-data has a label of the training set: it has {_listed(unseen)}, "
            f"training has {_listed(sorted(classes.index))}."
        )
    if not unseen:
        return ood, ()
    dropped = len(ood) - len(known)
    text = (
        f"{dropped:,} of {len(ood):,} rows of the shifted set have labels that training has not "
        f"({_listed(unseen)}) and were left out."
    )
    return ood.take(known), (Finding("ood_labels", "warning", text, dropped),)


def _numbers_only(labels: Sequence[str]) -> Finding:
    text = f"The labels are bare numbers ({_listed(labels)}): prompting needs --label-names to say what they mean."
    return Finding("numeric_labels", "warning", text, len(labels))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f", … ({len(names)} in all)" if len(names) > _SHOWN else "")

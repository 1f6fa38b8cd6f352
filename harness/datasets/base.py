"""The contract of a data source: from what the user named to splits held in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harness.tasks.base import Output

TEXT, LABEL = "text", "label"
TEXT_B = "text_b"
"""The column that makes a table one of pairs of texts."""


@dataclass(frozen=True)
class DataRequest:
    """What the user asked for, before anything is read.

    Attributes:
        data: A file, a folder, or the name of packaged data.
        text_b_column: The second text of a pair.
        task: A task id; None for pairs of texts where the second column is there, else single
            inputs.
        output, columns: Of the task that was named, see `harness.tasks.base`.
        test_fraction: Share held out as the test set when the source has none of its own.
        seed: Draws that held-out part; the same for every strategy and run.
    """

    data: str
    text_column: str = TEXT
    label_column: str = LABEL
    text_b_column: str = TEXT_B
    task: str | None = None
    output: Output = "probabilities"
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    label_names: tuple[str, ...] | None = None
    description: str | None = None
    test_data: str | None = None
    ood_data: str | None = None
    group_column: str | None = None
    test_fraction: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class Split:
    """Inputs and targets side by side; never changed after it is made.

    Attributes:
        inputs: Texts (str, pairs of them `harness.text_pair.TextPair`) or image files (Path),
            length n.
        targets: Class indices, int64, shape (n,); numbers, float64, shape (n, d); or texts,
            numpy's str, shape (n,). See `harness.tasks.base`.
        ids: Where each row came from ("train.csv:17", "ants/1.jpg"), length n.
        groups: Rows of one group never fall on two sides of a split; None if there are none.
    """

    inputs: tuple[Any, ...]
    targets: np.ndarray
    ids: tuple[str, ...]
    groups: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def strata(self) -> np.ndarray:
        """What draws are proportional to, int64, shape (n,): the classes, if there are any."""
        classes = self.targets.dtype.kind == "i"
        return self.targets if classes else np.zeros(len(self), dtype=np.int64)

    def take(self, rows: Sequence[int] | np.ndarray) -> Split:
        """The rows at these positions, in this order."""
        rows = [int(row) for row in rows]
        return Split(
            inputs=tuple(self.inputs[row] for row in rows),
            targets=self.targets[rows],
            ids=tuple(self.ids[row] for row in rows),
            groups=None if self.groups is None else tuple(self.groups[row] for row in rows),
        )


@dataclass(frozen=True)
class Finding:
    """Something noticed about the data before any training.

    Attributes:
        code: Stable short name: "duplicates", "leakage", "corrupt_images", "numeric_labels",
            "conflicting_labels", "long_texts", "imbalance".
        level: "note" or "warning".
        text: One sentence for the user, with numbers and what was done about it.
        count: How many rows it concerns.
    """

    code: str
    level: str
    text: str
    count: int = 0


@dataclass(frozen=True)
class Dataset:
    """A data set for one task, read and checked.

    Attributes:
        train: The pool from which training and validation examples are drawn.
        test: Read once per finished strategy and only reported.
        ood: A shifted test set, scored beside the normal one; None if there is none.
        task: Id of the task; extra: what that task needs to know besides, plain JSON.
        label_names: () where there are no classes.
        columns: "text", "label" and, of pairs, "text_b" -> where it was read from.
        named_labels: False when the labels are bare numbers without given names, so that a
            prompt would have nothing to say.
        digest: Content hash (sha256 hex) of all inputs, targets and label names.
    """

    name: str
    modality: str
    label_names: tuple[str, ...]
    train: Split
    test: Split
    ood: Split | None = None
    description: str | None = None
    named_labels: bool = True
    findings: tuple[Finding, ...] = ()
    digest: str = ""
    task: str = "classification"
    columns: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


class DataSource(Protocol):
    """One kind of place data can come from."""

    def accepts(self, request: DataRequest) -> bool:
        """Whether this source can read what was named (cheap: at most a first line is read)."""

    def load(self, request: DataRequest) -> Dataset:
        """Read and check.

        Raises:
            advisor.errors.DataError: With the file, what is wrong and what to write instead.
        """


def is_local(name: str) -> bool:
    """Whether a name is a path on this machine."""
    return Path(name).expanduser().exists()

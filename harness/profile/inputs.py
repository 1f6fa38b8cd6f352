"""The inputs to be profiled: as `harness run` reads them, or without labels where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from advisor.errors import DataError
from harness.datasets import images, tables
from harness.datasets.base import DataRequest, Dataset, Finding
from harness.datasets.checks import examine
from harness.datasets.load import load_dataset
from harness.datasets.rows import Reading, Rows, text_rows

_LABEL = "label"  # the column of labels where none is named
_LEAST = 2


@dataclass(frozen=True)
class Inputs:
    """What is profiled.

    Attributes:
        inputs: Texts or image files after duplicates and leakage were removed, length n.
        targets: Class indices, int64, shape (n,); None where there are no labels.
        label_names: Of the classes; empty where there are no labels.
        named: Whether those names say something (they are not bare numbers).
        held: Rows of the test and of the shifted set, which are not among `inputs`.
        findings: Of the same checks as before a run.
    """

    name: str
    modality: str
    task: str | None
    inputs: tuple[Any, ...]
    targets: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    named: bool = False
    description: str | None = None
    held: int = 0
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    def sample(self, rows: int, seed: int) -> np.ndarray:
        """Positions of so many inputs drawn without replacement, in order; all if there are fewer."""
        drawn = np.random.default_rng(seed).permutation(len(self))[:rows]
        return np.sort(drawn)


def read_inputs(request: DataRequest, *, label_column: str | None = None) -> Inputs:
    """Read and check what `--data` names.

    Args:
        label_column: None for "label" if there is such a column, else no labels.

    Raises:
        AdviceError: If it cannot be used as it is.
    """
    request = replace(request, label_column=label_column or _LABEL)
    location = Path(request.data).expanduser()
    if location.is_file() and location.suffix.lower() == ".txt":
        return _unlabelled(request, Reading(_lines(location)), location.stem, "text")
    if location.is_dir() and not tables.part(location, ("train",)) and _is_flat(location):
        return _unlabelled(request, _flat_images(location), location.resolve().name, "image")
    is_table = location.exists() and (location.is_dir() or tables.is_table(location))
    if label_column is None and is_table and not _has_labels(location, request):
        bare = tables.read(location, replace(request, label_column=request.text_column))
        return _unlabelled(request, bare, location.resolve().stem, "text")
    return _labelled(load_dataset(request))


def _labelled(data: Dataset) -> Inputs:
    return Inputs(
        name=data.name,
        modality=data.modality,
        task=data.task,
        inputs=data.train.inputs,
        targets=data.train.targets,
        label_names=data.label_names,
        named=data.named_labels,
        description=data.description,
        held=len(data.test) + (len(data.ood) if data.ood is not None else 0),
        findings=data.findings,
    )


def _unlabelled(request: DataRequest, reading: Reading, name: str, modality: str) -> Inputs:
    """After the same look for duplicates and leakage as labelled rows get.

    Raises:
        DataError: If fewer than two inputs are left.
    """
    pool, test = _without_labels(reading.pool), reading.test
    kept, found = examine(pool, None if test is None else _without_labels(test), None)
    if len(kept) < _LEAST:
        raise DataError(
            f"{request.data} leaves {len(kept)} input to measure after the checks; give at least "
            f"{_LEAST} different ones."
        )
    return Inputs(
        name=name,
        modality=modality,
        task=request.task,
        inputs=kept.inputs,
        description=request.description,
        held=0 if test is None else len(test),
        findings=(*reading.findings, *found),
    )


def _without_labels(rows: Rows) -> Rows:
    return replace(rows, labels=("",) * len(rows))


def _has_labels(location: Path, request: DataRequest) -> bool:
    """Whether a table, or the train table of a folder, has the usual column of labels."""
    file = tables.part(location, ("train",)) if location.is_dir() else location
    if file is None:
        return True  # a folder of images per class
    try:
        tables.read(file, replace(request, text_column=_LABEL, task="classification"))
    except DataError:
        return False
    return True


def _lines(file: Path) -> Rows:
    """One text a line; empty lines are passed over."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{file} is not UTF-8; save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from None
    found = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise DataError(f"{file} is empty; it needs one text a line.")
    return text_rows(
        [line for _, line in found], [""] * len(found), [f"{file.name}:{n}" for n, _ in found]
    )


def _is_flat(folder: Path) -> bool:
    """Whether a folder holds files but no folders: images without classes."""
    children = _shown(folder)
    return bool(children) and not any(child.is_dir() for child in children)


def _shown(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if not child.name.startswith("."))


def _flat_images(folder: Path) -> Reading:
    """Raises DataError where hardly a file is an image."""
    files = _shown(folder)
    seen = [(file, known) for file in files if (known := images.signature(file)) is not None]
    bad = len(files) - len(seen)
    if bad > images.MOST_UNREADABLE * len(files):
        raise DataError(
            f"{folder}: {bad:,} of {len(files):,} files cannot be read as images. Give a folder of "
            "images, a folder of images per class, or a table of texts."
        )
    note = f"{bad:,} of {len(files):,} files in {folder.name}/ cannot be read as images and were skipped."
    return Reading(
        Rows(
            inputs=tuple(file for file, _ in seen),
            labels=("",) * len(seen),
            ids=tuple(file.name for file, _ in seen),
            signatures=tuple(known for _, known in seen),
        ),
        findings=(Finding("corrupt_images", "warning", note, bad),) if bad else (),
    )


def class_counts(inputs: Inputs) -> dict[str, int]:
    """Class name -> rows, the largest first; empty without labels."""
    if inputs.targets is None:
        return {}
    counts = np.bincount(inputs.targets, minlength=len(inputs.label_names))
    order: Sequence[int] = np.argsort(-counts, kind="stable").tolist()
    return {inputs.label_names[place]: int(counts[place]) for place in order}

"""What the winner of a run says of new inputs in a file or folder, as a table, part by part.

The input is read twice: once to the end, to refuse what cannot be used before anything is written,
then in parts of so many rows. Memory holds the model and one part, however long the file is.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from advisor.errors import DataError
from harness.datasets.boxes import EDGES, LOCALIZATION
from harness.datasets.images import upright_size
from harness.features import uncached
from harness.inputs import Inputs, open_inputs
from harness.winner import Manifest, load_winner, read_manifest

PREDICTION = "prediction"
PART_ROWS = 4096
"""Rows read, predicted and written at once."""
UNCACHED_ABOVE = 20_000
"""Of more rows than these no features are kept: they would fill the disk."""

Told = Callable[[int, int], None]
"""Called with the rows predicted and the rows in all."""


def predict_file(run: Path, given: Path, *, device: str = "auto") -> str:
    """The whole table of `predicted_parts`, for inputs that fit into memory."""
    return "".join(predicted_parts(run, given, device=device))


def predicted_parts(
    run: Path, given: Path, *, device: str = "auto", told: Told = lambda done, of: None
) -> Iterator[str]:
    """Predict every row of a table, or every image of a folder.

    Yields:
        CSV: the input's columns, `prediction`, and for classes `probability_LABEL` for every
        label. Several numbers are one prediction, parted by blanks; of a box these are shares of
        width and height, and `x_min` to `y_max` are in pixels of the image. A folder of images
        has the column `file`.

    Raises:
        OutputError: If the run has no winner.
        DataError: If the input cannot be used; nothing was yielded then.
        ModelError: If the pretrained model is gone or changed.
    """
    manifest = read_manifest(run)
    inputs = open_inputs(given, manifest)
    header = [*inputs.header, *_added(manifest)]
    if taken := sorted(set(_added(manifest)) & set(inputs.header)):
        raise DataError(f"{given} has a column {taken[0]!r} already. Rename it first.")
    winner = load_winner(run, device=device)
    with uncached() if inputs.count > UNCACHED_ABOVE else nullcontext():
        done = 0
        for rows in _parts(inputs):
            answers = winner.predict([value for _, value in rows])
            table = [_line(row, value, answer, manifest) for (row, value), answer in zip(rows, answers, strict=True)]  # fmt: skip
            yield _csv(table if done else [header, *table])
            done += len(rows)
            told(done, inputs.count)


def _parts(inputs: Inputs) -> Iterator[list[Any]]:
    rows = inputs.rows()
    while part := list(itertools.islice(rows, PART_ROWS)):
        yield part


def _added(manifest: Manifest) -> list[str]:
    """The columns that are new."""
    added = [PREDICTION]
    if manifest.output == "probabilities":
        added += [f"probability_{label}" for label in manifest.label_names]
    if manifest.task == LOCALIZATION:
        added += EDGES
    return added


def _line(row: Sequence[str], value: Any, answer: np.ndarray, manifest: Manifest) -> list[str]:
    pixels = _pixels(answer, Path(value)) if manifest.task == LOCALIZATION else []
    return [*row, *_cells_of(answer, manifest), *pixels]


def _csv(rows: Sequence[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()


def _cells_of(answer: np.ndarray, manifest: Manifest) -> list[str]:
    """What is written of one answer."""
    if manifest.output == "texts":
        return [str(answer)]
    if manifest.output == "numbers":
        return [" ".join(f"{value:.6g}" for value in answer)]
    label = manifest.label_names[int(answer.argmax())]
    return [label, *(f"{value:.6f}" for value in answer)]


def _pixels(box: np.ndarray, file: Path) -> list[str]:
    """A box in pixels of its image, to a tenth."""
    return [f"{edge:.1f}" for edge in box * np.tile(upright_size(file), 2)]

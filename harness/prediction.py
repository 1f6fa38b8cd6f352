"""New inputs in a file or folder, and what the winner of a run says of them, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from advisor.errors import DataError
from harness.datasets.boxes import EDGES, LOCALIZATION
from harness.datasets.images import upright_size
from harness.text_pair import TextPair
from harness.winner import Manifest, predict, read_manifest

PREDICTION = "prediction"
FILE_COLUMN = "file"
_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Inputs:
    """Rows as given, and what of each row the model reads."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    values: tuple[str | Path, ...]


def predict_file(run: Path, given: Path, *, device: str = "auto") -> str:
    """Predict every row of a table, or every image of a folder.

    Returns:
        CSV: the input's columns, `prediction`, and for classes `probability_LABEL` for every
        label. Several numbers are one prediction, parted by blanks; of a box these are shares of
        width and height, and `x_min` to `y_max` are in pixels of the image. A folder of images
        has the column `file`.

    Raises:
        OutputError: If the run has no winner.
        DataError: If the input cannot be used.
        ModelError: If the pretrained model is gone or changed.
    """
    manifest = read_manifest(run)
    inputs = read_inputs(given, manifest)
    answers, _ = predict(run, inputs.values, device=device)
    added = [PREDICTION]
    if manifest.output == "probabilities":
        added += [f"probability_{label}" for label in manifest.label_names]
    if manifest.task == LOCALIZATION:
        added += EDGES
    if taken := sorted(set(added) & set(inputs.header)):
        raise DataError(f"{given} has a column {taken[0]!r} already. Rename it first.")
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow([*inputs.header, *added])
    for row, value, answer in zip(inputs.rows, inputs.values, answers, strict=True):
        pixels = _pixels(answer, Path(value)) if manifest.task == LOCALIZATION else []
        table.writerow([*row, *_cells_of(answer, manifest), *pixels])
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


def read_inputs(given: Path, manifest: Manifest) -> Inputs:
    """What is to be predicted.

    Raises:
        DataError: If there is nothing to read, or the column is missing.
    """
    if not given.exists():
        raise DataError(f"no such file or folder: {given} (given as --input).")
    if given.is_dir():
        return _folder(given, manifest)
    column = manifest.text_column if manifest.modality == "text" else FILE_COLUMN
    header, rows = _table(given)
    cells = _cells(given, header, rows, column)
    if manifest.modality != "text":
        return Inputs(header, rows, _existing(given, cells))
    if manifest.text_b_column is None:
        return Inputs(header, rows, tuple(cells))
    others = _cells(given, header, rows, manifest.text_b_column)
    return Inputs(header, rows, tuple(map(TextPair, cells, others)))


def _cells(
    given: Path, header: tuple[str, ...], rows: tuple[tuple[str, ...], ...], column: str
) -> list[str]:
    if column not in header:
        raise DataError(
            f"{given} has no column {column!r}. Columns: {', '.join(header)}. "
            f"The run read its inputs from {column!r}: name the column so."
        )
    return [row[header.index(column)].strip() for row in rows]


def _folder(given: Path, manifest: Manifest) -> Inputs:
    if manifest.modality == "text":
        raise DataError(f"{given} is a folder, but the run read texts. Give a CSV file.")
    files = sorted(one for one in given.rglob("*") if one.suffix.lower() in _IMAGES)
    if not files:
        raise DataError(f"{given} holds no images ({', '.join(_IMAGES)}).")
    rows = tuple((one.relative_to(given).as_posix(),) for one in files)
    return Inputs((FILE_COLUMN,), rows, tuple(files))


def _existing(given: Path, cells: Sequence[str]) -> tuple[Path, ...]:
    """Image files; a relative one lies beside the table that names it."""
    files = tuple(given.parent / cell for cell in cells)
    if missing := [file for file in files if not file.is_file()]:
        raise DataError(f"{given}: no such image: {missing[0]} ({len(missing)} missing in all).")
    return files


def _table(path: Path) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Header and rows of a CSV file; every cell stays text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [tuple(row) for row in csv.reader(file, strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as CSV ({error}). Save it as CSV in UTF-8."
        ) from None
    if len(rows) < 2:
        raise DataError(f"{path} holds no rows; it needs a header line and one input a line.")
    header, body = tuple(name.strip() for name in rows[0]), rows[1:]
    if long := next((row for row in body if len(row) > len(header)), None):
        raise DataError(
            f"{path}: a row has {len(long)} cells, but the header names {len(header)}. "
            "Put texts that hold commas in double quotes."
        )
    return header, tuple(row + ("",) * (len(header) - len(row)) for row in body)

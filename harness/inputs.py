"""New inputs in a CSV file or a folder of images, read row by row."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import DataError
from harness.text_pair import TextPair
from harness.winner import Manifest

FILE_COLUMN = "file"
_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

Cells = tuple[str, ...]
Value = str | Path | TextPair


@dataclass(frozen=True)
class Inputs:
    """Inputs that were read once and found good.

    Attributes:
        count: Number of rows.
        rows: Reads them again: each as given, and what of it the model reads.
    """

    header: Cells
    count: int
    rows: Callable[[], Iterator[tuple[Cells, Value]]]


def open_inputs(given: Path, manifest: Manifest) -> Inputs:
    """Look through what is to be predicted.

    Raises:
        DataError: If there is nothing to read, a column is missing, or a row is damaged.
    """
    if not given.exists():
        raise DataError(f"no such file or folder: {given} (given as --input).")
    if given.is_dir():
        return _folder(given, manifest)
    if not given.is_file():
        raise DataError(f"{given} is no file. It is read twice: save what it gives as a CSV file.")
    return _table(given, manifest)


def _folder(given: Path, manifest: Manifest) -> Inputs:
    if manifest.modality == "text":
        raise DataError(f"{given} is a folder, but the run read texts. Give a CSV file.")
    files = sorted(one for one in given.rglob("*") if one.suffix.lower() in _IMAGES)
    if not files:
        raise DataError(f"{given} holds no images ({', '.join(_IMAGES)}).")

    def rows() -> Iterator[tuple[Cells, Value]]:
        for one in files:
            yield (one.relative_to(given).as_posix(),), one

    return Inputs((FILE_COLUMN,), len(files), rows)


def _table(given: Path, manifest: Manifest) -> Inputs:
    lines = _lines(given)
    header = tuple(name.strip() for name in next(lines, ()))
    is_text = manifest.modality == "text"
    columns = [manifest.text_column if is_text else FILE_COLUMN]
    if is_text and manifest.text_b_column is not None:
        columns.append(manifest.text_b_column)
    count, missing, first = 0, 0, Path()
    for row in lines:
        if len(row) > len(header):
            raise DataError(
                f"{given}: a row has {len(row)} cells, but the header names {len(header)}. "
                "Put texts that hold commas in double quotes."
            )
        count += 1
        if not is_text and columns[0] in header:
            file = given.parent / _cell(row, header.index(columns[0]))
            if not file.is_file():
                missing, first = missing + 1, first if missing else file
    if not count:
        raise DataError(f"{given} holds no rows; it needs a header line and one input a line.")
    places = [_place(given, header, column) for column in columns]
    if missing:
        raise DataError(f"{given}: no such image: {first} ({missing} missing in all).")

    def rows() -> Iterator[tuple[Cells, Value]]:
        again = _lines(given)
        next(again)
        for row in again:
            whole = row + ("",) * (len(header) - len(row))
            cells = [_cell(whole, place) for place in places]
            if not is_text:
                yield whole, given.parent / cells[0]
            else:
                yield whole, cells[0] if len(cells) == 1 else TextPair(cells[0], cells[1])

    return Inputs(header, count, rows)


def _place(given: Path, header: Cells, column: str) -> int:
    if column not in header:
        raise DataError(
            f"{given} has no column {column!r}. Columns: {', '.join(header)}. "
            f"The run read its inputs from {column!r}: name the column so."
        )
    return header.index(column)


def _cell(row: Cells, place: int) -> str:
    return row[place].strip() if place < len(row) else ""


def _lines(path: Path) -> Iterator[Cells]:
    """Rows of a CSV file, the header first; every cell stays text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (tuple(row) for row in csv.reader(file, strict=True) if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as CSV ({error}). Save it as CSV in UTF-8."
        ) from None

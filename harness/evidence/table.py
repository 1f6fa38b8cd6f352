"""Rows of evidence as CSV files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from advisor.errors import DataError
from harness.evidence.schema import STORED, Column, Row
from harness.files import write_text

TABLES = ("sources.csv", "data_sets.csv", "shifts.csv", "pretraining.csv")
"""Files of an evidence folder that hold no rows."""
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")
_DEFAULTS: dict[str, Any] = {one.name: one.default for one in fields(Row)}


def read_rows(file: Path) -> list[Row]:
    """The rows of one file, as they are written.

    Raises:
        DataError: If it is no table of evidence or a cell cannot be read.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:  # spreadsheets write the mark
            reader = csv.DictReader(stream)
            names = reader.fieldnames or []
            _check_header(file, names)
            return [parse_row(file, reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as CSV ({error}).") from None


def write_rows(rows: Iterable[Row], file: Path) -> int:
    """Write rows in a fixed order, without columns that none of them fills; returns how many."""
    kept = sorted(rows, key=_order)
    filled = [
        one
        for one in STORED
        if one.required or any(getattr(row, one.name) != _DEFAULTS[one.name] for row in kept)
    ]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(one.name for one in filled)
    for row in kept:
        table.writerow(cell(getattr(row, one.name)) for one in filled)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, text.getvalue().rstrip("\n"))
    return len(kept)


def read_table(file: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """A table beside the rows; an empty list if there is none.

    Raises:
        DataError: If it cannot be read or has not exactly these columns.
    """
    if not file.exists():
        return []
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if tuple(reader.fieldnames or ()) != columns:
                raise DataError(f"{file} must have the columns {', '.join(columns)}.")
            return [{name: one[name] or "" for name in columns} for one in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as CSV ({error}).") from None


def cell(value: object) -> str:
    """How a value is written; `read_rows` gets the same value back."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)


def _order(row: Row) -> tuple[str, ...]:
    """By what people look for first, numbers by size; then by everything else."""
    return tuple(
        f"{value:024.6f}" if isinstance(value, int | float) else cell(value)
        for value in (
            row.source, row.data, row.model, row.pretraining, row.metric, row.n_train, row.strategy,
            row.variant, row.seed, row.split, *(getattr(row, one.name) for one in STORED),
        )
    )  # fmt: skip


def _check_header(file: Path, names: Iterable[str]) -> None:
    given = list(names)
    known = {one.name for one in STORED}
    missing = [one.name for one in STORED if one.required and one.name not in given]
    strange = [name for name in given if name not in known]
    if missing or strange or len(set(given)) < len(given):
        what = (
            f"lacks the columns {', '.join(missing)}" if missing
            else f"has the unknown columns {', '.join(map(repr, strange))}" if strange
            else "has a column twice"
        )  # fmt: skip
        raise DataError(f"{file} {what}. The columns of evidence are listed in docs/evidence.md.")


def parse_row(file: Path, line: int, cells: Mapping[Any, str | None]) -> Row:
    """The row of one line of a file; cells that are missing are empty.

    Raises:
        DataError: If a cell cannot be read or a required one is empty.
    """
    if None in cells or None in cells.values():
        raise DataError(f"{file} line {line}: another number of cells than the header has.")
    values: dict[str, Any] = {}
    for one in STORED:
        text = (cells.get(one.name) or "").strip()
        if text or one.required:
            values[one.name] = _value(file, line, one, text)
    return Row(**values)


def _value(file: Path, line: int, one: Column, text: str) -> object:
    try:
        value = _READERS[one.kind](text)
    except ValueError:
        raise DataError(
            f"{file} line {line}: {one.name} must be a {one.kind}; got {text!r}."
        ) from None
    if one.required and value == "":
        raise DataError(f"{file} line {line}: {one.name} is empty.")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _flag(text: str) -> bool:
    if text.lower() not in (*_YES, *_NO):
        raise ValueError(text)
    return text.lower() in _YES


_READERS: dict[str, Any] = {
    "text": str,
    "whole number": int,
    "number": _number,
    "yes or no": _flag,
    "names": lambda text: tuple(text.split()),
}

"""Reads CSV, TSV and JSON Lines into rows. Every cell stays text: "007" and "NA" are words."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from advisor.errors import DataError
from harness.datasets import tagged
from harness.datasets.base import LABEL, TEXT, TEXT_B, DataRequest, Finding
from harness.datasets.rows import Reading, Rows, text_rows
from harness.text_pair import TextPair

SUFFIXES = (".csv", ".tsv", ".jsonl")
VALIDATION_NAMES = ("val", "valid", "validation", "dev")
MAY_BE_EMPTY = ("qa",)
"""Tasks in which no answer is an answer: the passage does not hold one."""
_SHOWN = 20  # column names in an error message

Record = tuple[int, dict[str, str]]  # line number, cells by column


def part(folder: Path, names: Sequence[str]) -> Path | None:
    """The table in a folder that is called by one of these names, such as train.csv."""
    for name in names:
        for suffix in SUFFIXES:
            if (file := folder / f"{name}{suffix}").is_file():
                return file
    return None


def is_table(location: Path) -> bool:
    """Whether a name ends like that of a table, in either case."""
    return location.suffix.lower() in SUFFIXES


def read(location: Path, request: DataRequest) -> Reading:
    """A table, or a folder with train.csv and, if it has them, test.csv and val.csv.

    The validation part joins the pool: `harness` draws validation examples itself, so that
    every strategy pays for them out of the same number of labels.

    Raises:
        DataError: If a file cannot be read or a column is missing.
    """
    if location.is_file():
        pool, findings, columns = _read_file(location, request)
        return Reading(pool, findings=findings, columns=columns)
    train = part(location, ("train",))
    if train is None:
        raise DataError(f"{location} holds no train.csv, train.tsv or train.jsonl.")
    pool, findings, columns = _read_file(train, request)
    test = None
    if file := part(location, VALIDATION_NAMES):
        more, noticed, _ = _read_file(file, request)
        pool, findings = pool + more, findings + noticed
        note = f"The {len(more):,} rows of {file.name} joined the pool; validation rows are drawn from it."
        findings += (Finding("validation_part", "note", note, len(more)),)
    if file := part(location, ("test",)):
        test, noticed, _ = _read_file(file, request)
        findings += noticed
    return Reading(pool, test, findings, columns)


def records(path: Path) -> Iterator[Record]:
    """Line number and cells by column of each row of a table.

    Raises:
        DataError: If the file cannot be read.
    """
    content = decode(path)
    if not content.strip():
        raise DataError(f"{path} is empty; it needs a header line and one labelled text a line.")
    lines = path.suffix.lower() == ".jsonl"
    return _json_lines(path, content) if lines else _delimited(path, content)


def _read_file(
    path: Path, request: DataRequest
) -> tuple[Rows, tuple[Finding, ...], dict[str, str]]:
    texts: list[str] = []
    labels, ids, groups = [], [], []
    empty = 0
    columns: dict[str, str] = {}
    for number, (line, cells) in enumerate(records(path)):
        if number == 0:  # of JSON rows, the first decides: a later one may lack an empty cell
            columns = _columns(request, list(cells))
            _check_columns(path, list(cells), request, columns)
        text = cells.get(columns[TEXT], "").strip()
        label = cells.get(columns[LABEL], "").strip()
        other = cells.get(columns[TEXT_B], "").strip() if TEXT_B in columns else None
        unanswered = not label and request.task not in MAY_BE_EMPTY
        if not text or unanswered or other == "":
            empty += 1
            continue
        ids.append(f"{path.name}:{line}")
        if request.task == tagged.TASK:
            text, label = tagged.words_and_tags(text, label, ids[-1])
        texts.append(text if other is None else TextPair(text, other))
        labels.append(label)
        if request.group_column is not None:
            # a row that names no group belongs with no other row
            groups.append(cells.get(request.group_column, "").strip() or ids[-1])
    if not texts:
        found = "only rows without a text or a label" if empty else "no rows"
        raise DataError(f"{path} holds {found}; it needs one labelled text a line.")
    rows = text_rows(texts, labels, ids, groups if request.group_column is not None else None)
    if not empty:
        return rows, (), columns
    note = f"{empty:,} of {empty + len(rows):,} rows of {path.name} have no text or no label and were left out."
    return rows, (Finding("empty_rows", "warning", note, empty),), columns


def decode(path: Path) -> str:
    """The text of a file.

    Raises:
        DataError: If it cannot be read or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start} (line {line}). "
            "Save it as UTF-8, for example with `iconv -f WINDOWS-1252 -t UTF-8`."
        ) from None
    return content


def _delimited(path: Path, content: str) -> Iterator[Record]:
    csv.field_size_limit(max(csv.field_size_limit(), len(content)))  # its default cuts at 128 KiB
    reader = csv.reader(
        io.StringIO(content, newline=""), delimiter=_delimiter(path, content), strict=True
    )
    header: list[str] | None = None
    try:
        for cells in reader:
            if not cells:  # a blank line
                continue
            if header is None:
                header = [name.strip() for name in cells]
                continue
            if len(cells) > len(header):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells, but the header names {len(header)}. "
                    "Put texts that hold the delimiter in double quotes."
                )
            # a short row lacks its last cells: they count as empty
            padded = cells + [""] * (len(header) - len(cells))
            yield reader.line_num, dict(zip(header, padded, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: {error}. Quotes inside a quoted text are written twice."
        ) from None


def _delimiter(path: Path, content: str) -> str:
    """Tab for .tsv; else whichever of , ; tab | the header line holds most of."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = content.lstrip().splitlines()[0]
    return max(",;\t|", key=header.count)


def _json_lines(path: Path, content: str) -> Iterator[Record]:
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, parse_int=str, parse_float=str)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {number}: not JSON ({error.msg}); write one object a line."
            ) from None
        if not isinstance(record, dict):
            raise DataError(
                f'{path}, line {number}: not an object; write {{"text": …, "label": …}}.'
            )
        yield number, {name: _cell(value) for name, value in record.items()}


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _columns(request: DataRequest, found: Sequence[str]) -> dict[str, str]:
    """Where texts and labels are: where the user said, else where the task's often are."""
    named = {TEXT: request.text_column, TEXT_B: request.text_b_column, LABEL: request.label_column}
    columns = {
        role: _first_found((name, *(request.columns.get(role, ()) if name == role else ())), found)
        for role, name in named.items()
    }
    pairs = TEXT_B in request.columns or (request.task is None and request.text_b_column in found)
    if not pairs:
        del columns[TEXT_B]
    return columns


def _first_found(names: Sequence[str], found: Sequence[str]) -> str:
    """The first of these columns that is there, in either case of letters; else the first name."""
    lower = {name.lower(): name for name in reversed(found)}
    exact = next((name for name in names if name in found), None)
    return exact or next((lower[name] for name in names[1:] if name in lower), names[0])


def _check_columns(
    path: Path, found: list[str], request: DataRequest, columns: Mapping[str, str]
) -> None:
    wanted = {
        "--text-column": columns[TEXT],
        "--text-b-column": columns.get(TEXT_B),
        "--label-column": columns[LABEL],
        "--group-column": request.group_column,
    }
    check_columns(path, found, wanted)


def check_columns(path: Path, found: Sequence[str], wanted: Mapping[str, str | None]) -> None:
    """Make sure that columns are there.

    Args:
        wanted: The flag that names a column -> its name; None where none is wanted.

    Raises:
        DataError: With the first that is missing, what is there, and the nearest name.
    """
    for flag, column in wanted.items():
        if column is None or column in found:
            continue
        lower = [name.lower() for name in found]
        near = difflib.get_close_matches(column.lower(), lower, n=1, cutoff=0.6)
        hint = f"Did you mean {found[lower.index(near[0])]!r}? " if near else ""
        shown = ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
        raise DataError(
            f"{path} has no column {column!r}. {hint}Columns: {shown}. Name one with {flag}."
        )

"""A table that names an image file and its label a row."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from advisor.errors import DataError
from harness.datasets import tables
from harness.datasets.assemble import assemble
from harness.datasets.base import LABEL, DataRequest, Dataset, Finding
from harness.datasets.image_parts import FILE, existing, in_parts
from harness.datasets.images import image_rows
from harness.datasets.rows import Reading

_FIRST_LINE = 65_536  # bytes in which a header line ends


class ImageTableSource:
    """A table with the columns `file` and label, or a folder with train.csv of that form."""

    def accepts(self, request: DataRequest) -> bool:
        table = _table(Path(request.data).expanduser())
        if table is None:
            return False
        header = _header(table)
        return FILE in header and request.text_column not in header

    def load(self, request: DataRequest) -> Dataset:
        location = Path(request.data).expanduser()
        reader = partial(read, request=request)
        return assemble(
            request, reader(location), name=location.resolve().stem, modality="image", read=reader
        )


def read(location: Path, request: DataRequest) -> Reading:
    """Images and their labels as written; the parts are train.csv and test.csv of a folder, or
    the folders train/ and test/ in which the images of one table lie.

    Raises:
        DataError: With the file and line that cannot be used.
    """
    table = _table(location)
    if table is None:
        raise DataError(f"{location} is no table with the column {FILE!r}, and holds no train.csv.")
    reading = _read_table(table, request)
    test = tables.part(location, ("test",)) if location.is_dir() else None
    if test is None:
        return reading
    other = _read_table(test, request)
    return Reading(
        reading.pool + reading.test if reading.test else reading.pool,
        other.pool + other.test if other.test else other.pool,
        reading.findings + other.findings,
        reading.columns,
    )


def _read_table(table: Path, request: DataRequest) -> Reading:
    files, labels, names, groups = [], [], [], []
    empty, checked = 0, False
    for line, cells in tables.records(table):
        if not checked:
            wanted = {
                "--label-column": request.label_column,
                "--group-column": request.group_column,
            }
            tables.check_columns(table, list(cells), wanted)
            checked = True
        label, name = cells.get(request.label_column, "").strip(), cells.get(FILE, "").strip()
        if not label:
            empty += 1
            continue
        files.append(existing(table, line, name))
        labels.append(label)
        names.append(name)
        if request.group_column is not None:
            groups.append(cells.get(request.group_column, "").strip() or name)
    if not files:
        raise DataError(f"{table} holds no labelled image; it needs one a line.")
    rows, findings = image_rows(
        files, labels, names, table, groups if request.group_column is not None else None
    )
    if empty:
        note = f"{empty:,} of {empty + len(files):,} rows of {table.name} have no label and were left out."
        findings += (Finding("empty_rows", "warning", note, empty),)
    parts = in_parts(rows, rows.ids, findings)
    return Reading(parts.pool, parts.test, parts.findings, {LABEL: request.label_column})


def _table(location: Path) -> Path | None:
    """The table that was named, or train.csv of the folder; JSON Lines are for texts."""
    if location.is_dir():
        location = tables.part(location, ("train",)) or location
    good = location.is_file() and tables.is_table(location)
    return location if good and location.suffix.lower() != ".jsonl" else None


def _header(table: Path) -> list[str]:
    """The column names, as far as can be told without reading on."""
    with table.open("rb") as file:
        first = file.read(_FIRST_LINE).decode("utf-8-sig", errors="replace").strip().split("\n")[0]
    delimiter = "\t" if table.suffix.lower() == ".tsv" else max(",;\t|", key=first.count)
    return [cell.strip().strip('"') for cell in first.split(delimiter)]

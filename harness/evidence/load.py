"""Evidence as the fit and the commands read it: rows with everything joined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.errors import DataError
from harness.evidence.metrics import group_of
from harness.evidence.schema import Row
from harness.evidence.table import TABLES, read_rows, read_table
from harness.evidence.tags import UNFINISHED, standing
from harness.shipped import shipped

SOURCES = ("source", "paper", "year", "url")
DATA_SETS = ("data", "data_group", "subject")
SHIFTS = ("data", "corpus", "shift", "reason")


@dataclass(frozen=True)
class Tables:
    """What is joined to the rows.

    Attributes:
        sources: Source -> (paper, year, url).
        data_sets: Data set -> (data_group, subject).
        shifts: (data set, kind of pretraining data) -> (shift, reason).
    """

    sources: dict[str, tuple[str, int | None, str]]
    data_sets: dict[str, tuple[str, str]]
    shifts: dict[tuple[str, str], tuple[float, str]]


def load(paths: Iterable[Path] | None = None) -> list[Row]:
    """All rows of evidence, joined.

    Args:
        paths: Files or folders of rows; None for the evidence that travels with the package.
            Tables of sources, data sets and shifts in a folder add to those of the package.

    Returns:
        Rows in an order that depends on their content alone.

    Raises:
        DataError: If a file cannot be read.
    """
    places = [shipped("evidence")] if paths is None else list(paths)
    tables = read_tables(place for place in places if place.is_dir())
    rows = [join(row, tables) for file in row_files(places) for row in read_rows(file)]
    return sorted(_by_strategy(rows), key=lambda row: (row.source, row.id, row.value))


def _by_strategy(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows, where one seed that ended unfinished makes all seeds of a strategy unfinished.

    Source: docs/protocol.md, "What is marked".
    """
    unfinished = {row.arm: row.status for row in rows if row.status in UNFINISHED}
    for row in rows:
        status = unfinished.get(row.arm) if row.status else None
        if status is None or row.status in UNFINISHED:
            yield row
        else:
            found = standing(row.protocol, row.tags, status)
            yield replace(row, usable=found.usable, weight=found.weight, why=found.why)


def row_files(places: Sequence[Path]) -> list[Path]:
    """The files that hold rows.

    Raises:
        DataError: If a place does not exist or a folder holds no CSV file.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise DataError(f"there is no file or folder {place}.")
        inside = [one for one in sorted(place.glob("*.csv")) if one.name not in TABLES]
        if place.is_dir() and not any(place.glob("*.csv")):
            raise DataError(f"{place} holds no CSV files of evidence.")
        found += inside if place.is_dir() else [place]
    return list(dict.fromkeys(found))


def read_tables(folders: Iterable[Path] = ()) -> Tables:
    """The tables of the package and of further folders, whose entries win.

    Raises:
        DataError: If one cannot be read.
    """
    tables = Tables({}, {}, {})
    for folder in dict.fromkeys([shipped("evidence"), *folders]):
        for one in read_table(folder / "sources.csv", SOURCES):
            year = int(_number(folder / "sources.csv", one["year"])) if one["year"] else None
            tables.sources[one["source"]] = (one["paper"], year, one["url"])
        for one in read_table(folder / "data_sets.csv", DATA_SETS):
            tables.data_sets[one["data"]] = (one["data_group"], one["subject"])
        for one in read_table(folder / "shifts.csv", SHIFTS):
            tables.shifts[one["data"], one["corpus"]] = (
                _number(folder / "shifts.csv", one["shift"]),
                one["reason"],
            )
    return tables


def _number(file: Path, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{file}: {text!r} is no number.") from None


def join(row: Row, tables: Tables) -> Row:
    """The row with its joined fields; what the row says itself stays."""
    paper, year, url = tables.sources.get(row.source, ("", None, ""))
    group, subject = tables.data_sets.get(row.data, (row.data, ""))
    shift, reason = row.shift, row.shift_reason
    if shift is None:
        shift, reason = tables.shifts.get((row.data, row.corpus), (None, ""))
    found = standing(row.protocol, row.tags, row.status)
    return replace(
        row,
        source_group=row.source_group or row.source,
        shift=shift,
        shift_reason=reason,
        paper=row.paper or paper,
        year=year if row.year is None else row.year,
        url=row.url or url,
        data_group=group,
        subject=subject,
        metric_group=group_of(row.metric),
        usable=found.usable,
        weight=found.weight,
        why=found.why,
    )

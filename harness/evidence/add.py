"""Own runs and tables of numbers join the evidence; what is there already is left alone."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.errors import AdviceError, DataError
from harness.evidence.check import faults_of, named
from harness.evidence.collected import is_collected, read_collected
from harness.evidence.load import Tables, join, read_tables, row_files
from harness.evidence.older import is_first, read_first
from harness.evidence.schema import Row
from harness.evidence.table import read_rows, write_rows
from harness.shipped import shipped

RESULT = "result.json"


class Faulty(AdviceError):
    """Rows that must not join.

    Args:
        faults: One line each.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(f"nothing was added: {len(faults)} faults.")
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Named:
    """What a run or a table does not say of itself; None leaves it as it is.

    Attributes:
        source, data: What to call them in evidence.
        corpus: Kind of pretraining data. shift: Domain shift in [0, 1]. reason: Why it is that.
    """

    source: str | None = None
    data: str | None = None
    corpus: str | None = None
    shift: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Added:
    """What joined: new rows, rows that were there already, and the files that were written."""

    new: int
    known: int
    files: tuple[Path, ...]


def add(given: Path, to: Path, names: Named | None = None) -> Added:
    """Add a file of evidence or a finished run.

    Args:
        given: A CSV file in the schema, one of an older schema, a collected table
            (see `harness.evidence.collected`), or the folder of a run.
        to: The folder (or one CSV file) they join; made if it does not exist.

    Raises:
        DataError: If it cannot be read.
        Faulty: If a row has a fault or contradicts one that is there; nothing is written then.
    """
    tables = read_tables([to] if to.is_dir() else [])
    rows = [_called(row, names or Named(), tables) for row in read(given)]
    known = {row.key: row.value for row in _present(to)}
    faults = [fault for row in rows for fault in faults_of(join(row, tables))]
    fresh: dict[tuple[object, ...], Row] = {}
    for row in rows:
        before = known.get(row.key, fresh[row.key].value if row.key in fresh else row.value)
        if before != row.value:
            faults.append(
                f"{named(row)}: {row.metric} is {row.value:g} here and {before:g} in the evidence"
            )
        if row.key not in known:
            fresh[row.key] = row
    if faults:
        raise Faulty(faults)
    return Added(len(fresh), len(rows) - len(fresh), tuple(_write(fresh.values(), to)))


def read(given: Path) -> list[Row]:
    """The rows of a file of any known form, or of a run's folder.

    Raises:
        DataError: If it is none of these.
    """
    if not given.exists():
        raise DataError(f"there is no file or folder {given}.")
    if given.is_dir():
        return run_rows(given)
    try:
        if is_collected(given):
            return read_collected(given)
        return read_first(given) if is_first(given) else read_rows(given)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{given} cannot be read as CSV ({error}).") from None


def run_rows(folder: Path) -> list[Row]:
    """The rows of a run that `harness run` or `harness study` finished.

    Raises:
        DataError: If the folder holds none.
    """
    from harness.evidence.rows import evidence_of  # the store and the records are slow to import
    from harness.folder import STORE_FILE
    from harness.store import Store

    file, store = folder / RESULT, folder / STORE_FILE
    if not file.is_file() or not store.is_file():
        raise DataError(f"{folder} holds no finished run ({RESULT} and {STORE_FILE}).")
    result = json.loads(file.read_text(encoding="utf-8"))
    if result.get("protocol") == "search":
        raise DataError(
            f"{folder} is a budgeted search: it favours the strategies it tried most and is no "
            "evidence. Measure with --protocol fair."
        )
    with Store(store) as opened:
        records = opened.query()
    return list(
        evidence_of(folder.resolve().name, result["question"]["data"]["name"], result, records)
    )


def _called(row: Row, names: Named, tables: Tables) -> Row:
    """With the names given for it, and without what the tables say of its source anyway."""
    told = row.source in tables.sources and names.source is None
    return replace(
        row,
        source=names.source or row.source,
        data=names.data or row.data,
        corpus=row.corpus if names.corpus is None or row.corpus == "none" else names.corpus,
        shift=row.shift if names.shift is None or row.corpus == "none" else names.shift,
        shift_reason=row.shift_reason if names.reason is None else names.reason,
        paper="" if told else row.paper,
        year=None if told else row.year,
        url="" if told else row.url,
    )


def _present(to: Path) -> list[Row]:
    """What the package and the destination hold."""
    places = [shipped("evidence"), *([to] if to.is_file() or any(to.glob("*.csv")) else [])]
    return [row for file in row_files(places) for row in read_rows(file)]


def _write(rows: Iterable[Row], to: Path) -> list[Path]:
    """Merge rows into the files they belong to; returns the files that changed."""
    parts: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        parts[to if to.suffix == ".csv" else to / _file_of(row)].append(row)
    for file, new in parts.items():
        write_rows([*(read_rows(file) if file.exists() else []), *new], file)
    return sorted(parts)


def _file_of(row: Row) -> str:
    """Published rows lie together by modality, own ones by study or run."""
    if row.protocol == "published":
        return f"published_{row.modality}.csv"
    return f"own_{re.sub(r'[^a-z0-9]+', '_', row.source.lower()).strip('_')}.csv"

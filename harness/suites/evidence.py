"""Finished runs of a suite join the evidence, with what the suite says of shift and data."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.evidence.add import Added, add
from harness.evidence.corpora import NOTHING
from harness.evidence.load import DATA_SETS, SHIFTS, SOURCES
from harness.evidence.schema import Row
from harness.evidence.table import read_table, write_rows
from harness.files import write_text
from harness.studies.findings import evidence_rows
from harness.studies.spec import Cell
from harness.suites.spec import FOLDER, About, Suite

_NO_PRETRAINING = "no pretraining, so nothing is near"


def join_evidence(name: str, suite: Suite, cells: Sequence[Cell], out: Path, to: Path) -> Added:
    """Add the scores of every finished run to a folder of evidence.

    What is there already is left alone, so a suite that is run in pieces joins in pieces.

    Args:
        name: Of the suite; the source of its rows is `suite_NAME`.
        out: Folder of the runs; `evidence.csv` is written there, too.
        to: Folder of evidence; made if it does not exist.

    Raises:
        Faulty: If a row has a fault or contradicts one that is there; no row joins then.
    """
    source = f"suite_{name}"
    rows = list(evidence_rows(source, cells, out))
    if not rows:
        return Added(0, 0, ())
    file = out / "evidence.csv"
    write_rows(rows, file)
    to.mkdir(parents=True, exist_ok=True)
    data = sorted({row.data for row in rows})
    told = (source, suite.title, str(datetime.now(UTC).year), f"data/{FOLDER}/{name}.yaml")
    _complete(to / "sources.csv", SOURCES, [told], key=1)
    abouts = {one: suite.about[one] for one in data}
    groups = [(one, about.group, about.subject) for one, about in abouts.items()]
    _complete(to / "data_sets.csv", DATA_SETS, groups, key=1)
    _complete(to / "shifts.csv", SHIFTS, list(_shifts(rows, abouts)), key=2)
    return add(file, to)


def _shifts(rows: Sequence[Row], abouts: Mapping[str, About]) -> Iterator[tuple[str, ...]]:
    for data, corpus in sorted({(row.data, row.corpus) for row in rows}):
        if corpus == NOTHING:
            yield data, corpus, "1", _NO_PRETRAINING
        elif (told := abouts[data].shifts.get(corpus)) is not None:
            yield data, corpus, f"{told.shift:g}", told.reason


def _complete(
    file: Path, columns: tuple[str, ...], entries: Sequence[tuple[str, ...]], *, key: int
) -> None:
    """Add what a table lacks; entries it has stay as they are.

    Args:
        key: So many first columns tell entries apart.
    """
    known = [tuple(one[name] for name in columns) for one in read_table(file, columns)]
    keys = {one[:key] for one in known}
    fresh = [one for one in entries if one[:key] not in keys]
    if not fresh:
        return
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(sorted([*known, *fresh]))
    write_text(file, text.getvalue().rstrip("\n"))

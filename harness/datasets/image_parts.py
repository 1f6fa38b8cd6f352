"""Images that a table names, in the parts their folders say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from advisor.errors import DataError
from harness.datasets.base import Finding
from harness.datasets.images import TEST_NAMES, VALIDATION_NAMES
from harness.datasets.rows import Reading, Rows

FILE = "file"
"""The column that names an image; a relative name is looked for beside the table."""


def existing(table: Path, line: int, name: str) -> Path:
    """The image a row names.

    Raises:
        DataError: If there is none.
    """
    file = table.parent / name
    if not name or not file.is_file():
        raise DataError(
            f"{table}, line {line}: no such image: {name or 'no name'}. Names in the column "
            f"{FILE!r} are looked for beside the table."
        )
    return file


def in_parts(rows: Rows, names: Sequence[str], findings: tuple[Finding, ...]) -> Reading:
    """Rows of images in test/ are the test part; the others, those in val/ too, are the pool.

    Args:
        names: Of each row, as the table names the image.
    """
    tests = [PurePosixPath(name).parts[0].lower() in TEST_NAMES for name in names]
    validates = [PurePosixPath(name).parts[0].lower() in VALIDATION_NAMES for name in names]
    if any(validates) and not all(validates):
        count = sum(validates)
        note = f"The {count:,} images of the validation part joined the pool; validation rows are drawn from it."
        findings += (Finding("validation_part", "note", note, count),)
    if not any(tests) or all(tests):
        return Reading(rows, findings=findings)
    pool = rows.take([row for row, test in enumerate(tests) if not test])
    return Reading(pool, rows.take([row for row, test in enumerate(tests) if test]), findings)

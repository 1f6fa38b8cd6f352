"""Evidence files of past schemas; a file of each stays in the tests."""

from __future__ import annotations

import csv
from pathlib import Path

from harness.evidence.corpora import corpus_of
from harness.evidence.schema import STUDIES, Row
from harness.evidence.table import parse_row

FIRST = (
    "source", "model", "params", "family", "objective", "task", "data", "data_digest", "n_train", "classes",
    "strategy", "variant", "seed", "split", "metric", "value", "status", "cap_seconds", "trials", "seconds",
    "trained_parameters", "test_rows", "protocol", "device", "commit",
)  # fmt: skip
"""Columns of the first schema, which held the studies of the package alone."""
_IMAGES = ("convnet", "vit", "clip")


def is_first(file: Path) -> bool:
    """Whether a file has the columns of the first schema."""
    with file.open(encoding="utf-8", newline="") as stream:
        return tuple(next(csv.reader(stream), ())) == FIRST


def read_first(file: Path) -> list[Row]:
    """Its rows in the present schema.

    Raises:
        DataError: If a cell cannot be read.
    """
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        return [parse_row(file, reader.line_num, {**cells, **_more(cells)}) for cells in reader]


def _more(cells: dict[str, str]) -> dict[str, str]:
    scratch = cells["strategy"] == "from_scratch"
    return {
        "source_group": STUDIES,
        "modality": "image" if cells["family"] in _IMAGES else "text",
        "corpus": "none" if scratch else corpus_of(cells["family"], cells["objective"]),
    }

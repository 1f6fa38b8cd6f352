"""Texts with labels in a CSV, TSV or JSON Lines file, or in a folder of train and test files."""

from __future__ import annotations

from pathlib import Path

from harness.datasets import tables
from harness.datasets.assemble import assemble
from harness.datasets.base import DataRequest, Dataset


class CsvSource:
    """A table with one labelled text a row."""

    def accepts(self, request: DataRequest) -> bool:
        location = Path(request.data).expanduser()
        if location.is_dir():
            return tables.part(location, ("train",)) is not None
        return location.is_file() and tables.is_table(location)

    def load(self, request: DataRequest) -> Dataset:
        location = Path(request.data).expanduser()
        reading = tables.read(location, request)
        return assemble(request, reading, name=location.resolve().stem, modality="text")

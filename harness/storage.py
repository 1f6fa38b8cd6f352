"""Predictions and models outside the folder of their run, named by content id.

Any place fsspec reaches: a folder, s3://, gs://, sftp://, … Source: fsspec's `url_to_fs`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from advisor.errors import OutputError
from harness.artefacts import artefact_of
from harness.bench import ARTEFACTS
from harness.records import RunRecord


class Storage:
    """A folder of files that were sent, which others fetch.

    Args:
        url: A path or an fsspec URL.

    Raises:
        OutputError: If there is no such kind of storage, or its package is not installed.
    """

    def __init__(self, url: str | Path) -> None:
        from fsspec.core import url_to_fs

        try:
            self._fs, self._root = url_to_fs(str(url))
        except (ImportError, ValueError) as error:
            raise OutputError(
                f"storage {str(url)!r} cannot be used ({error}). Name a folder or an fsspec URL."
            ) from None
        self.url = str(url)

    def send_predictions(self, record: RunRecord, folder: Path) -> None:
        """Send the predictions of a record, if it has any."""
        if (name := record.happened.predictions) is not None:
            self._send(folder / name, name)

    def fetch_predictions(self, record: RunRecord, folder: Path) -> bool:
        """Put the predictions of a record into a run's folder; False if they are not here."""
        name = record.happened.predictions
        if name is None or (folder / name).exists():
            return True
        return self._fetch(name, folder / name)

    def send_model(self, content_id: str, folder: Path, strategy: str) -> None:
        """Send the model of a strategy that lies in a run's folder, as that of a trial."""
        self._send(folder / ARTEFACTS / strategy, f"{ARTEFACTS}/{content_id}")

    def fetch_model(self, content_id: str, folder: Path, strategy: str) -> bool:
        """Put the model of a trial into a run's folder; False if it is not here."""
        target = folder / ARTEFACTS / strategy
        if artefact_of(target) == content_id:
            return True
        return self._fetch(f"{ARTEFACTS}/{content_id}", target)

    def _send(self, source: Path, name: str) -> None:
        """Files of one content id are equal, so one that is there is left."""
        target = f"{self._root}/{name}"
        done = f"{target}.sent"
        if self._fs.exists(done):
            return
        try:
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            if self._fs.exists(target):  # of a sender that died
                self._fs.rm(target, recursive=True)
            self._fs.put(str(source), target, recursive=source.is_dir())
            self._fs.pipe_file(done, b"")
        except OSError as error:
            raise OutputError(f"cannot write to storage {self.url} ({error}).") from None

    def _fetch(self, name: str, target: Path) -> bool:
        source = f"{self._root}/{name}"
        if not self._fs.exists(f"{source}.sent"):
            return False
        temporary = target.with_name(f".{target.name}.fetched")
        shutil.rmtree(temporary, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._fs.get(source, str(temporary), recursive=self._fs.isdir(source))
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
        return True

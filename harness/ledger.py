"""The records of a run, and of all runs that share a store: no trial is paid for twice.

A run keeps everything in its own folder. Where a store is shared, a trial that another folder,
process or machine has finished is taken from there with its files, and one that another process
is at work on is waited for.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from advisor.errors import SpecError
from harness.artefacts import artefact_of
from harness.bench import ARTEFACTS
from harness.closing import Closing
from harness.records import NO_TIME, RunRecord
from harness.storage import Storage
from harness.store import Store

LEASE_SECONDS = 60.0
"""How long a claim on a trial stands that is not renewed: its process has died."""
_POLL_SECONDS = 0.5


class Ledger(Closing):
    """The store of a run before a shared one.

    Args:
        own: Store in the folder of the run.
        folder: Where the files of records lie.
        shared: Store of all runs; files: where its files lie.
        cancelled: Asked while waiting for another process; True ends the wait.
        lease: Seconds a claim stands; renewed in time while this process lives.
    """

    def __init__(
        self,
        own: Store,
        folder: Path,
        shared: Store,
        files: Storage,
        cancelled: Callable[[], bool] = lambda: False,
        lease: float = LEASE_SECONDS,
    ) -> None:
        self._own, self._folder, self._shared, self._files = own, folder, shared, files
        self._cancelled, self._lease = cancelled, lease
        self._owner = uuid.uuid4().hex
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)
        self._renewing.start()

    def find(self, content_id: str) -> RunRecord | None:
        """The settled record of a trial; None if it is now this process's to measure."""
        found = self._own.find(content_id)
        while found is None:
            found = self._taken(content_id)
            if found is not None or self._cancelled():
                break
            if self._shared.claim(content_id, self._owner, self._lease):
                # between the look and the claim another may have finished it
                found = self._taken(content_id)
                if found is not None:
                    self._shared.release(self._owner, content_id)
                break
            time.sleep(min(_POLL_SECONDS, self._lease))
        return found

    def append(self, record: RunRecord) -> bool:
        """Keep a record here and in the shared store, its files before it."""
        self._files.send_predictions(record, self._folder)
        asked = record.asked
        if asked.stage == "final" and asked.seed == 0 and self._has_model(asked.strategy):
            self._files.send_model(record.content_id, self._folder, asked.strategy)
        kept = self._own.append(record)
        if record.happened.error != NO_TIME:  # says something of this run's cap alone
            self._shared.append(record)
        self._shared.release(self._owner, record.content_id)
        return kept

    def query(
        self,
        *,
        strategy: str | None = None,
        stage: str | None = None,
        status: str | None = None,
        seed: int | None = None,
    ) -> tuple[RunRecord, ...]:
        """The records of this run, as `Store.query`."""
        return self._own.query(strategy=strategy, stage=stage, status=status, seed=seed)

    def fetch_model(self, record: RunRecord) -> bool:
        """Put the model of a finalist of seed 0 into the folder, unless one is there.

        Returns:
            False if nobody shared it.
        """
        strategy = record.asked.strategy
        return self._has_model(strategy) or self._files.fetch_model(
            record.content_id, self._folder, strategy
        )

    def close(self) -> None:
        """Give up claims; the stores are their owners' to close."""
        self._ended.set()
        self._renewing.join()
        self._shared.release(self._owner)

    def _has_model(self, strategy: str) -> bool:
        return artefact_of(self._folder / ARTEFACTS / strategy) is not None

    def _taken(self, content_id: str) -> RunRecord | None:
        """A record of the shared store, whose predictions are put into this folder."""
        found = self._shared.find(content_id)
        if found is None or not self._files.fetch_predictions(found, self._folder):
            return None
        self._own.append(found)
        return found

    def _renew(self) -> None:
        while not self._ended.wait(self._lease / 3):
            self._shared.renew(self._owner, self._lease)


def files_of(store: str, storage: str | None) -> str:
    """Where the files of a shared store lie: as named, else beside the file of an SQLite store.

    Raises:
        SpecError: For a database server without a named place.
    """
    if storage is not None:
        return storage
    if "://" not in store:
        return f"{store}.files"
    if store.startswith("sqlite:///"):
        return f"{store.removeprefix('sqlite:///')}.files"
    raise SpecError(
        "a store on a server holds records only; name a place for predictions and models with "
        "--storage, a folder or an fsspec URL."
    )

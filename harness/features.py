"""Frozen features, extracted once and kept on disk for every seed, size, split and run.

One SQLite file per kind of feature (model, views, longest text); one row per input,
found by the hash of its content, with a checksum and the seconds its extraction took. Writers may
work at the same time. A row or file that is damaged is reported and computed again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from harness.backbones.base import Backbone, Progress, View
from harness.device import cache_dir
from harness.text_pair import TextPair

FORMAT = 3
"""Part of every key: to be raised when stored features would no longer be what is computed."""
BLOCK_ROWS = 1024
"""Rows extracted and stored together: what an interruption can lose."""
_WAIT_SECONDS = 60.0  # for another writer
_KEYS_AT_ONCE = 500

_log = logging.getLogger(__name__)

Row = tuple[np.ndarray, float]
"""Features of one input, and the seconds they took."""


Paid = frozenset[tuple[str, bytes]]
"""Rows that were charged: name of the kind of feature, key of the input."""

_paid: ContextVar[set[tuple[str, bytes]] | None] = ContextVar("paid", default=None)


@contextmanager
def charged_once(paid: Paid = frozenset()) -> Iterator[set[tuple[str, bytes]]]:
    """While the body runs, a row is charged when it is first used and not again.

    A run does all the work on one strategy inside it: however many trials and seeds use a row,
    the strategy alone would have extracted it once.

    Args:
        paid: Rows that were charged before, in another process.

    Yields:
        All rows that were charged, growing while the body runs.
    """
    found = set(paid)
    token = _paid.set(found)
    try:
        yield found
    finally:
        _paid.reset(token)


_bypassed: ContextVar[bool] = ContextVar("bypassed", default=False)


@contextmanager
def uncached() -> Iterator[None]:
    """While the body runs, features are computed and neither read nor kept: to time them, or where
    there are too many."""
    token = _bypassed.set(True)
    try:
        yield
    finally:
        _bypassed.reset(token)


def is_uncached() -> bool:
    """Whether `uncached` holds here: then nothing is gained by computing more than is wanted."""
    return _bypassed.get()


def cached_features(
    backbone: Backbone,
    inputs: Sequence[Any],
    *,
    views: Sequence[View],
    progress: Progress | None = None,
) -> tuple[np.ndarray, float]:
    """Features of each input, taken from the cache or extracted and put there.

    Args:
        views: Kept together: ask for all that will be wanted, in one pass and one file.
        inputs: Texts, or paths of image files (whose content counts, not their name).
        progress: May raise to stop; finished blocks are kept.

    Returns:
        Features, float32, shape (n, width), and the seconds that the rows taken from the cache
        took when they were extracted. Seconds spent now are not among them.
    """
    charged, parts = 0.0, []
    for features, seconds in feature_blocks(backbone, inputs, views=views, progress=progress):
        parts.append(features)
        charged += seconds
    if not parts:
        return backbone.views([], views), 0.0
    return np.concatenate(parts), charged


def feature_blocks(
    backbone: Backbone,
    inputs: Sequence[Any],
    *,
    views: Sequence[View],
    progress: Progress | None = None,
    rows: int = BLOCK_ROWS,
) -> Iterator[tuple[np.ndarray, float]]:
    """As `cached_features`, in blocks of so many rows: whoever runs out of time can stop."""
    if _bypassed.get():
        yield backbone.views(inputs, views, progress=progress), 0.0
        return
    cache = _Cache.of(backbone, views)
    for start in range(0, len(inputs), rows):
        block = inputs[start : start + rows]
        keys = [_key(one) for one in block]
        found = cache.read(keys)
        missing = {key: one for key, one in zip(keys, block, strict=True) if key not in found}
        charged = sum(seconds for key, (_, seconds) in found.items() if cache.owed(key))
        if missing:

            def moved(share: float, start: int = start, n: int = len(block)) -> None:
                if progress is not None:
                    progress((start + share * n) / len(inputs))

            started = time.perf_counter()
            extracted = backbone.views(list(missing.values()), views, progress=moved)
            each = (time.perf_counter() - started) / len(missing)
            new = {key: (row, each) for key, row in zip(missing, extracted, strict=True)}
            cache.write(new)
            found |= new
        cache.settle(keys)
        if progress is not None:
            progress((start + len(block)) / len(inputs))
        yield np.stack([found[key][0] for key in keys]), charged


def _key(one: str | Path) -> bytes:
    """sha256 of a text, of two, or of the content of a file."""
    if isinstance(one, TextPair):
        parts = [part.encode("utf-8", "surrogatepass") for part in (one.first, one.second)]
        return hashlib.sha256(b"pair\0%d\0" % len(parts[0]) + b"".join(parts)).digest()
    if isinstance(one, Path):
        return hashlib.sha256(b"file\0" + one.read_bytes()).digest()
    return hashlib.sha256(b"text\0" + one.encode("utf-8", "surrogatepass")).digest()


class _Cache:
    """The file of one kind of feature."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, backbone: Backbone, views: Sequence[View]) -> _Cache:
        """Backends that were tested to give equal features share a file; a quantised copy has
        its own, and so has each kind of device, whose seconds differ."""
        facts = backbone.facts
        kind = {
            "format": FORMAT,
            "model": facts.digest or facts.location,
            "views": [list(view) for view in views],
            "max_tokens": backbone.max_tokens,
            "int8": getattr(backbone, "int8", False),
            "device": backbone.device.type,
        }
        name = hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).hexdigest()[:32]
        return cls(cache_dir() / "features" / f"{name}.sqlite")

    def owed(self, key: bytes) -> bool:
        """Whether a row found here is still to be charged."""
        paid = _paid.get()
        return paid is None or (self.path.name, key) not in paid

    def settle(self, keys: Sequence[bytes]) -> None:
        """These rows were spent or charged."""
        paid = _paid.get()
        if paid is not None:
            paid.update((self.path.name, key) for key in keys)

    def read(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """What is there of these keys, undamaged."""
        try:
            with closing(self._connect()) as connection:
                return self._rows(connection, list(dict.fromkeys(keys)))
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            return {}

    def write(self, rows: dict[bytes, Row]) -> None:
        """Add rows; those another writer added meanwhile stay as they are."""
        values = []
        for key, (features, seconds) in rows.items():
            blob = features.astype("<f4").tobytes()
            values.append((key, blob, zlib.crc32(blob, zlib.crc32(key)), seconds))
        try:
            with closing(self._connect()) as connection, connection:
                connection.executemany("INSERT OR IGNORE INTO features VALUES (?, ?, ?, ?)", values)
        except sqlite3.DatabaseError as error:
            self._set_aside(error)

    def _rows(self, connection: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, Row]:
        found: dict[bytes, Row] = {}
        damaged = []
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, value, checksum, seconds FROM features WHERE key IN ({marks})"
            for key, blob, checksum, seconds in connection.execute(query, some):
                if zlib.crc32(blob, zlib.crc32(key)) == checksum:
                    found[key] = np.frombuffer(blob, dtype="<f4"), seconds
                else:
                    damaged.append((key,))
        if damaged:
            _log.warning("%s: %d damaged rows are computed again", self.path, len(damaged))
            with connection:
                connection.executemany("DELETE FROM features WHERE key = ?", damaged)
        return found

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=_WAIT_SECONDS)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS features "
            "(key BLOB PRIMARY KEY, value BLOB, checksum INTEGER, seconds REAL)"
        )
        return connection

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Rename a file that cannot be read, so that the next call starts a new one.

        Raises:
            sqlite3.OperationalError: If the file is whole but cannot be used (locked, full disk).
        """
        if isinstance(error, sqlite3.OperationalError):
            raise error
        _log.warning("%s is damaged (%s): its features are computed again", self.path, error)
        self.path.replace(self.path.with_suffix(".damaged"))

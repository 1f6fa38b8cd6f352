"""Writing files whole: under a temporary name, then renamed."""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from advisor.errors import OutputError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_SQLITE_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR}


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON; no NaN gets in."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def write_parts(path: Path, parts: Iterable[str]) -> None:
    """Write a text as it comes, part by part; if one fails to come, the file stays as it was."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.writelines(parts)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text and a line end."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


def no_room(error: BaseException | None) -> bool:
    """Whether writing failed for a full disk or one that is only read, whoever wrote."""
    if isinstance(error, sqlite3.OperationalError):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_NO_ROOM
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def unwritable(folder: Path, error: Exception) -> Exception:
    """What to raise in place of an error of the system: a sentence where writing failed.

    Returns:
        OutputError for a full or read-only disk; any other error as it is.
    """
    if not (no_room(error) or isinstance(error, PermissionError)):
        return error
    why = getattr(error, "strerror", None) or error
    return OutputError(
        f"{folder} cannot be written ({why}); what was finished before is kept. Make room or permit "
        "writing, then give the same command again."
    )

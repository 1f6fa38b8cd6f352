"""Fitted models on disk: one folder per strategy, marked with the trial it came from."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.strategies.base import Strategy

_MARK = "trial.txt"


def keep_artefact(folder: Path, fitted: Strategy, content_id: str) -> int:
    """Write a fitted strategy in place of what was there; a crash leaves the old one or none.

    Returns:
        Bytes written.
    """
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    fitted.save(temporary)
    size = sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file())
    (temporary / _MARK).write_text(content_id, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    return size


def artefact_of(folder: Path) -> str | None:
    """Content id of the trial whose model lies in a folder; None if there is none."""
    mark = folder / _MARK
    return mark.read_text(encoding="utf-8") if mark.is_file() else None

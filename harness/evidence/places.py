"""Where evidence lies: what travels with the package, and what its user added."""

from __future__ import annotations

import os
from pathlib import Path

from harness.shipped import shipped

VARIABLE = "ADVISOR_EVIDENCE"
"""Environment variable that names another folder for the user's evidence."""


def user_folder() -> Path:
    """The folder of the user's own evidence; it need not exist.

    `$ADVISOR_EVIDENCE`, else `adaptation-advisor/evidence` in the user's data folder (XDG).
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "adaptation-advisor" / "evidence"


def everywhere() -> list[Path]:
    """The folder of the package, and the user's where it holds something."""
    mine = user_folder()
    return [shipped("evidence"), *([mine] if mine.is_dir() and any(mine.glob("*.csv")) else [])]

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's folder of evidence, so that none of the machine's is read or written."""
    folder = tmp_path / "my evidence"
    monkeypatch.setenv("ADVISOR_EVIDENCE", str(folder))
    return folder

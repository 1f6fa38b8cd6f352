"""Data that travels with the package: studies, suites, evidence (the folder `data/`)."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped(part: str) -> Path:
    """A folder of `data/`: beside the packages in a checkout, inside this one when installed.

    Raises:
        FileNotFoundError: If there is no such part; the installation is damaged.
    """
    inside = Path(str(files("harness"))) / "shipped_data" / part
    beside = Path(__file__).resolve().parent.parent / "data" / part
    for folder in (inside, beside):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the data {part!r} did not travel with the package")

"""Each input belongs to exactly one of several named classes."""

from __future__ import annotations

from dataclasses import dataclass

from harness.tasks.single_label import SingleLabel


@dataclass(frozen=True)
class Classification(SingleLabel):
    """Of single texts or images."""

    id: str = "classification"

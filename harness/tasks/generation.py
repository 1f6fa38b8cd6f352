"""A text is written for each text: summaries, rewritings, answers in free words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.datasets.base import Split
from harness.tasks.open_text import OpenText
from harness.text_baselines import TextBaseline, writing_baselines


@dataclass(frozen=True)
class Generation(OpenText):
    """Of single texts."""

    id: str = "generation"

    metrics: ClassVar[tuple[str, ...]] = ("chrf", "bleu", "exact_match")
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("input", "prompt", "source"),
        "label": ("output", "completion", "target"),
    }
    no_description: ClassVar[str] = "Write the output that belongs to the input."

    def fit_baselines(self, train: Split) -> dict[str, TextBaseline]:
        """See `harness.text_baselines`."""
        return writing_baselines(train)

"""A text is written again in another language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.datasets.base import Split
from harness.tasks.open_text import OpenText
from harness.text_baselines import TextBaseline, writing_baselines


@dataclass(frozen=True)
class Translation(OpenText):
    """Of single texts. `exact_match` leaves out case, punctuation and English articles."""

    id: str = "translation"

    metrics: ClassVar[tuple[str, ...]] = ("chrf", "bleu", "exact_match")
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("source",),
        "label": ("target", "translation"),
    }
    no_description: ClassVar[str] = "Translate the text."

    def fit_baselines(self, train: Split) -> dict[str, TextBaseline]:
        """See `harness.text_baselines`."""
        return writing_baselines(train)

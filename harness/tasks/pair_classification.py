"""Each pair of texts stands in exactly one of several named relations, as in MNLI.

Encoders read `[CLS] a [SEP] b [SEP]` with the segments they were pretrained with (Devlin et al.
2019, section 4.1); language models read both texts by name in the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.tasks.single_label import SingleLabel

NO_DESCRIPTION = "Say how the second text relates to the first."


@dataclass(frozen=True)
class PairClassification(SingleLabel):
    """Of pairs of texts (`harness.text_pair.TextPair`)."""

    id: str = "pair_classification"

    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("premise", "sentence1", "question"),
        "text_b": ("hypothesis", "sentence2", "passage", "context"),
        "label": ("answer", "gold_label"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.description is None:
            object.__setattr__(self, "description", NO_DESCRIPTION)

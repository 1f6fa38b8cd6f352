"""Each pair of texts stands in exactly one of several named relations, as in MNLI.

Encoders read `[CLS] a [SEP] b [SEP]` with the segments they were pretrained with (Devlin et al.
2019, section 4.1); language models read both texts by name in the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.tasks.single_label import SingleLabel

NO_DESCRIPTION = "Say how the second text relates to the first."


@dataclass(frozen=True)
class PairClassification(SingleLabel):
    """Of pairs of texts (`harness.text_pair.TextPair`)."""

    id: str = "pair_classification"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.description is None:
            object.__setattr__(self, "description", NO_DESCRIPTION)

"""Questions whose answer stands in a passage, as in SQuAD (Rajpurkar et al. 2016).

The answer is a text, "" where the passage does not hold it (Rajpurkar et al. 2018). Encoders point
at its first and last token; language models read passage and question in the prompt and write it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.datasets.base import Split
from harness.tasks.open_text import OpenText
from harness.text_baselines import TextBaseline, qa_baselines


@dataclass(frozen=True)
class QuestionAnswering(OpenText):
    """Of pairs of a question and a passage (`harness.text_pair.TextPair`)."""

    id: str = "qa"

    metrics: ClassVar[tuple[str, ...]] = ("token_f1", "exact_match")
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("question",),
        "text_b": ("context", "passage"),
        "label": ("answer",),
    }
    no_description: ClassVar[str] = "Answer the question with words of the passage."

    @property
    def n_outputs(self) -> int:
        """Two: a token's scores as the first and as the last of the answer."""
        return 2

    def fit_baselines(self, train: Split) -> dict[str, TextBaseline]:
        """See `harness.text_baselines`."""
        return qa_baselines(train)

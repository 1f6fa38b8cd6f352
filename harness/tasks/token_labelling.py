"""Every word of a text gets one tag: entities, parts of speech.

An input is its words, joined by blanks; a target or an answer one tag a word, joined likewise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from advisor.errors import SpecError
from harness.datasets.base import Dataset, Split
from harness.tasks.open_text import OpenText
from harness.text_baselines import TextBaseline, tag_baselines


@dataclass(frozen=True)
class TokenLabelling(OpenText):
    """Of texts of words.

    Attributes:
        label_names: The tags.

    Raises:
        SpecError: For fewer than two tags.
    """

    id: str = "token_labelling"

    metrics: ClassVar[tuple[str, ...]] = ("tag_f1", "tag_accuracy")
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("words", "tokens"),
        "label": ("tags", "ner_tags", "pos_tags", "labels"),
    }
    no_description: ClassVar[str] = "Give each word its tag."

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "label_names", tuple(self.label_names))
        if len(self.label_names) < 2:
            raise SpecError(f"{self.id} needs at least two tags; got {len(self.label_names)}.")

    @classmethod
    def of(cls, dataset: Dataset, metric: str | None) -> Self:
        """The tags are those of the data set or, if it names none, of its training rows."""
        tags = dataset.label_names or sorted(
            {tag for target in dataset.train.targets for tag in target.split()}
        )
        return cls(dataset.description, metric or "", label_names=tuple(tags))

    def settings(self) -> dict[str, Any]:
        """See `Task.settings`."""
        return {**super().settings(), "label_names": list(self.label_names)}

    def per_class(self, answers: np.ndarray, targets: np.ndarray) -> dict[str, float | None]:
        """Recall of each tag over words; None for a tag that no word has."""
        total: Counter[str] = Counter()
        right: Counter[str] = Counter()
        for answer, target in zip(answers, targets, strict=True):
            total.update(target.split())
            pairs = zip(answer.split(), target.split(), strict=False)
            right.update(true for said, true in pairs if said == true)
        return {tag: right[tag] / total[tag] if total[tag] else None for tag in self.label_names}

    def fit_baselines(self, train: Split) -> dict[str, TextBaseline]:
        """See `harness.text_baselines`."""
        return tag_baselines(train)

"""Predictors of texts without a pretrained model: what any adapted model has to beat."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np

from harness.datasets.base import Split
from harness.metrics.texts import bare
from harness.text_pair import TextPair

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


class TextBaseline(Protocol):
    """A fitted predictor."""

    def predict(self, inputs: Sequence[str]) -> np.ndarray:
        """A text for each input, numpy's str, shape (n,)."""


class FrequentAnswer:
    """Always the most frequent answer of the examples, of equals the one that comes first."""

    def __init__(self, train: Split) -> None:
        self.answer = Counter(train.targets.tolist()).most_common(1)[0][0]

    def predict(self, inputs: Sequence[str]) -> np.ndarray:
        return np.array([self.answer] * len(inputs), dtype=np.str_)


class ClosestSentence:
    """The sentence of the passage that shares most words with the question; learns nothing.

    Words are compared as `bare` leaves them; of equal sentences it is the shortest.
    """

    def predict(self, inputs: Sequence[str]) -> np.ndarray:
        pairs = cast(Sequence[TextPair], inputs)
        found = [_closest_sentence(one.first, one.second) for one in pairs]
        return np.array(found, dtype=np.str_)


def _closest_sentence(question: str, passage: str) -> str:
    asked = set(bare(question).split())
    sentences = [one.strip() for one in _SENTENCE_END.split(passage)]
    return max(sentences, key=lambda one: (len(asked & set(bare(one).split())), -len(one)))


class Copy:
    """The input itself: names, numbers and words that stay are right."""

    def predict(self, inputs: Sequence[str]) -> np.ndarray:
        return np.array([str(one) for one in inputs], dtype=np.str_)


class NearestSource:
    """The target of the example whose input is most alike.

    Alike by the cosine of TF-IDF weights of words (1-2); of equals the example that comes first.
    """

    def __init__(self, train: Split) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        # a symbol counts as a word: any text that is not blank has at least one
        self._words = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2))
        self._sources = self._words.fit_transform([str(one) for one in train.inputs])
        self._targets = train.targets

    def predict(self, inputs: Sequence[str]) -> np.ndarray:
        nearest = [
            int((self._sources @ self._words.transform([str(one)]).T).toarray().argmax())
            for one in inputs
        ]
        return self._targets[nearest]


class FrequentTag:
    """Each word's most frequent tag among the examples.

    Args:
        by_word: False for the most frequent tag of all words, which words never seen get anyway.
    """

    def __init__(self, train: Split, *, by_word: bool) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for text, tags in zip(train.inputs, train.targets, strict=True):
            for word, tag in zip(text.split(), tags.split(), strict=True):
                counts[word][tag] += 1
        self._otherwise = sum(counts.values(), Counter()).most_common(1)[0][0]
        self._tags = {word: seen.most_common(1)[0][0] for word, seen in counts.items()}
        if not by_word:
            self._tags = {}

    def predict(self, inputs: Sequence[str]) -> np.ndarray:
        return np.array(
            [
                " ".join(self._tags.get(word, self._otherwise) for word in text.split())
                for text in inputs
            ],
            dtype=np.str_,
        )


def qa_baselines(train: Split) -> dict[str, TextBaseline]:
    """ "closest_sentence" always, "frequent_answer" where there are examples."""
    fitted: dict[str, TextBaseline] = {"closest_sentence": ClosestSentence()}
    return fitted | ({"frequent_answer": FrequentAnswer(train)} if len(train) else {})


def writing_baselines(train: Split) -> dict[str, TextBaseline]:
    """ "copy_input", and "nearest_input" where there are examples."""
    fitted: dict[str, TextBaseline] = {"copy_input": Copy()}
    return fitted | ({"nearest_input": NearestSource(train)} if len(train) else {})


def tag_baselines(train: Split) -> dict[str, TextBaseline]:
    """ "majority_tag" and "frequent_tag" where there are examples."""
    if not len(train):
        return {}
    return {
        "majority_tag": FrequentTag(train, by_word=False),
        "frequent_tag": FrequentTag(train, by_word=True),
    }

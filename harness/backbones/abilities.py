"""What some backbones can do besides: count tokens, score labels, match images with texts, write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from harness.backbones.base import Backbone, Progress


@runtime_checkable
class TokenCounter(Protocol):
    """A backbone that reads texts and can say how long they are."""

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """Number of tokens of each text without special tokens, shape (n,); nothing is cut."""


class LabelScorer(Protocol):
    """A backbone that can say how likely a label is after a prompt (decoders; later others)."""

    def label_logprobs(
        self,
        queries: Sequence[str],
        labels: Sequence[str],
        *,
        prefix: str = "",
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Sum of token log-likelihoods of each label after `prefix + query`.

        The prefix (instruction and demonstrations) is computed once and its keys and values
        are shared by all queries and labels.

        Returns:
            float64, shape (n_queries, n_labels), natural logarithm, not length-normalised.
        """

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """Number of tokens of each text without special tokens, shape (n,)."""

    def truncate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        """Each text cut to its first `max_tokens` tokens."""


@runtime_checkable
class ImageTextMatcher(Backbone, Protocol):
    """A backbone that puts images and texts into one space (CLIP, SigLIP).

    Attributes:
        image_pooling: The view of the last layer that is compared with texts, of unit length.
    """

    image_pooling: str

    def text_vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Each text in that space, unit length, float32, shape (n, width of the view)."""

    def match(self, images: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """How well each image fits each text, as the model was trained to say it: cosines times
        the learned scale.

        A softmax over the texts gives their probabilities where exactly one of them is true.

        Args:
            images: Views of images, shape (n_images, width).
            texts: Unit vectors, shape (n_texts, width).

        Returns:
            float64, shape (n_images, n_texts).
        """


class TextGenerator(Protocol):
    """A backbone that can write on after a prompt (decoders, encoder-decoders, endpoints)."""

    def generate(
        self,
        queries: Sequence[str],
        *,
        prefix: str = "",
        max_new_tokens: int,
        stop: str = "\n",
        progress: Progress | None = None,
    ) -> list[str]:
        """What follows `prefix + query`, greedily, up to `stop` or the model's own end.

        Returns:
            One text a query, without `stop` and without blanks at its ends; a row does not
            depend on the others.
        """

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """Number of tokens of each text without special tokens, shape (n,)."""

    def truncate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        """Each text cut to its first `max_tokens` tokens."""

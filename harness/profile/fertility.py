"""Tokenizer fertility: into how many tokens a vocabulary breaks the words of a text.

Source: Rust et al. 2021, "How Good is Your Tokenizer?" (arXiv:2012.15613), section 4.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Fertility:
    """Of some texts under one vocabulary.

    Attributes:
        tokens_per_word: At least 1.
        continued: Share of words that need more than one token, in [0, 1].
        unknown: Share of words with a piece the vocabulary lacks, in [0, 1].
        words: How many words were counted.
    """

    tokens_per_word: float
    continued: float
    unknown: float
    words: int


def fertility(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Fertility | None:
    """None for texts without words.

    Each word is looked up with a space before it, as inside a sentence: vocabularies of GPT and
    Gemma have other pieces for the beginning of a text.
    """
    words = [word for text in texts for word in _WORD.findall(text)]
    if not words:
        return None
    rows = tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
    missing = tokenizer.unk_token_id
    return Fertility(
        tokens_per_word=sum(map(len, rows)) / len(words),
        continued=sum(len(row) > 1 for row in rows) / len(words),
        unknown=0.0 if missing is None else sum(missing in row for row in rows) / len(words),
        words=len(words),
    )

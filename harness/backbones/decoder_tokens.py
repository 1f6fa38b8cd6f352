"""Text to token rows for decoders, with the same seams everywhere.

A context is tokenized as one string, and a label as what follows a colon. So tokens never
depend on where a prompt was cut into prefix and query, and a label has the same tokens after
every prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from harness.text_pair import TextPair, shares


class DecoderTokens:
    """A tokenizer with the habits of decoders made explicit.

    Args:
        tokenizer: Any fast tokenizer.

    Attributes:
        start: What the tokenizer puts before every text: the beginning-of-text token or nothing.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        bos = tokenizer.bos_token_id
        first = tokenizer("a")["input_ids"][:1]
        self.start: list[int] = [bos] if bos is not None and first == [bos] else []
        # A row needs a token to predict from, even where nothing was said.
        empty = next(
            (id for id in (bos, tokenizer.eos_token_id, tokenizer.pad_token_id) if id is not None),
            0,
        )
        self._empty = [empty]

    def plain(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens without special ones."""
        if not texts:
            return []
        return self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]

    def rows(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens as the model expects a text to begin; no row is empty."""
        return [self.start + ids or self._empty for ids in self.plain(texts)]

    def within(self, texts: Sequence[str], max_tokens: int, window: int | None) -> list[list[int]]:
        """As `rows`, each text cut to `max_tokens` and the row to the window.

        A start token, or the line break between the texts of a pair, comes on top of what a
        text was cut to.
        """
        return [row[:window] for row in self.rows(self.truncate(texts, max_tokens))]

    def labels(self, continuations: Sequence[str]) -> list[list[int]]:
        """Tokens of each continuation as they are after a colon.

        A sentencepiece tokenizer would add a space of its own to a text that stands alone.
        """
        colon = self.plain([":"])[0]
        rows = self.plain([f":{text}" for text in continuations])
        alone = self.plain(continuations)
        return [
            row[len(colon) :] if row[: len(colon)] == colon else other
            for row, other in zip(rows, alone, strict=True)
        ]

    def counts(self, texts: Sequence[str]) -> np.ndarray:
        """Number of tokens without special ones, int64, shape (n,)."""
        return np.array([len(ids) for ids in self.plain(texts)], dtype=np.int64)

    def truncate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        """Each text up to the end of its token number `max_tokens`; of a pair, both together."""
        parts = [(one.first, one.second) if isinstance(one, TextPair) else (one,) for one in texts]
        ends = iter(self._ends([part for one in parts for part in one]))
        return [self._cut(one, [next(ends) for _ in one], max_tokens) for one in parts]

    def _ends(self, texts: Sequence[str]) -> list[list[int]]:
        """Where each token of each text ends."""
        if not texts:
            return []
        encoded = self.tokenizer(
            list(texts), add_special_tokens=False, return_offsets_mapping=True
        )["offset_mapping"]
        return [[end for _, end in offsets] for offsets in encoded]

    @staticmethod
    def _cut(parts: tuple[str, ...], ends: list[list[int]], most: int) -> str:
        if len(parts) == 1:
            return _up_to(parts[0], ends[0], most)
        kept = shares(len(ends[0]), len(ends[1]), most)
        return TextPair(*map(_up_to, parts, ends, kept))


def _up_to(text: str, ends: list[int], most: int) -> str:
    """The text up to the end of token number `most`."""
    if len(ends) <= most:
        return text
    return text[: ends[most - 1]] if most else ""


def pad(
    rows: Sequence[Sequence[int]], device: torch.device, *, left: bool, fill: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows as one tensor and a mask that is False at padding, both of shape (B, longest)."""
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), fill, dtype=torch.long)
    real = torch.zeros(len(rows), longest, dtype=torch.bool)
    for index, row in enumerate(rows):
        where = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[index, where] = torch.tensor(row, dtype=torch.long)
        real[index, where] = True
    return ids.to(device), real.to(device)


def common_start(rows: Sequence[list[int]]) -> int:
    """Tokens that all rows begin with, leaving each row at least one of its own."""
    first, last = min(rows), max(rows)  # in this order they differ earliest
    limit = min(map(len, rows)) - 1
    for index in range(limit):
        if first[index] != last[index]:
            return index
    return limit

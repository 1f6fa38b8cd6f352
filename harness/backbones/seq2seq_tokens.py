"""Text to token rows for encoder-decoders: what the encoder reads and what the decoder says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from harness.backbones.decoder_tokens import DecoderTokens
from harness.tasks.templates import one_line

GAP, AFTER_GAP = "<extra_id_0>", "<extra_id_1>"
"""T5's first two sentinels: of a gap in the input and of what follows it."""


class Seq2SeqTokens:
    """A tokenizer with the habits of encoder-decoders made explicit.

    Args:
        start: What the decoder reads first (`decoder_start_token_id`).
        fills_gaps: Ask for an answer as span corruption did (Raffel et al. 2020, figure 2): a
            sentinel stands at the end of the input, and the decoder says the sentinel and then
            what it hides. A model that was trained on nothing else answers in no other way.

    Attributes:
        texts: Plain tokens.
        start: What the decoder reads before an answer.
        end: What it says after an answer; ends: tokens behind which nothing is an answer.
        padding: Fills rows.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, *, start: int, fills_gaps: bool = False
    ) -> None:
        self.tokenizer = tokenizer
        self.texts = DecoderTokens(tokenizer)
        self.padding: int = tokenizer.pad_token_id or 0
        before, behind = self._frame()
        end = tokenizer.eos_token_id
        self._before, self._behind = before, behind or [end]
        self._gap: list[int] = []
        # BART's decoder says its start token first, as its encoder reads it.
        self.start = [start, *before]
        self.end: int = end
        if fills_gaps:
            vocabulary = tokenizer.get_vocab()
            gap, after = vocabulary[GAP], vocabulary[AFTER_GAP]
            self._gap = [gap]
            self.start, self.end = [*self.start, gap], after
        self.ends = frozenset({end, self.end})

    @property
    def first(self) -> int:
        """Where in a source its text begins."""
        return len(self._before)

    def sources(self, texts: Sequence[str]) -> list[list[int]]:
        """What the encoder reads when the decoder is to answer; no row is empty."""
        asked = self.texts.plain(texts)
        return [[*self._before, *ids, *self._gap, *self._behind] for ids in asked]

    def plain_sources(self, texts: Sequence[str]) -> list[list[int]]:
        """What the encoder reads when nothing is asked; no row is empty."""
        return [[*self._before, *ids, *self._behind] for ids in self.texts.plain(texts)]

    def answers(self, texts: Sequence[str]) -> list[list[int]]:
        """What the decoder says for each text, without its end.

        A line break at the end of a text, which in a prompt ends an answer, is the end token.
        """
        rows = self.texts.plain([one_line(text) for text in texts])
        return [
            [*ids, self.end] if text.endswith("\n") else ids
            for ids, text in zip(rows, texts, strict=True)
        ]

    def read(self, row: Sequence[int]) -> str:
        """The text of tokens the decoder said, up to its end."""
        ends = [place for place, token in enumerate(row) if token in self.ends]
        said = list(row[: ends[0]] if ends else row)
        return one_line(str(self.tokenizer.decode(said, skip_special_tokens=True)))

    def counts(self, texts: Sequence[str]) -> np.ndarray:
        """Number of tokens without special ones, int64, shape (n,)."""
        return self.texts.counts(texts)

    def truncate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        """Each text up to the end of its token number `max_tokens`; of a pair, both together."""
        return self.texts.truncate(texts, max_tokens)

    def _frame(self) -> tuple[list[int], list[int]]:
        """What the tokenizer puts before and behind every text."""
        bare = self.texts.plain(["a"])[0]
        whole = list(self.tokenizer("a")["input_ids"])
        at = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
        return whole[:at], whole[at + len(bare) :]

"""Long texts for models that read so many tokens at once: windows that overlap by half.

A window holds what stands before the text (class token, question), a piece of the text's tokens
and what stands behind it. Each begins half a piece after the one before, so that whatever is at
most half a piece long is whole in one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import SpecError
from harness.text_pair import TextPair


@dataclass(frozen=True)
class TokenizedText:
    """A text, or the second of a pair, and where its tokens are.

    Attributes:
        before, tokens, behind: Token ids; the text's own are in the middle.
        offsets: First and behind-last character of each of the text's tokens.
        room: Tokens of the text that fit into one window, at least 1.
    """

    before: list[int]
    tokens: list[int]
    behind: list[int]
    offsets: list[tuple[int, int]]
    room: int

    def windows(self) -> list[tuple[int, int]]:
        """First and behind-last token of each window; one without tokens for an empty text."""
        last = len(self.tokens)
        if last <= self.room:
            return [(0, last)]
        step = max(1, self.room // 2)
        starts = range(0, last - self.room + step, step)
        return [(start, min(last, start + self.room)) for start in starts]

    def row(self, window: tuple[int, int]) -> list[int]:
        """Token ids of a window; its first token of the text stands at `len(before)`."""
        return [*self.before, *self.tokens[slice(*window)], *self.behind]

    def read_in(self, token: int) -> int:
        """The window in which a token has most context to its nearer side."""
        found = self.windows()
        return max(
            range(len(found)),
            key=lambda index: min(token - found[index][0], found[index][1] - 1 - token),
        )

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last token of the characters from start to before end; None if no token."""
        inside = [
            place
            for place, (first, behind) in enumerate(self.offsets)
            if first < end and behind > start
        ]
        return (inside[0], inside[-1]) if inside else None


def tokenized(
    tokenizer: PreTrainedTokenizerBase, inputs: Sequence[str], max_tokens: int
) -> list[TokenizedText]:
    """Texts, or pairs of a question and a passage, as tokens with their places.

    A question is cut to half of what both may have.

    Args:
        max_tokens: Of a window, special tokens included.

    Raises:
        SpecError: If that leaves no room for the text.
    """
    if not inputs:
        return []
    pairs = isinstance(inputs[0], TextPair)
    if pairs:
        given = cast(Sequence[TextPair], inputs)
        special = tokenizer.num_special_tokens_to_add(pair=True)
        most = max(1, (max_tokens - special) // 2)
        parts: tuple[list[str], ...] = (
            _shortened(tokenizer, [one.first for one in given], most),
            [one.second for one in given],
        )
    else:
        parts = (list(inputs),)
    encoded = tokenizer(*parts, return_offsets_mapping=True, verbose=False)
    return [
        _parted(
            encoded["input_ids"][row],
            encoded["offset_mapping"][row],
            [place for place, of in enumerate(encoded.sequence_ids(row)) if of == int(pairs)],
            max_tokens,
        )
        for row in range(len(inputs))
    ]


def _shortened(tokenizer: PreTrainedTokenizerBase, texts: list[str], most: int) -> list[str]:
    """Each text up to the end of its token number `most`."""
    offsets = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    return [
        text if len(found) <= most else text[: found[most - 1][1]]
        for text, found in zip(texts, offsets, strict=True)
    ]


def _parted(
    ids: list[int], offsets: list[tuple[int, int]], own: list[int], max_tokens: int
) -> TokenizedText:
    first, behind = (own[0], own[-1] + 1) if own else (len(ids), len(ids))
    room = max_tokens - first - (len(ids) - behind)
    if own and room < 1:
        raise SpecError(
            f"{max_tokens} tokens leave no room for the text beside the question and special "
            "tokens; use a larger --max-tokens"
        )
    return TokenizedText(
        ids[:first], ids[first:behind], ids[behind:], offsets[first:behind], max(1, room)
    )

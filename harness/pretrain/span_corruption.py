"""T5's objective: spans replaced by sentinels (Raffel et al. 2020, arXiv:1910.10683)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from transformers import T5Config, T5ForConditionalGeneration
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import ModelError
from harness.pretrain.base import Batch, Document, Preset
from harness.pretrain.vocabulary import blocks, unigram, with_roles

NOISE, MEAN_SPAN = 0.15, 3.0
SENTINELS = [f"<extra_id_{number}>" for number in range(100)]
_SPECIAL = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}


class SpanCorruption:
    """15 % of the tokens, in spans of 3 on average, are replaced by one sentinel each.

    The target is each sentinel and what it hides, then one more sentinel (figure 2).
    """

    name = "span_corruption"
    modality = "text"
    presets: ClassVar[Mapping[str, Preset]] = {
        "tiny": Preset(width=32, layers=1, heads=2, length=32, batch_rows=16, learning_rate=5e-3),
        "small": Preset(width=192, layers=3, heads=6, length=128, batch_rows=8, learning_rate=2e-3),
        "gpu-base": Preset(
            width=768, layers=12, heads=12, length=512, batch_rows=64, learning_rate=3e-4
        ),
    }

    def __init__(
        self, model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, length: int
    ) -> None:
        self.model, self.tokenizer, self.length = model, tokenizer, length
        numbers = tokenizer.get_vocab()
        self._sentinels = [numbers[sentinel] for sentinel in SENTINELS]

    @staticmethod
    def train_tokenizer(lines: Sequence[str], vocabulary: int) -> PreTrainedTokenizerBase:
        return unigram(lines, vocabulary, _SPECIAL, extra=SENTINELS)

    @classmethod
    def build(cls, preset: Preset, tokenizer: PreTrainedTokenizerBase | None) -> Self:
        tokenizer = with_roles(tokenizer, _SPECIAL)
        known = tokenizer.get_vocab()
        missing = [sentinel for sentinel in SENTINELS if sentinel not in known]
        if missing:
            raise ModelError(
                f"the tokenizer has no sentinel {missing[0]}; leave out --tokenizer to train one."
            )
        shape: dict[str, Any] = {
            "vocab_size": len(tokenizer),
            "d_model": preset.width,
            "d_kv": preset.width // preset.heads,
            # a little narrower than 4 widths: as many parameters as a BERT of that width
            "d_ff": 10 * preset.width // 3,
            "num_layers": preset.layers,
            "num_heads": preset.heads,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "decoder_start_token_id": tokenizer.pad_token_id,
        }
        return cls(T5ForConditionalGeneration(T5Config(**shape)), tokenizer, preset.length)

    def examples(self, documents: Sequence[Document]) -> list[list[int]]:
        """Rows of equal length, so that all inputs and all targets of a batch are, too."""
        return blocks(self.tokenizer, documents, self.length)

    def cost(self, example: Sequence[int]) -> int:
        return len(example)

    def batch(self, examples: Sequence[list[int]], draw: np.random.Generator) -> Batch:
        pairs = [
            corrupt(row, span_mask(len(row), draw), self._sentinels, self.tokenizer.eos_token_id)
            for row in examples
        ]
        inputs = torch.tensor([source for source, _ in pairs])
        return {
            "input_ids": inputs,
            "attention_mask": torch.ones_like(inputs),
            "labels": torch.tensor([target for _, target in pairs]),
        }

    def loss(self, batch: Batch) -> torch.Tensor:
        return self.model(**batch).loss

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)


def span_mask(length: int, draw: np.random.Generator) -> np.ndarray:
    """Which tokens are hidden, bool, shape (length,); how many, and in how many spans, is fixed.

    Spans and what lies between them have random lengths of at least 1; the first token stays.

    Args:
        length: At least 2.
    """
    hidden = min(max(round(length * NOISE), 1), length - 1)
    spans = min(max(round(hidden / MEAN_SPAN), 1), length - hidden)
    parts = np.stack([_parts(length - hidden, spans, draw), _parts(hidden, spans, draw)], axis=1)
    return np.repeat(np.tile([False, True], spans), parts.ravel())


def _parts(total: int, count: int, draw: np.random.Generator) -> np.ndarray:
    """A random composition of `total` into `count` numbers of at least 1."""
    cuts = np.sort(draw.choice(total - 1, size=count - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [total]]))


def corrupt(
    row: Sequence[int], mask: np.ndarray, sentinels: Sequence[int], end: int
) -> tuple[list[int], list[int]]:
    """Input and target of one row, both ended by `end`.

    Args:
        mask: True where a token is hidden, shape (len(row),).
        sentinels: More than there are spans.
    """
    source: list[int] = []
    target: list[int] = []
    used = 0
    for at, (token, hidden) in enumerate(zip(row, mask.tolist(), strict=True)):
        if not hidden:
            source.append(token)
            continue
        if at == 0 or not mask[at - 1]:
            source.append(sentinels[used])
            target.append(sentinels[used])
            used += 1
        target.append(token)
    return [*source, end], [*target, sentinels[used], end]

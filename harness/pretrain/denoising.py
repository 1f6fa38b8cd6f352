"""Denoising sequence autoencoder (Hill et al. 2016; noise of Lample et al. 2018, section 2.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from harness.backbones.lstm_model import IGNORED, LstmConfig, LstmSeq2Seq
from harness.pretrain.base import Batch, Document, Preset
from harness.pretrain.vocabulary import token_rows, unigram, with_roles

DROPPED, MASKED, SHUFFLED = 0.1, 0.1, 3
"""Shares of tokens left out and masked; how far a token may move, in places."""
_SPECIAL = {
    "pad_token": "<pad>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}


class Denoising:
    """An LSTM encoder-decoder restores lines of which tokens are missing, masked and moved.

    The noise acts on tokens, where Lample et al. act on words.
    """

    name = "denoising_autoencoder"
    modality = "text"
    presets: ClassVar[Mapping[str, Preset]] = {
        "tiny": Preset(width=32, layers=1, heads=1, length=32, batch_rows=16, learning_rate=1e-2),
        "small": Preset(width=256, layers=2, heads=1, length=64, batch_rows=32, learning_rate=2e-3),
        "gpu-base": Preset(
            width=512, layers=3, heads=1, length=128, batch_rows=256, learning_rate=1e-3
        ),
    }

    def __init__(self, model: LstmSeq2Seq, tokenizer: PreTrainedTokenizerBase, length: int) -> None:
        self.model, self.tokenizer, self.length = model, tokenizer, length

    @staticmethod
    def train_tokenizer(lines: Sequence[str], vocabulary: int) -> PreTrainedTokenizerBase:
        return unigram(lines, vocabulary, _SPECIAL)

    @classmethod
    def build(cls, preset: Preset, tokenizer: PreTrainedTokenizerBase | None) -> Self:
        tokenizer = with_roles(tokenizer, _SPECIAL)
        config = LstmConfig(
            vocab_size=len(tokenizer),
            hidden_size=preset.width,
            num_layers=preset.layers,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        return cls(LstmSeq2Seq(config), tokenizer, preset.length)

    def examples(self, documents: Sequence[Document]) -> list[list[int]]:
        """Lines, cut to the length with room for the end token; empty ones are left out."""
        rows = token_rows(self.tokenizer, [line for document in documents for line in document])
        return [row[: self.length - 1] for row in rows if row]

    def cost(self, example: Sequence[int]) -> int:
        return len(example) + 1

    def batch(self, examples: Sequence[list[int]], draw: np.random.Generator) -> Batch:
        end, mask = [self.tokenizer.eos_token_id], self.tokenizer.mask_token_id
        sources = [[*noisy(row, mask, draw), *end] for row in examples]
        source = _padded(sources, self.tokenizer.pad_token_id)
        return {
            "source": source,
            "source_mask": _padded([[1] * len(row) for row in sources], 0).bool(),
            "targets": _padded([[*row, *end] for row in examples], IGNORED),
        }

    def loss(self, batch: Batch) -> torch.Tensor:
        return self.model.loss(**batch)

    def save(self, folder: Path) -> None:
        self.model.save_to(folder)


def noisy(row: Sequence[int], mask: int, draw: np.random.Generator) -> list[int]:
    """A row with tokens left out, masked and moved by at most `SHUFFLED` places; never empty.

    Tokens are sorted by place + uniform noise in [0, SHUFFLED + 1), by which none moves further
    than SHUFFLED (Lample et al. 2018).

    Args:
        row: At least one token.
    """
    tokens = np.asarray(row)
    kept = draw.random(len(tokens)) >= DROPPED
    if not kept.any():
        kept[draw.integers(len(tokens))] = True
    tokens = tokens[kept]
    order = np.argsort(
        np.arange(len(tokens)) + draw.uniform(0, SHUFFLED + 1, len(tokens)), kind="stable"
    )
    tokens = tokens[order]
    return np.where(draw.random(len(tokens)) < MASKED, mask, tokens).tolist()


def _padded(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])

"""GPT's objective: each token from those before it (Radford et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from harness.pretrain.base import Batch, Document, Preset
from harness.pretrain.vocabulary import blocks, byte_pairs, with_roles


class NextToken:
    """Documents one behind the other, each followed by the end-of-text token, in full windows."""

    name = "next_token"
    modality = "text"
    presets: ClassVar[Mapping[str, Preset]] = {
        "tiny": Preset(width=32, layers=2, heads=2, length=32, batch_rows=16, learning_rate=5e-3),
        "small": Preset(width=192, layers=6, heads=6, length=256, batch_rows=4, learning_rate=1e-3),
        "gpu-base": Preset(
            width=768, layers=12, heads=12, length=1024, batch_rows=32, learning_rate=3e-4
        ),
    }

    def __init__(
        self, model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, length: int
    ) -> None:
        self.model, self.tokenizer, self.length = model, tokenizer, length

    @staticmethod
    def train_tokenizer(lines: Sequence[str], vocabulary: int) -> PreTrainedTokenizerBase:
        return byte_pairs(lines, vocabulary)

    @classmethod
    def build(cls, preset: Preset, tokenizer: PreTrainedTokenizerBase | None) -> Self:
        tokenizer = with_roles(tokenizer, ("eos_token",))
        tokenizer.model_max_length = preset.length
        config = GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=preset.width,
            n_layer=preset.layers,
            n_head=preset.heads,
            n_positions=preset.length,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        return cls(GPT2LMHeadModel(config), tokenizer, preset.length)

    def examples(self, documents: Sequence[Document]) -> list[list[int]]:
        end = [self.tokenizer.eos_token_id]
        return blocks(self.tokenizer, documents, self.length, between=end)

    def cost(self, example: Sequence[int]) -> int:
        return len(example)

    def batch(self, examples: Sequence[list[int]], draw: np.random.Generator) -> Batch:
        ids = torch.tensor(examples)
        return {"input_ids": ids, "labels": ids}

    def loss(self, batch: Batch) -> torch.Tensor:
        return self.model(**batch).loss

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)

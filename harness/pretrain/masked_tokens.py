"""BERT's objective: masked tokens and next sentence (Devlin et al. 2019, arXiv:1810.04805)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from transformers import BertConfig, BertForPreTraining, DataCollatorForLanguageModeling
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from harness.pretrain.base import Batch, Document, Preset
from harness.pretrain.vocabulary import token_rows, with_roles, word_pieces

MASKED = 0.15
_FRAME = 3  # [CLS] a [SEP] b [SEP]
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Passage:
    """Consecutive sentences of one document, at least two, as tokens."""

    document: int
    sentences: tuple[tuple[int, ...], ...]


class MaskedTokens:
    """15 % of the tokens are hidden (80 % a mask, 10 % a random token, 10 % as they are).

    A passage is split between two sentences; for every other one the second half is replaced by
    that of another document in the batch, which the network must notice. Masks, splits and
    replacements are drawn anew each time a passage is read.
    """

    name = "masked_tokens_next_sentence"
    modality = "text"
    presets: ClassVar[Mapping[str, Preset]] = {
        "tiny": Preset(width=32, layers=2, heads=2, length=32, batch_rows=16, learning_rate=5e-3),
        "small": Preset(width=192, layers=6, heads=6, length=128, batch_rows=8, learning_rate=1e-3),
        "gpu-base": Preset(
            width=768, layers=12, heads=12, length=512, batch_rows=64, learning_rate=1e-4
        ),
    }

    def __init__(
        self, model: BertForPreTraining, tokenizer: PreTrainedTokenizerBase, length: int
    ) -> None:
        self.model, self.tokenizer, self.length = model, tokenizer, length
        self._mask = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED)

    @staticmethod
    def train_tokenizer(lines: Sequence[str], vocabulary: int) -> PreTrainedTokenizerBase:
        return word_pieces(lines, vocabulary)

    @classmethod
    def build(cls, preset: Preset, tokenizer: PreTrainedTokenizerBase | None) -> Self:
        roles = ("pad_token", "cls_token", "sep_token", "mask_token")
        tokenizer = with_roles(tokenizer, roles)
        tokenizer.model_max_length = preset.length
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=preset.width,
            num_hidden_layers=preset.layers,
            num_attention_heads=preset.heads,
            intermediate_size=4 * preset.width,
            max_position_embeddings=preset.length,
            pad_token_id=tokenizer.pad_token_id,
        )
        return cls(BertForPreTraining(config), tokenizer, preset.length)

    def examples(self, documents: Sequence[Document]) -> list[Passage]:
        """Passages of about `length` tokens; a document of one sentence has none."""
        sentences = [_sentences(document) for document in documents]
        rows = iter(token_rows(self.tokenizer, [s for every in sentences for s in every]))
        found = []
        for document, every in enumerate(sentences):
            tokens = [row for row in (next(rows) for _ in every) if row]
            found += [
                Passage(document, tuple(map(tuple, part)))
                for part in passages(tokens, self.length - _FRAME)
            ]
        return found

    def cost(self, example: Passage) -> int:
        return min(self.length, sum(map(len, example.sentences)) + _FRAME)

    def batch(self, examples: Sequence[Passage], draw: np.random.Generator) -> Batch:
        """`next_sentence_label` is 0 where the second half belongs there, as in transformers."""
        halves = [_halves(example, draw) for example in examples]
        rows, labels = [], []
        for index, (first, second) in enumerate(halves):
            others = [
                other
                for other, example in enumerate(examples)
                if example.document != examples[index].document
            ]
            foreign = bool(others) and draw.random() < 0.5
            if foreign:
                second = halves[others[draw.integers(len(others))]][1]
            rows.append(self._framed(first, second))
            labels.append(int(foreign))
        batch = dict(self._mask(rows))
        return batch | {"next_sentence_label": torch.tensor(labels)}

    def loss(self, batch: Batch) -> torch.Tensor:
        return self.model(**batch).loss

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)

    def _framed(self, first: list[int], second: list[int]) -> dict[str, list[int]]:
        first, second = shortened(first, second, self.length - _FRAME)
        start, end = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        special = [1, *[0] * len(first), 1, *[0] * len(second), 1]
        return {
            "input_ids": [start, *first, end, *second, end],
            "token_type_ids": [0] * (len(first) + 2) + [1] * (len(second) + 1),
            "special_tokens_mask": special,
            "attention_mask": [1] * len(special),
        }


def passages(sentences: Sequence[list[int]], length: int) -> list[list[list[int]]]:
    """Runs of at least two sentences, each ended as soon as it has `length` tokens.

    A sentence that would be left alone joins the run before it.
    """
    runs: list[list[list[int]]] = [[]]
    for sentence in sentences:
        if len(runs[-1]) >= 2 and sum(map(len, runs[-1])) >= length:
            runs.append([])
        runs[-1].append(sentence)
    if len(runs) > 1 and len(runs[-1]) == 1:
        last = runs.pop()
        runs[-1] += last
    return [run for run in runs if len(run) >= 2]


def shortened(first: list[int], second: list[int], length: int) -> tuple[list[int], list[int]]:
    """A pair cut to `length` tokens in all: the longer half loses its outer end.

    What meets at the seam stays, so that the pair can be told from one that does not belong
    together; both keep at least half of the length if they had it.
    """
    half = length // 2
    keep_first = max(half, length - len(second))
    first = first[-keep_first:]
    return first, second[: length - len(first)]


def _sentences(document: Document) -> list[str]:
    return [sentence for line in document for sentence in _SENTENCE_END.split(line) if sentence]


def _halves(example: Passage, draw: np.random.Generator) -> tuple[list[int], list[int]]:
    at = int(draw.integers(1, len(example.sentences)))
    first = [token for sentence in example.sentences[:at] for token in sentence]
    second = [token for sentence in example.sentences[at:] for token in sentence]
    return first, second

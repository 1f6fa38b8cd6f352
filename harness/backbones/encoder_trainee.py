"""Encoders as trainable predictors: a head, and if asked for prompt vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import SpecError
from harness.backbones.base import PromptSpec
from harness.backbones.decoder_tokens import DecoderTokens, pad
from harness.backbones.encoder_prefix import EncoderPrefix
from harness.backbones.heads import HeadTrainee, block_groups, find_blocks, own_copy, pool
from harness.backbones.prompt_vectors import PromptVectors, starting_tokens
from harness.backbones.transformers_body import (
    checkpoint_activations,
    load_own_body,
    save_transformers,
)
from harness.tasks.base import Task
from harness.tasks.templates import DEFAULT, instruct, label_words
from harness.text_pair import TextPair

DROPOUT = 0.1
"""Before the head, as BERT was fine-tuned (Devlin et al. 2019, appendix A.2)."""


class EncoderTrainee(HeadTrainee):
    """An encoder with a head: all weights trainable, or only head and prompt vectors.

    Args:
        model: The backbone's frozen model; copied, with a prompt without copying its weights.
        max_tokens: Longest text in tokens; prompt vectors among the text come on top.
        window: Longest row the model can read.

    Raises:
        SpecError: If the prompt's specification cannot be met.
    """

    body: PreTrainedModel

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        task: Task,
        *,
        max_tokens: int,
        window: int | None,
        pooling: str | None,
        prompt: PromptSpec | None = None,
        frozen: bool = False,
        pretrained: bool = True,
    ) -> None:
        width = model.config.hidden_size * (2 if pooling == "cls_mean" else 1)
        super().__init__(
            own_copy(model, frozen=frozen or prompt is not None, pretrained=pretrained),
            task,
            width=width,
            dropout=DROPOUT,
            device=model.device,
        )
        self._tokenizer, self.pooling = tokenizer, pooling
        self._padding = tokenizer.pad_token_id or 0
        self._max_tokens = max_tokens
        if prompt is not None:
            self.prompt = self._make_prompt(prompt, task)
        if isinstance(self.prompt, PromptVectors) and window is not None:
            self._max_tokens = min(max_tokens, window - len(self.prompt.vectors))
            if self._max_tokens <= tokenizer.num_special_tokens_to_add():
                raise SpecError(
                    f"{len(self.prompt.vectors)} prompt vectors leave no room for text in the "
                    f"window of {window} tokens; use fewer vectors"
                )

    def encode(self, inputs: Sequence[str], *, augment: bool = False) -> dict[str, torch.Tensor]:
        """Right-padded rows.

        Returns:
            "input_ids" and "attention_mask" (int64), shape (B, L), "token_type_ids" where the
            model tells two texts apart; with prompt vectors among the text "slots", the vector
            that stands in a place, -1 for none.
        """
        return self.as_batch(self._rows(inputs))

    def as_batch(self, rows: Sequence[list[int]]) -> dict[str, torch.Tensor]:
        """Token rows as `encode` returns them."""
        device = self.head.weight.device
        batch = {}
        if isinstance(self.prompt, PromptVectors):
            placed = [self._place(self.prompt, row) for row in rows]
            rows = [row for row, _ in placed]
            batch["slots"], _ = pad([slots for _, slots in placed], device, left=False, fill=-1)
        ids, real = pad(rows, device, left=False, fill=self._padding)
        kinds = segments(self._tokenizer, self.body, ids)
        return batch | {"input_ids": ids, "attention_mask": real.long()} | kinds

    def pooled(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Pooled last states; prompt vectors are attended to, but not pooled."""
        assert self.pooling is not None
        return pool(*self.states(batch), self.pooling)

    def states(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """The last states, shape (B, L, width), and which of them are the text's own, (B, L)."""
        ids, mask = batch["input_ids"], batch["attention_mask"]
        own = mask.bool()
        kinds = {key: batch[key] for key in ("token_type_ids",) if key in batch}
        if isinstance(self.prompt, EncoderPrefix):
            prefix = mask.new_ones(len(ids), len(self.prompt))
            first = self.prompt.first_position
            output = self.body(
                input_ids=ids,
                attention_mask=torch.cat([prefix, mask], dim=1),
                position_ids=torch.arange(first, first + ids.shape[1], device=ids.device)[None],
                past_key_values=self.prompt(len(ids)),
                **kinds,
            )
        elif isinstance(self.prompt, PromptVectors):
            slots = batch["slots"]
            own = own & (slots < 0)
            embeddings = self.prompt(self.body.get_input_embeddings()(ids), slots)
            output = self.body(inputs_embeds=embeddings, attention_mask=mask, **kinds)
        else:
            output = self.body(input_ids=ids, attention_mask=mask, **kinds)
        return output.last_hidden_state, own

    def body_groups(self) -> list[list[nn.Parameter]]:
        return block_groups(self.body, find_blocks(self.body, self.body.config.num_hidden_layers))

    def blocks(self) -> Sequence[nn.Module]:
        return list(find_blocks(self.body, self.body.config.num_hidden_layers))

    def lengths(self, inputs: Sequence[str]) -> np.ndarray:
        """Tokens of each text with special ones, int64, shape (n,)."""
        return np.array([len(row) for row in self._rows(inputs)], dtype=np.int64)

    def save_body(self, folder: Path) -> None:
        """A transformers folder: safetensors, config, tokenizer."""
        save_transformers(self.body, self._tokenizer, folder)

    def load_body(self, folder: Path) -> None:
        """Replace the body's weights by those of `save_body`; see `load_own_body`."""
        load_own_body(self.body, folder, prompted=self.prompt is not None)

    def save_memory(self) -> bool:
        """Not with prefix vectors, whose keys and values a recomputation would lose."""
        if isinstance(self.prompt, EncoderPrefix):
            return False
        return checkpoint_activations(self.body)

    def _rows(self, inputs: Sequence[str]) -> list[list[int]]:
        return tokenize(self._tokenizer, inputs, self._max_tokens)

    def _make_prompt(self, spec: PromptSpec, task: Task) -> nn.Module:
        if task.output == "texts":
            said = " ".join([task.description or "", *task.label_names])
        else:
            said = instruct(DEFAULT, task.description, label_words(task.label_names))
        start = starting_tokens(spec, DecoderTokens(self._tokenizer), said)
        if spec.kind == "prompt":
            return PromptVectors(spec, self.body, start)
        if spec.kind == "prefix":
            begin = tokenize(self._tokenizer, [""], self._max_tokens)[0][0]
            return EncoderPrefix(spec, self.body, start, begin)
        raise SpecError(f"prompt kind must be 'prompt' or 'prefix'; got {spec.kind!r}")

    @staticmethod
    def _place(prompt: PromptVectors, row: list[int]) -> tuple[list[int], list[int]]:
        """Vectors stand between class token and text, or between text and separator."""
        tokens, slots = prompt.surround(row[:-1], 1)
        return tokens + row[-1:], [*slots, -1]


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_tokens: int
) -> list[list[int]]:
    """Token rows with special tokens, each cut to `max_tokens`, of a pair the longer text first."""
    if not texts:
        return []
    if isinstance(texts[0], TextPair):
        pairs = cast(Sequence[TextPair], texts)
        parts = [one.first for one in pairs], [one.second for one in pairs]
        return tokenizer(*parts, truncation="longest_first", max_length=max_tokens)["input_ids"]
    return tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]


def segments(
    tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, ids: torch.Tensor
) -> dict[str, torch.Tensor]:
    """The model's keyword for which of two texts a token belongs to; empty where it has none.

    The second text begins behind the first separator (Devlin et al. 2019, figure 2).

    Args:
        ids: Right-padded rows, shape (B, L).
    """
    separator = tokenizer.sep_token_id
    if separator is None or getattr(model.config, "type_vocab_size", 0) < 2:
        return {}
    ends = (ids == separator).long()
    return {"token_type_ids": ((ends.cumsum(dim=1) - ends) > 0).long()}

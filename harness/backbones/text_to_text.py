"""Decoders as trainable classifiers: answering in words, or with a head on the last token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from harness.backbones.base import PromptSpec
from harness.backbones.decoder_tokens import DecoderTokens, pad
from harness.backbones.decoder_trainee import DecoderTrainee, window
from harness.backbones.heads import HeadTrainee, find_blocks, own_copy, pool
from harness.backbones.label_scoring import LabelTree
from harness.backbones.token_losses import token_losses
from harness.backbones.transformers_body import (
    checkpoint_activations,
    decoder_groups,
    load_transformers,
    save_transformers,
)
from harness.tasks.base import Task
from harness.tasks.templates import DEFAULT, Template, continuations, instruct, label_words

HEAD_DROPOUT = 0.1
"""Before the head, as GPT was fine-tuned (Radford et al. 2018, section 4.1)."""


class TextToTextTrainee(DecoderTrainee):
    """A decoder that answers with label words.

    Args:
        length_normalized: Divide a label's log-likelihood by its number of tokens before
            labels are compared (prediction only; the loss is the likelihood itself).
        labels_only: The loss compares the labels with each other, as prediction does, instead
            of with the whole vocabulary.
        The others: As of `DecoderTrainee`.
    """

    _answers: torch.Tensor
    _answers_real: torch.Tensor

    def __init__(
        self,
        model: PreTrainedModel,
        tokens: DecoderTokens,
        task: Task,
        *,
        max_tokens: int,
        prompt: PromptSpec | None = None,
        template: Template = DEFAULT,
        length_normalized: bool = False,
        labels_only: bool = False,
        frozen: bool = False,
    ) -> None:
        words = label_words(task.label_names)
        labels = tokens.labels(continuations(words))
        tree = LabelTree.of(labels, model.device)
        answers, real = pad(labels, model.device, left=False)
        super().__init__(
            model,
            tokens,
            template,
            max_tokens=max_tokens,
            said=instruct(DEFAULT, task.description, words),
            answer_tokens=answers.shape[1],
            prompt=prompt,
            frozen=frozen,
        )
        self._labels_only, self._length_normalized = labels_only, length_normalized
        self._tree = tree
        self.register_buffer("_answers", answers, persistent=False)
        self.register_buffer("_answers_real", real, persistent=False)

    def answers(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Likelihoods of the whole labels, normalised over the classes, shape (B, n_classes)."""
        tree = self._tree
        logits = self._tail_logits(
            batch,
            tree.tokens.expand(len(batch["input_ids"]), -1),
            depth=tree.depth,
            ancestors=tree.ancestors,
        )
        scores = tree.log_likelihoods(logits)
        if self._length_normalized:
            scores = scores / tree.lengths
        return scores.log_softmax(dim=-1)

    def loss(self, batch: dict[str, torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
        """Mean negative log-likelihood of the labels, summed over the tokens of each.

        The softmax is over the whole vocabulary, by which the model also learns that an answer
        is a label word at all; with `labels_only` it is over the labels.
        """
        if self._labels_only:
            return super().loss(batch, targets)
        answers, real = self._answers[targets], self._answers_real[targets]
        logits = self._answer_logits(batch, answers)
        losses = token_losses(logits, answers)
        return losses.masked_fill(~real, 0.0).sum(dim=1).mean()


class LastTokenClassifier(HeadTrainee):
    """A decoder's body with a classification head on the last token.

    Only the last token has read the whole text (Radford et al. 2018, section 3.3).
    """

    body: PreTrainedModel
    pooling = "last"

    def __init__(
        self,
        model: PreTrainedModel,
        tokens: DecoderTokens,
        task: Task,
        *,
        max_tokens: int,
        frozen: bool = False,
        pretrained: bool = True,
    ) -> None:
        body = model.base_model
        assert isinstance(body, PreTrainedModel)
        super().__init__(
            own_copy(body, frozen=frozen, pretrained=pretrained),
            task,
            width=model.config.hidden_size,
            dropout=HEAD_DROPOUT,
            device=model.device,
        )
        self._tokens = tokens
        self._max_tokens, self._window = max_tokens, window(model)

    def encode(self, inputs: Sequence[str], *, augment: bool = False) -> dict[str, torch.Tensor]:
        """Right-padded "input_ids" and "attention_mask" (int64), shape (B, L)."""
        ids, real = pad(self._rows(inputs), self.head.weight.device, left=False)
        return {"input_ids": ids, "attention_mask": real.long()}

    def pooled(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        ids, mask = batch["input_ids"], batch["attention_mask"]
        states = self.body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return pool(states, mask.bool(), "last")

    def body_groups(self) -> list[list[nn.Parameter]]:
        return decoder_groups(self.body)

    def blocks(self) -> Sequence[nn.Module]:
        return list(find_blocks(self.body, self.body.config.num_hidden_layers))

    def lengths(self, inputs: Sequence[str]) -> np.ndarray:
        """Tokens of each text with the start token, int64, shape (n,)."""
        return np.array([len(row) for row in self._rows(inputs)], dtype=np.int64)

    def save_body(self, folder: Path) -> None:
        """A transformers folder: safetensors, config, tokenizer."""
        save_transformers(self.body, self._tokens.tokenizer, folder)

    def load_body(self, folder: Path) -> None:
        """Replace the body's weights by those of `save_body`."""
        load_transformers(self.body, folder)

    def save_memory(self) -> bool:
        return checkpoint_activations(self.body)

    def _rows(self, inputs: Sequence[str]) -> list[list[int]]:
        return self._tokens.within(inputs, self._max_tokens, self._window)

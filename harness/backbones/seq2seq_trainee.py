"""Encoder-decoders as trainable predictors: answering in words, or with a head on the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from advisor.errors import SpecError
from harness.backbones.base import PromptSpec, Trainee
from harness.backbones.decoder_tokens import pad
from harness.backbones.heads import HeadTrainee, own_copy, pool
from harness.backbones.prompt_vectors import PromptVectors, starting_tokens
from harness.backbones.seq2seq_scoring import (
    LabelPaths,
    seq2seq_groups,
    stack_blocks,
    write,
)
from harness.backbones.seq2seq_tokens import Seq2SeqTokens
from harness.backbones.token_losses import token_losses
from harness.backbones.transformers_body import (
    checkpoint_activations,
    load_own_body,
    load_transformers,
    save_transformers,
)
from harness.tasks.base import Task
from harness.tasks.templates import (
    continuations,
    frames,
    instruct,
    label_words,
    render_query,
    templates_for,
)

HEAD_DROPOUT = 0.1
DEFAULT_ANSWER = 32
"""Longest answer in tokens of a trainee that was told of none."""


class Seq2SeqTrainee(Trainee):
    """An encoder-decoder that answers in words: text-to-text (Raffel et al. 2020, section 2.4).

    The encoder reads the template's query without instruction or demonstrations, and the decoder
    learns to say the answer and the end. Classes are predicted by comparing the likelihoods of
    all labels; texts are written, the likeliest token at a time.

    Args:
        model: The backbone's frozen model, which is copied; a frozen copy shares its weights.
        max_tokens: Longest text in tokens; the template and the prompt vectors come on top.
        window: Most tokens the encoder can read; None for no limit.
        prompt: Vectors before, behind or around the encoder's input (Lester et al. 2021).
        labels_only: The loss compares the labels with each other, as prediction does, instead
            of with the whole vocabulary.
        pretrained: False for fresh weights.

    Raises:
        SpecError: If the prompt's specification cannot be met.
    """

    body: PreTrainedModel

    def __init__(
        self,
        model: PreTrainedModel,
        tokens: Seq2SeqTokens,
        task: Task,
        *,
        max_tokens: int,
        window: int | None,
        prompt: PromptSpec | None = None,
        labels_only: bool = False,
        frozen: bool = False,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        self.body = own_copy(model, frozen=frozen or prompt is not None, pretrained=pretrained)
        self._tokens = tokens
        self._template = templates_for(task)[0]
        self._device, self._window = model.device, window
        self._writes = task.output == "texts"
        self._labels_only = labels_only and not self._writes
        words = () if self._writes else label_words(task.label_names)
        if self._writes:
            self.max_new_tokens = DEFAULT_ANSWER
        else:
            self._labels = tokens.answers(continuations(words))
            self._paths = LabelPaths.of(self._labels, tokens.start, model.device)
        extra = 0
        if prompt is not None:
            if prompt.kind != "prompt":
                raise SpecError(
                    "encoder-decoders take prompt vectors of kind 'prompt', before the encoder's "
                    f"input; got {prompt.kind!r}"
                )
            said = instruct(self._template, task.description, words)
            self.prompt = PromptVectors(
                prompt, self.body, starting_tokens(prompt, tokens.texts, said)
            )
            extra = prompt.length
        frame = max(map(len, tokens.sources(frames(self._template))))
        room = max_tokens if window is None else window - frame - extra
        if room < 1:
            raise SpecError(
                f"{extra} prompt vectors and the template leave no room for text in the window "
                f"of {window} tokens; use fewer vectors"
            )
        self._max_tokens = min(max_tokens, room)

    def encode(self, inputs: Sequence[str], *, augment: bool = False) -> dict[str, torch.Tensor]:
        """Right-padded rows for the encoder.

        Returns:
            "input_ids" and "attention_mask" (bool), shape (B, L); with prompt vectors "slots",
            the vector that stands in a place, -1 for none.
        """
        rows, fill = self._rows(inputs), self._tokens.padding
        if not isinstance(self.prompt, PromptVectors):
            ids, real = pad(rows, self._device, left=False, fill=fill)
            return {"input_ids": ids, "attention_mask": real}
        surrounded = [self.prompt.surround(row, self._tokens.first) for row in rows]
        ids, real = pad([row for row, _ in surrounded], self._device, left=False, fill=fill)
        slots, _ = pad([slots for _, slots in surrounded], self._device, left=False, fill=-1)
        return {"input_ids": ids, "attention_mask": real, "slots": slots}

    def answers(self, batch: dict[str, torch.Tensor]) -> torch.Tensor | list[str]:
        states, real = self._states(batch), batch["attention_mask"]
        if self._writes:
            assert self.max_new_tokens is not None
            return write(self.body, self._tokens, states, real, self.max_new_tokens)
        return self._paths.log_likelihoods(self.body, states, real).log_softmax(dim=-1)

    def loss(
        self, batch: dict[str, torch.Tensor], targets: torch.Tensor | np.ndarray
    ) -> torch.Tensor:
        """Negative log-likelihood of the answers and their ends, given the true tokens before.

        Of labels the sum over the tokens of each, averaged over rows, as prediction compares
        them. Of texts the mean over the tokens of each, averaged over rows: a row then counts
        as much as any other, as in the metrics, however long its answer is. With `labels_only`
        the labels are compared with each other alone.
        """
        if self._labels_only:
            return super().loss(batch, targets)
        answers, real = pad(self._said(targets), self._device, left=False)
        start = torch.tensor([self._tokens.start], device=self._device).expand(len(answers), -1)
        logits = self.body(
            encoder_outputs=(self._states(batch),),
            attention_mask=batch["attention_mask"].long(),
            decoder_input_ids=torch.cat([start, answers[:, :-1]], dim=1),
            use_cache=False,
        ).logits[:, start.shape[1] - 1 :]
        losses = token_losses(logits, answers)
        sums = losses.masked_fill(~real, 0.0).sum(dim=1)
        return (sums / real.sum(dim=1) if self._writes else sums).mean()

    def write_up_to(self, max_new_tokens: int) -> None:
        if not self._writes:
            super().write_up_to(max_new_tokens)
        self.max_new_tokens = max_new_tokens

    def read_answers(self, texts: Sequence[str]) -> None:
        if self._writes:
            self.write_up_to(max(len(row) for row in self._said(np.asarray(texts))))

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Prompt and embeddings, each block, then what comes after; trainable ones only."""
        groups = seq2seq_groups(self.body)
        if self.prompt is not None:
            groups[0].extend(self.prompt.parameters())
        trained = [[p for p in group if p.requires_grad] for group in groups]
        return [group for group in trained if group]

    def blocks(self) -> Sequence[nn.Module]:
        return stack_blocks(self.body)

    def lengths(self, inputs: Sequence[str]) -> np.ndarray:
        """Tokens of each text in its template, int64, shape (n,)."""
        return np.array([len(row) for row in self._rows(inputs)], dtype=np.int64)

    def save_body(self, folder: Path) -> None:
        """A transformers folder: safetensors, config, tokenizer."""
        save_transformers(self.body, self._tokens.tokenizer, folder)

    def load_body(self, folder: Path) -> None:
        """Replace the body's weights by those of `save_body`; see `load_own_body`."""
        load_own_body(self.body, folder, prompted=self.prompt is not None)

    def save_memory(self) -> bool:
        return checkpoint_activations(self.body)

    def _rows(self, inputs: Sequence[str]) -> list[list[int]]:
        texts = self._tokens.truncate(inputs, self._max_tokens)
        return self._tokens.sources([render_query(self._template, text) for text in texts])

    def _said(self, targets: torch.Tensor | np.ndarray) -> list[list[int]]:
        """The tokens of each answer with the end, no longer than the window of the decoder."""
        if isinstance(targets, torch.Tensor):
            rows = [self._labels[int(target)] for target in targets]
        else:
            rows = self._tokens.answers(targets.tolist())
        longest = None if self._window is None else self._window - len(self._tokens.start)
        end = self._tokens.end
        return [(row if row[-1:] == [end] else [*row, end])[:longest] for row in rows]

    def _states(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Of the encoder, shape (B, L, width)."""
        embeddings = self.body.get_input_embeddings()(batch["input_ids"])
        if isinstance(self.prompt, PromptVectors):
            embeddings = self.prompt(embeddings, batch["slots"])
        mask = batch["attention_mask"].long()
        states: torch.Tensor = self.body.get_encoder()(
            inputs_embeds=embeddings, attention_mask=mask
        ).last_hidden_state
        return states


class EncoderHeadTrainee(HeadTrainee):
    """A linear head on the mean of the encoder's states (Ni et al. 2022, Sentence-T5, section 3).

    The decoder takes no part and does not train.
    """

    body: PreTrainedModel
    pooling = "mean"

    def __init__(
        self,
        model: PreTrainedModel,
        tokens: Seq2SeqTokens,
        task: Task,
        *,
        max_tokens: int,
        frozen: bool = False,
        pretrained: bool = True,
    ) -> None:
        body = own_copy(model, frozen=frozen, pretrained=pretrained)
        read = {id(p) for p in body.get_encoder().parameters()}
        for parameter in body.parameters():
            parameter.requires_grad_(parameter.requires_grad and id(parameter) in read)
        super().__init__(
            body,
            task,
            width=model.config.hidden_size,
            dropout=HEAD_DROPOUT,
            device=model.device,
        )
        self._tokens, self._max_tokens = tokens, max_tokens

    def encode(self, inputs: Sequence[str], *, augment: bool = False) -> dict[str, torch.Tensor]:
        """Right-padded "input_ids" and "attention_mask" (bool), shape (B, L)."""
        device, fill = self.head.weight.device, self._tokens.padding
        ids, real = pad(self._rows(inputs), device, left=False, fill=fill)
        return {"input_ids": ids, "attention_mask": real}

    def pooled(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        real = batch["attention_mask"]
        encoder = self.body.get_encoder()
        states = encoder(input_ids=batch["input_ids"], attention_mask=real.long())
        return pool(states.last_hidden_state, real, "mean")

    def body_groups(self) -> list[list[nn.Parameter]]:
        return seq2seq_groups(self.body)

    def blocks(self) -> Sequence[nn.Module]:
        return stack_blocks(self.body)

    def lengths(self, inputs: Sequence[str]) -> np.ndarray:
        """Tokens of each text, int64, shape (n,)."""
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
        return self._tokens.plain_sources(self._tokens.truncate(inputs, self._max_tokens))

"""Decoders as trainable classifiers: answering in words, or with a head on the last token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from advisor.errors import SpecError
from harness.backbones.base import PromptSpec, Trainee
from harness.backbones.decoder_tokens import DecoderTokens, pad
from harness.backbones.heads import HeadTrainee, find_blocks, own_copy, pool
from harness.backbones.label_scoring import LabelTree, tail_logits
from harness.backbones.prompt_vectors import PrefixVectors, PromptVectors, starting_tokens
from harness.backbones.transformers_body import (
    checkpoint_activations,
    decoder_groups,
    load_transformers,
    save_transformers,
)
from harness.tasks.base import Task
from harness.tasks.templates import (
    DEFAULT,
    Template,
    continuations,
    instruct,
    label_words,
    render_query,
)

HEAD_DROPOUT = 0.1
"""Before the head, as GPT was fine-tuned (Radford et al. 2018, section 4.1)."""


class TextToTextTrainee(Trainee):
    """A decoder that answers with label words, all weights trainable or only prompt vectors.

    The input is the template's query without instruction or demonstrations: training replaces
    what they would say.

    Args:
        model: The backbone's frozen model. Without a prompt it is copied; with one, the copy
            shares its frozen weights, so that no memory is spent on what never changes.
        max_tokens: Longest text in tokens; the template and the prompt vectors come on top.
        length_normalized: Divide a label's log-likelihood by its number of tokens before
            labels are compared (prediction only; the loss is the likelihood itself).
        labels_only: The loss compares the labels with each other, as prediction does, instead
            of with the whole vocabulary.
        frozen: Share the frozen weights though there is no prompt.

    Raises:
        SpecError: If the prompt's specification cannot be met.
    """

    body: PreTrainedModel
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
        super().__init__()
        self.body = own_copy(model, frozen=frozen or prompt is not None)
        self._labels_only = labels_only
        self._tokens = tokens
        self._template, self._length_normalized = template, length_normalized
        words = label_words(task.label_names)
        labels = tokens.labels(continuations(words))
        self._tree = LabelTree.of(labels, model.device)
        answers, real = pad(labels, model.device, left=False)
        self.register_buffer("_answers", answers, persistent=False)
        self.register_buffer("_answers_real", real, persistent=False)
        extra = 0
        if prompt is not None:
            said = f"{instruct(DEFAULT, task.description, words)}"
            start = starting_tokens(prompt, tokens, said)
            if prompt.kind == "prompt":
                self.prompt = PromptVectors(prompt, self.body, start)
            elif prompt.kind == "prefix":
                self.prompt = PrefixVectors(prompt, self.body, tokens, start)
            else:
                raise SpecError(f"prompt kind must be 'prompt' or 'prefix'; got {prompt.kind!r}")
            extra = prompt.length
        frame = len(tokens.rows([render_query(template, "")])[0])
        room = _window(model) - frame - extra - answers.shape[1]
        if room < 1:
            raise SpecError(
                f"{extra} prompt vectors and the template leave no room for text in the window "
                f"of {_window(model)} tokens; use fewer vectors"
            )
        self._max_tokens = min(max_tokens, room)

    def encode(self, inputs: Sequence[str], *, augment: bool = False) -> dict[str, torch.Tensor]:
        """Left-padded rows, so that the label is always predicted from the last column.

        Returns:
            "input_ids" and "attention_mask" (bool), shape (B, L); with prompt vectors "slots",
            the vector that stands in a place, -1 for none.
        """
        rows = self._rows(inputs)
        device = self._answers.device
        if not isinstance(self.prompt, PromptVectors):
            ids, real = pad(rows, device, left=True)
            return {"input_ids": ids, "attention_mask": real}
        surrounded = [self.prompt.surround(row, len(self._tokens.start)) for row in rows]
        ids, real = pad([row for row, _ in surrounded], device, left=True)
        slots, _ = pad([slots for _, slots in surrounded], device, left=True, fill=-1)
        return {"input_ids": ids, "attention_mask": real, "slots": slots}

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
        n = answers.shape[1] - 1
        steps = torch.arange(n, device=answers.device)
        logits = self._tail_logits(
            batch, answers[:, :-1], depth=steps + 1, ancestors=steps[:, None] >= steps[None, :]
        )
        losses = nn.functional.cross_entropy(
            logits.float().transpose(1, 2), answers, reduction="none"
        )
        return losses.masked_fill(~real, 0.0).sum(dim=1).mean()

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Prompt and embeddings, each block, then what comes after; trainable ones only."""
        groups = decoder_groups(self.body)
        if self.prompt is not None:
            groups[0].extend(self.prompt.parameters())
        trained = [[p for p in group if p.requires_grad] for group in groups]
        return [group for group in trained if group]

    @torch.no_grad()
    def text_loss(self, inputs: Sequence[str]) -> float:
        """Of the bare texts, each cut as in training; a text's first token is not predicted."""
        self.eval()
        total, count = 0.0, 0
        for row in self._tokens.rows(self._tokens.truncate(inputs, self._max_tokens)):
            if len(row) > 1:
                ids = torch.tensor([row], device=self._answers.device)
                logits = self.body(input_ids=ids, use_cache=False).logits[0, :-1].float()
                total += float(nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
                count += len(row) - 1
        return total / count if count else 0.0

    def blocks(self) -> Sequence[nn.Module]:
        return list(find_blocks(self.body, self.body.config.num_hidden_layers))

    def lengths(self, inputs: Sequence[str]) -> np.ndarray:
        """Tokens of each text in its template, int64, shape (n,)."""
        return np.array([len(row) for row in self._rows(inputs)], dtype=np.int64)

    def save_body(self, folder: Path) -> None:
        """A transformers folder: safetensors, config, tokenizer."""
        save_transformers(self.body, self._tokens.tokenizer, folder)

    def load_body(self, folder: Path) -> None:
        """Replace the body's weights by those of `save_body`.

        Raises:
            SpecError: If the trainee has a prompt, whose body is the backbone's and frozen.
        """
        if self.prompt is not None:
            raise SpecError(
                "a trainee with prompt vectors keeps the pretrained body; load only them"
            )
        load_transformers(self.body, folder)

    def save_memory(self) -> bool:
        """Not with prefix vectors, whose keys and values a recomputation would lose."""
        if isinstance(self.prompt, PrefixVectors):
            return False
        return checkpoint_activations(self.body)

    def _rows(self, inputs: Sequence[str]) -> list[list[int]]:
        texts = self._tokens.truncate(inputs, self._max_tokens)
        return self._tokens.rows([render_query(self._template, text) for text in texts])

    def _tail_logits(
        self,
        batch: dict[str, torch.Tensor],
        tail: torch.Tensor,
        *,
        depth: torch.Tensor,
        ancestors: torch.Tensor,
    ) -> torch.Tensor:
        embeddings = self.body.get_input_embeddings()(batch["input_ids"])
        if isinstance(self.prompt, PromptVectors):
            embeddings = self.prompt(embeddings, batch["slots"])
        prefix = self.prompt() if isinstance(self.prompt, PrefixVectors) else ()
        return tail_logits(
            self.body,
            embeddings,
            batch["attention_mask"],
            tail,
            depth=depth,
            ancestors=ancestors,
            prefix=prefix,
        )


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
        self._max_tokens = min(max_tokens, _window(model) - len(tokens.start))

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
        return self._tokens.rows(self._tokens.truncate(inputs, self._max_tokens))


def _window(model: PreTrainedModel) -> int:
    return int(model.config.max_position_embeddings)

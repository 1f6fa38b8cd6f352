"""Decoders that write: trained on the texts of answers, and generating them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel

from harness.backbones.base import PromptSpec
from harness.backbones.decoder_tokens import DecoderTokens, pad
from harness.backbones.decoder_trainee import DecoderTrainee, window
from harness.backbones.greedy import greedy
from harness.backbones.label_scoring import attention_masks, visible_keys
from harness.backbones.shared_prefix import KeysValues, prefix_length
from harness.backbones.token_losses import token_losses
from harness.tasks.base import Task
from harness.tasks.templates import instruct, one_line, templates_for

DEFAULT_ANSWER = 32
"""Longest answer in tokens of a trainee that was told of none."""
_WINDOW_SHARE = 2
"""An answer may take half of the window."""


class TextGenerationTrainee(DecoderTrainee):
    """A decoder that answers a task's query with a text of its own.

    Trained on " " + text + end, the end being the model's own end token, or a line break where
    it has none; an answer ends at either. Answers are the likeliest token at a time.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokens: DecoderTokens,
        task: Task,
        *,
        max_tokens: int,
        prompt: PromptSpec | None = None,
        frozen: bool = False,
        pretrained: bool = True,
    ) -> None:
        template = templates_for(task)[0]
        longest = window(model) // _WINDOW_SHARE
        super().__init__(
            model,
            tokens,
            template,
            max_tokens=max_tokens,
            said=instruct(template, task.description, ()),
            answer_tokens=min(DEFAULT_ANSWER, longest),
            prompt=prompt,
            frozen=frozen,
            pretrained=pretrained,
        )
        self._longest = longest
        self.max_new_tokens = min(DEFAULT_ANSWER, longest)

    def answers(self, batch: dict[str, torch.Tensor]) -> list[str]:
        assert self.max_new_tokens is not None
        embeddings, real, prefix = self._read(batch)
        return write(self.body, self._tokens, embeddings, real, self.max_new_tokens, prefix=prefix)

    def loss(self, batch: dict[str, torch.Tensor], targets: np.ndarray) -> torch.Tensor:
        """Negative log-likelihood of the texts and their ends: mean over the tokens of each, then
        over rows, so that a row counts as much as any other, as in the metrics, however long
        its answer is."""
        answers, real = pad(self._said(targets.tolist()), self._device, left=False)
        logits = self._answer_logits(batch, answers)
        losses = token_losses(logits, answers)
        return (losses.masked_fill(~real, 0.0).sum(dim=1) / real.sum(dim=1)).mean()

    def write_up_to(self, max_new_tokens: int) -> None:
        self._make_room(max_new_tokens)
        self.max_new_tokens = max_new_tokens

    def read_answers(self, texts: Sequence[str]) -> None:
        self.write_up_to(max(map(len, self._said(texts))))

    def _said(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each answer with its end, cut to what the window has room for."""
        end = self._tokens.tokenizer.eos_token_id
        if end is None:
            rows = self._tokens.labels([f" {one_line(text)}\n" for text in texts])
        else:
            rows = self._tokens.labels([f" {one_line(text)}" for text in texts])
            rows = [[*row, end] for row in rows]
        return [row[: self._longest] for row in rows]


def write(
    model: PreTrainedModel,
    tokens: DecoderTokens,
    embeddings: torch.Tensor,
    real: torch.Tensor,
    max_new_tokens: int,
    *,
    prefix: KeysValues = (),
    stop: str = "\n",
) -> list[str]:
    """What follows each row, token by token; keys and values are kept.

    Args:
        embeddings: Left-padded context, shape (B, L, width). real: False at padding, (B, L).
        prefix: Keys and values before every context.

    Returns:
        One text a row, up to `stop` or the model's end token, without blanks at its ends.
    """
    rows = greedy(
        _stepper(model, embeddings, real, prefix),
        len(real),
        max_new_tokens=max_new_tokens,
        ends=_ends(tokens, stop),
    )
    texts = [str(tokens.tokenizer.decode(row, skip_special_tokens=True)) for row in rows]
    return [text.lstrip().split(stop)[0].strip() for text in texts]


def _stepper(
    model: PreTrainedModel, embeddings: torch.Tensor, real: torch.Tensor, prefix: KeysValues
) -> Callable[[torch.Tensor | None], torch.Tensor]:
    """A step of `greedy`; positions do not count padding, so that a row depends on itself only."""
    rows, device = len(real), real.device
    n_prefix = prefix_length(prefix)
    cache = DynamicCache()  # without a configuration every layer keeps all positions
    for layer, (keys, values) in enumerate(prefix):
        wide = (keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1))
        cache.update(*wide, layer)
    context = (n_prefix + real.long().cumsum(dim=1) - 1).clamp(min=0)
    before = torch.arange(n_prefix, device=device).expand(rows, -1)
    keys_at = torch.cat([before, context], dim=1)
    readable = torch.cat([torch.ones_like(before, dtype=torch.bool), real], dim=1)

    def step(said: torch.Tensor | None) -> torch.Tensor:
        nonlocal keys_at, readable
        if said is None:
            inputs, at = embeddings, context
            seen = visible_keys(real, torch.ones(0, 0, dtype=torch.bool, device=device), n_prefix)
        else:
            inputs, at = model.get_input_embeddings()(said), keys_at[:, -1:] + 1
            keys_at = torch.cat([keys_at, at], dim=1)
            readable = torch.cat([readable, torch.ones_like(said, dtype=torch.bool)], dim=1)
            seen = readable[:, None, :]
        output = model(
            inputs_embeds=inputs,
            attention_mask=attention_masks(model, seen, at, keys_at, inputs.dtype),
            position_ids=at,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]

    return step


def _ends(tokens: DecoderTokens, stop: str) -> Callable[[int], bool]:
    """Whether a token ends an answer; each token is looked up once."""
    end = tokens.tokenizer.eos_token_id
    known: dict[int, bool] = {}

    def ends(token: int) -> bool:
        if token not in known:
            known[token] = token == end or stop in str(tokens.tokenizer.decode([token]))
        return known[token]

    return ends

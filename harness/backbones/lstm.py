"""The small LSTM encoder-decoder with attention: it writes again what it reads, as a translation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn
from transformers import AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import ModelError, SpecError
from harness.backbones.base import FrozenModel, ModelFacts, PromptSpec, Trainee, check_form
from harness.backbones.decoder_tokens import pad
from harness.backbones.frozen import frozen
from harness.backbones.lstm_model import LstmSeq2Seq
from harness.backbones.seq2seq_tokens import Seq2SeqTokens
from harness.backbones.token_losses import token_losses
from harness.tasks.base import Task

DEFAULT_MAX_TOKENS = 256
DEFAULT_ANSWER = 32
"""Longest answer in tokens of a trainee that was told of none."""
BEAMS = 4
"""Hypotheses kept in the search for an answer; two are most of the gain (Sutskever et al. 2014,
table 1)."""


class LstmBackbone(FrozenModel):
    """An LSTM encoder-decoder with its tokenizer; implements the trainable side of `Backbone`."""

    tasks = frozenset({"translation", "generation"})
    poolings: tuple[str, ...] = ()

    def __init__(
        self,
        facts: ModelFacts,
        model: LstmSeq2Seq,
        tokenizer: PreTrainedTokenizerBase,
        *,
        device: torch.device,
        max_tokens: int | None = None,
    ) -> None:
        self.facts = facts
        self.device = device
        self.model = frozen(model, device)
        self.tokens = Seq2SeqTokens(tokenizer, start=model.config.bos_token_id)
        self.max_tokens: int | None = max_tokens or DEFAULT_MAX_TOKENS

    @classmethod
    def from_location(
        cls, facts: ModelFacts, *, device: torch.device, max_tokens: int | None
    ) -> LstmBackbone:
        """Load a folder that `harness pretrain` wrote.

        Raises:
            ModelError: If weights or tokenizer cannot be found or read.
        """
        model = LstmSeq2Seq.from_folder(Path(facts.location))
        try:
            tokenizer = AutoTokenizer.from_pretrained(facts.location)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"the tokenizer of {facts.name!r} cannot be loaded from {facts.location!r}: {reason}"
            ) from error
        return cls(facts, model, tokenizer, device=device, max_tokens=max_tokens)

    def views(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise SpecError("no pooled features are taken of an LSTM encoder-decoder")

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """Number of tokens of each text without special tokens, int64, shape (n,)."""
        return self.tokens.counts(texts)

    def trainee(
        self,
        task: Task,
        *,
        pooling: str | None = None,
        prompt: PromptSpec | None = None,
        form: str = "default",
        frozen: bool = False,
        pretrained: bool = True,
    ) -> Trainee:
        """The whole network, from its weights or from fresh ones.

        Raises:
            SpecError: If something else is asked than that it writes texts.
        """
        assert self.max_tokens is not None
        check_form(form)
        if task.output != "texts" or form == "head" or prompt is not None or pooling is not None:
            raise SpecError(
                "an LSTM encoder-decoder writes texts and is trained whole: it has no head, no "
                "pooling and no place for prompt vectors"
            )
        return LstmTrainee(
            self.model,
            self.tokens,
            max_tokens=self.max_tokens,
            frozen=frozen,
            pretrained=pretrained,
        )


class LstmTrainee(Trainee):
    """An LSTM encoder-decoder that reads a text and writes another.

    Args:
        model: The backbone's frozen model, which is copied.
        max_tokens: Longest text in tokens.
        pretrained: False for fresh weights, drawn from torch's generator.
    """

    body: LstmSeq2Seq

    def __init__(
        self,
        model: LstmSeq2Seq,
        tokens: Seq2SeqTokens,
        *,
        max_tokens: int,
        frozen: bool = False,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        self._device = next(model.parameters()).device
        body = copy.deepcopy(model) if pretrained else LstmSeq2Seq(model.config).to(self._device)
        self.body = body.requires_grad_(not frozen)
        self._tokens, self._max_tokens = tokens, max_tokens
        self.max_new_tokens = DEFAULT_ANSWER

    def encode(self, inputs: Sequence[str], *, augment: bool = False) -> dict[str, torch.Tensor]:
        """Right-padded "source" and "source_mask" (bool), shape (B, L)."""
        ids, real = pad(
            self._rows(inputs), self._device, left=False, fill=self.body.config.pad_token_id
        )
        return {"source": ids, "source_mask": real}

    def answers(self, batch: dict[str, torch.Tensor]) -> list[str]:
        """The likeliest texts that a beam search finds."""
        assert self.max_new_tokens is not None
        rows = self.body.generate(**batch, max_new_tokens=self.max_new_tokens, beams=BEAMS)
        return [self._tokens.read(row) for row in rows.tolist()]

    def loss(self, batch: dict[str, torch.Tensor], targets: np.ndarray) -> torch.Tensor:
        """Negative log-likelihood of the texts and their ends: mean over the tokens of each, then
        over rows, so that a row counts as much as any other, however long its answer is."""
        fill = self.body.config.pad_token_id
        said, real = pad(self._said(targets.tolist()), self._device, left=False, fill=fill)
        start = torch.full_like(said[:, :1], self.body.config.bos_token_id)
        encoded = self.body.encode(batch["source"], batch["source_mask"])
        read = torch.cat([start, said[:, :-1]], dim=1)
        logits, _ = self.body.decode(read, encoded.start, encoded)
        losses = token_losses(logits, said)
        return (losses.masked_fill(~real, 0.0).sum(dim=1) / real.sum(dim=1)).mean()

    def write_up_to(self, max_new_tokens: int) -> None:
        self.max_new_tokens = max_new_tokens

    def read_answers(self, texts: Sequence[str]) -> None:
        self.write_up_to(max(map(len, self._said(texts))))

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embedding, encoder, decoder, then attention and output; trainable ones only."""
        body = self.body
        inner = [list(part.parameters()) for part in (body.embedding, body.encoder, body.decoder)]
        known = {id(p) for group in inner for p in group}
        last = [p for p in body.parameters() if id(p) not in known]
        trained = [[p for p in group if p.requires_grad] for group in (*inner, last)]
        return [group for group in trained if group]

    def lengths(self, inputs: Sequence[str]) -> np.ndarray:
        """Tokens of each text with its end, int64, shape (n,)."""
        return np.array([len(row) for row in self._rows(inputs)], dtype=np.int64)

    def save_body(self, folder: Path) -> None:
        """config.json, model.safetensors and the tokenizer, as `harness pretrain` writes them."""
        self.body.save_to(folder)
        self._tokens.tokenizer.save_pretrained(folder)

    def load_body(self, folder: Path) -> None:
        """Replace the body's weights by those of `save_body`."""
        self.body.load_state_dict(LstmSeq2Seq.from_folder(folder).state_dict())

    def _rows(self, inputs: Sequence[str]) -> list[list[int]]:
        return self._tokens.plain_sources(self._tokens.truncate(inputs, self._max_tokens))

    def _said(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each answer with its end."""
        return [[*row, self._tokens.end] for row in self._tokens.answers(texts)]

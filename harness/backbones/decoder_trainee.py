"""What all trainees of decoders that answer in words share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from advisor.errors import SpecError
from harness.backbones.base import PromptSpec, Trainee
from harness.backbones.decoder_tokens import DecoderTokens, common_start, pad
from harness.backbones.heads import find_blocks, own_copy
from harness.backbones.label_scoring import tail_logits
from harness.backbones.prompt_vectors import PrefixVectors, PromptVectors, starting_tokens
from harness.backbones.shared_prefix import KeysValues, read_prefix
from harness.backbones.transformers_body import (
    checkpoint_activations,
    decoder_groups,
    load_own_body,
    save_transformers,
)
from harness.tasks.templates import Template, frames, render_query


class DecoderTrainee(Trainee):
    """A decoder that answers in words, all weights trainable or only prompt vectors.

    The input is the template's query without instruction or demonstrations: training replaces
    what they would say.

    Args:
        model: The backbone's frozen model. Without a prompt it is copied; with one, the copy
            shares its frozen weights, so that no memory is spent on what never changes.
        max_tokens: Longest text in tokens; the template and the prompt vectors come on top.
        said: Text a prompt may start from.
        answer_tokens: Room for the answer.
        frozen: Share the frozen weights though there is no prompt.
        pretrained: False for fresh weights.

    Raises:
        SpecError: If the prompt's specification cannot be met.
    """

    body: PreTrainedModel

    def __init__(
        self,
        model: PreTrainedModel,
        tokens: DecoderTokens,
        template: Template,
        *,
        max_tokens: int,
        said: str,
        answer_tokens: int,
        prompt: PromptSpec | None = None,
        frozen: bool = False,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        self.body = own_copy(model, frozen=frozen or prompt is not None, pretrained=pretrained)
        self._tokens, self._template, self._device = tokens, template, model.device
        self._most_tokens, self._prompt_tokens = max_tokens, 0
        self._shares_start = True
        if prompt is not None:
            start = starting_tokens(prompt, tokens, said)
            if prompt.kind == "prompt":
                self.prompt = PromptVectors(prompt, self.body, start)
            elif prompt.kind == "prefix":
                self.prompt = PrefixVectors(prompt, self.body, tokens, start)
            else:
                raise SpecError(f"prompt kind must be 'prompt' or 'prefix'; got {prompt.kind!r}")
            self._prompt_tokens = prompt.length
        self._make_room(answer_tokens)

    def encode(self, inputs: Sequence[str], *, augment: bool = False) -> dict[str, torch.Tensor]:
        """Left-padded rows, so that the answer always begins behind the last column.

        Nothing before the text depends on it, so vectors there, and what all rows begin with
        around them, are read once for the whole batch.

        Returns:
            "input_ids" and "attention_mask" (bool), shape (B, L); where prompt vectors stand among
            them "slots", the vector that stands in a place, -1 for none; with vectors before the
            text also "start_ids" and "start_slots", shape (1, n), what is read before every row.
        """
        rows = self._rows(inputs)
        device = self._device
        if not isinstance(self.prompt, PromptVectors):
            ids, real = pad(rows, device, left=True)
            return {"input_ids": ids, "attention_mask": real}
        surrounded = [self.prompt.surround(row, len(self._tokens.start)) for row in rows]
        start = common_start([row for row, _ in surrounded]) if self.prompt.before else 0
        ids, real = pad([row[start:] for row, _ in surrounded], device, left=True)
        batch = {"input_ids": ids, "attention_mask": real}
        places = [slots[start:] for _, slots in surrounded]
        if any(max(slots) >= 0 for slots in places):
            batch["slots"], _ = pad(places, device, left=True, fill=-1)
        if start:
            first, placed = surrounded[0]
            batch["start_ids"] = torch.tensor([first[:start]], device=device)
            batch["start_slots"] = torch.tensor([placed[:start]], device=device)
        return batch

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
                ids = torch.tensor([row], device=self._device)
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
        """Replace the body's weights by those of `save_body`; see `load_own_body`."""
        load_own_body(self.body, folder, prompted=self.prompt is not None)

    def save_memory(self) -> bool:
        """Not with prefix vectors, whose keys and values a recomputation would lose; other vectors
        are read with every row from then on."""
        if isinstance(self.prompt, PrefixVectors) or not checkpoint_activations(self.body):
            return False
        self._shares_start = False
        return True

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
        """At the end of the input and behind every token of a tail; see `tail_logits`."""
        embeddings, real, prefix = self._read(batch)
        return tail_logits(
            self.body,
            embeddings,
            real,
            tail,
            depth=depth,
            ancestors=ancestors,
            prefix=prefix,
        )

    def _answer_logits(self, batch: dict[str, torch.Tensor], answers: torch.Tensor) -> torch.Tensor:
        """Logits of every token of the answers, given the true tokens before, shape (B, n,
        vocabulary); the output layer is computed nowhere else."""
        n = answers.shape[1] - 1
        steps = torch.arange(n, device=answers.device)
        return self._tail_logits(
            batch, answers[:, :-1], depth=steps + 1, ancestors=steps[:, None] >= steps[None, :]
        )

    def _read(
        self, batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, KeysValues]:
        """Embeddings of the rows, shape (B, L, width), which are no padding, (B, L), and what
        attention reads before every row."""
        ids, real, slots = batch["input_ids"], batch["attention_mask"], batch.get("slots")
        if isinstance(self.prompt, PrefixVectors):
            return self._placed(ids, slots), real, self.prompt()
        if "start_ids" not in batch:
            return self._placed(ids, slots), real, ()
        start, placed = batch["start_ids"], batch["start_slots"]
        if self._shares_start:
            return (
                self._placed(ids, slots),
                real,
                read_prefix(self.body, self._placed(start, placed)),
            )
        rows = len(ids)
        slots = torch.full_like(ids, -1) if slots is None else slots
        ids = torch.cat([start.expand(rows, -1), ids], dim=1)
        slots = torch.cat([placed.expand(rows, -1), slots], dim=1)
        real = torch.cat([torch.ones_like(start, dtype=torch.bool).expand(rows, -1), real], dim=1)
        return self._placed(ids, slots), real, ()

    def _placed(self, ids: torch.Tensor, slots: torch.Tensor | None) -> torch.Tensor:
        embeddings: torch.Tensor = self.body.get_input_embeddings()(ids)
        if isinstance(self.prompt, PromptVectors) and slots is not None:
            embeddings = self.prompt(embeddings, slots)
        return embeddings

    def _make_room(self, answer_tokens: int) -> None:
        """Let texts be so long that the answer fits into the window behind them.

        Raises:
            SpecError: If nothing is left for them.
        """
        frame = max(map(len, self._tokens.rows(frames(self._template))))
        longest = window(self.body)
        room = longest - frame - self._prompt_tokens - answer_tokens
        if room < 1:
            raise SpecError(
                f"{self._prompt_tokens} prompt vectors, the template and an answer of "
                f"{answer_tokens} tokens leave no room for text in the window of {longest} "
                "tokens; use fewer vectors"
            )
        self._max_tokens = min(self._most_tokens, room)


def window(model: PreTrainedModel) -> int:
    """Most tokens a decoder was made to read."""
    return int(model.config.max_position_embeddings)

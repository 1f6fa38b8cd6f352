"""Trained vectors for a frozen decoder: among its input embeddings, or in every layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from advisor.errors import SpecError
from harness.backbones.base import PromptSpec
from harness.backbones.decoder_tokens import DecoderTokens
from harness.backbones.shared_prefix import KeysValues, compute_prefix

INITS = ("vocabulary", "text", "random")
POSITIONS = ("before", "behind", "around")


def starting_tokens(spec: PromptSpec, tokens: DecoderTokens, text: str) -> list[int] | None:
    """The tokens whose vectors a prompt starts from; None for a random start.

    Args:
        text: Instruction with the label words; repeated or cut to the prompt's length.

    Raises:
        SpecError: If the specification has an unknown word or no length.
    """
    if spec.length < 1:
        raise SpecError(f"a prompt needs at least 1 vector; got length {spec.length}")
    if spec.init not in INITS:
        raise SpecError(f"prompt init must be one of {', '.join(INITS)}; got {spec.init!r}")
    if spec.init == "random":
        return None
    if spec.init == "text":
        said = tokens.plain([text])[0]
        return (said * spec.length)[: spec.length]
    special = set(tokens.tokenizer.all_special_ids)
    ordinary = torch.tensor([id for id in range(len(tokens.tokenizer)) if id not in special])
    draw = torch.Generator().manual_seed(spec.seed)
    return ordinary[torch.randperm(len(ordinary), generator=draw)[: spec.length]].tolist()


class PromptVectors(nn.Module):
    """Vectors among the input embeddings (prompt tuning; Lester et al. 2021).

    They live where the embedding layer's output lives, which for Gemma is scaled by the square
    root of the width: the rows of its weight matrix are 25 times too short.

    Attributes:
        vectors: Shape (length, width).
        before: How many of them stand before the text (after the start token, which keeps the
            first position it was trained at); the others stand between text and label.
    """

    def __init__(self, spec: PromptSpec, model: PreTrainedModel, start: list[int] | None) -> None:
        super().__init__()
        if spec.position not in POSITIONS:
            raise SpecError(
                f"prompt position must be one of {', '.join(POSITIONS)}; got {spec.position!r}"
            )
        embed = model.get_input_embeddings()
        draw = torch.Generator().manual_seed(spec.seed)
        with torch.no_grad():
            if start is None:
                some = torch.randint(model.config.vocab_size, (1000,), generator=draw)
                spread = embed(some.to(model.device)).std()
                vectors = torch.randn(spec.length, model.config.hidden_size, generator=draw)
                vectors = vectors.to(model.device) * spread
            else:
                vectors = embed(torch.tensor(start, device=model.device)).clone()
        self.vectors = nn.Parameter(vectors)
        behind = {"before": 0, "behind": spec.length, "around": max(1, spec.length // 5)}
        self.before = spec.length - behind[spec.position]

    def forward(self, embeddings: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """Put the vectors in their places.

        Args:
            embeddings: Of the row's tokens, shape (B, L, width).
            slots: Which vector stands here, -1 for none, shape (B, L).
        """
        placed = self.vectors[slots.clamp(min=0)].to(embeddings.dtype)
        return torch.where((slots >= 0)[:, :, None], placed, embeddings)

    def surround(self, row: list[int], n_start: int) -> tuple[list[int], list[int]]:
        """A token row with places for the vectors, and which vector stands where."""
        length = len(self.vectors)
        first, behind = [0] * self.before, [0] * (length - self.before)
        text = row[n_start:]
        slots = [-1] * n_start + list(range(self.before)) + [-1] * len(text)
        return row[:n_start] + first + text + behind, slots + list(range(self.before, length))


class PrefixVectors(nn.Module):
    """Keys and values before the text in every layer (prefix tuning; Li and Liang 2021).

    They start from the activations of real tokens, which the paper found far better than a
    random start with few examples (section 7.4), and are trained directly, without its
    reparametrisation network.

    Attributes:
        keys, values: Per layer, shape (1, key heads, length, head size).
    """

    def __init__(
        self,
        spec: PromptSpec,
        model: PreTrainedModel,
        tokens: DecoderTokens,
        start: list[int] | None,
    ) -> None:
        super().__init__()
        if spec.position != "before":
            raise SpecError(
                f"prefix vectors stand before the input; got position {spec.position!r}"
            )
        draw = torch.Generator().manual_seed(spec.seed)
        said = (
            start or torch.randint(model.config.vocab_size, (spec.length,), generator=draw).tolist()
        )
        with torch.no_grad():
            layers = compute_prefix(model, tokens.start + said)
        n_start = len(tokens.start)

        def parameters(states: Sequence[torch.Tensor]) -> nn.ParameterList:
            kept = [state[:, :, n_start:].detach().clone() for state in states]
            if start is None:
                kept = [
                    torch.randn(state.shape, generator=draw).to(state) * state.std()
                    for state in kept
                ]
            return nn.ParameterList(kept)

        self.keys = parameters([keys for keys, _ in layers])
        self.values = parameters([values for _, values in layers])

    def forward(self) -> KeysValues:
        """The prefix that the body's attention reads."""
        return list(zip(self.keys, self.values, strict=True))

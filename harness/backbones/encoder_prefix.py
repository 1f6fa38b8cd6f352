"""Trained keys and values before the text in every layer of a frozen encoder."""

from __future__ import annotations

import inspect

import torch
from peft import PrefixEncoder, PrefixTuningConfig
from torch import nn
from transformers import DynamicCache, PreTrainedModel

from advisor.errors import SpecError
from harness.backbones.base import PromptSpec


class EncoderPrefix(nn.Module):
    """Prefix vectors (Li and Liang 2021; on encoders: Liu et al. 2022, P-tuning v2).

    They start from the keys and values of real tokens, which the former paper (section 7.4)
    found far better than a random start when examples are few, and are trained directly.
    The text keeps the positions it would have without a prefix: an encoder has learned that
    its class token stands at the first one.

    Args:
        start: Tokens to start from, `spec.length` of them; None for random vectors of the
            same spread.
        start_token: What a text begins with; its own keys and values are left out.

    Raises:
        SpecError: If the encoder takes no keys and values, or they cannot be placed.
    """

    def __init__(
        self, spec: PromptSpec, body: PreTrainedModel, start: list[int] | None, start_token: int
    ) -> None:
        super().__init__()
        config = body.config
        if "past_key_values" not in inspect.signature(type(body).forward).parameters:
            raise SpecError(
                f"encoders of type {config.model_type!r} take no prefix vectors; use prompt kind "
                "'prompt'"
            )
        if spec.position != "before":
            raise SpecError(
                f"prefix vectors stand before the input; got position {spec.position!r}"
            )
        self.shape = (
            config.num_hidden_layers,
            2,
            config.num_attention_heads,
            config.hidden_size // config.num_attention_heads,
        )
        self.vectors = PrefixEncoder(
            PrefixTuningConfig(
                num_virtual_tokens=spec.length,
                num_layers=config.num_hidden_layers,
                num_attention_heads=config.num_attention_heads,
                token_dim=config.hidden_size,
                num_transformer_submodules=1,
            )
        ).to(body.device)
        draw = torch.Generator().manual_seed(spec.seed)
        tokens = start or torch.randint(config.vocab_size, (spec.length,), generator=draw).tolist()
        states = self._states(body, [start_token, *tokens])[1:]
        if start is None:
            states = torch.randn(states.shape, generator=draw).to(states) * states.std()
        self.vectors.load_prompt_embeddings(states.flatten(start_dim=1))
        # RoBERTa's positions start after that of its padding token.
        first = next(
            m.padding_idx
            for name, m in body.named_modules()
            if isinstance(m, nn.Embedding) and name.endswith("position_embeddings")
        )
        self.first_position = 0 if first is None else first + 1

    def forward(self, batch_size: int) -> DynamicCache:
        """Fresh keys and values for one forward pass (the pass adds the text's own to them)."""
        n_layers, _, n_heads, head_size = self.shape
        vectors = self.vectors(torch.arange(len(self), device=self.vectors.embedding.weight.device))
        layers = vectors.view(len(self), n_layers, 2, n_heads, head_size).permute(1, 2, 3, 0, 4)
        return DynamicCache(
            [
                (
                    keys.expand(batch_size, -1, -1, -1),
                    values.expand(batch_size, -1, -1, -1),
                )
                for keys, values in layers
            ]
        )

    def __len__(self) -> int:
        return self.vectors.embedding.num_embeddings

    def _states(self, body: PreTrainedModel, tokens: list[int]) -> torch.Tensor:
        """Keys and values of a text, shape (tokens, layers, 2, heads, head size)."""
        cache = DynamicCache()
        with torch.no_grad():
            body(input_ids=torch.tensor([tokens], device=body.device), past_key_values=cache)
        layers = [torch.stack([keys[0], values[0]]) for keys, values, *_ in cache]
        return torch.stack(layers).permute(3, 0, 1, 2, 4)

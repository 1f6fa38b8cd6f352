"""What all rows of a batch begin with: its keys and values, computed once and read by every row."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer

from advisor.errors import ModelError

CHUNK = 512
"""Tokens of a prefix read at once: masks and scores of attention grow with their square."""

KeysValues = Sequence[tuple[torch.Tensor, torch.Tensor]]
"""Per layer, keys and values of a prefix, each (1, key heads, n_prefix, head size)."""


def compute_prefix(model: PreTrainedModel, tokens: Sequence[int]) -> KeysValues:
    """Keys and values of a prefix of tokens, computed once; nothing for an empty prefix."""
    if not tokens:
        return ()
    ids = torch.tensor([list(tokens)], device=model.device)
    return read_prefix(model, model.get_input_embeddings()(ids))


def read_prefix(model: PreTrainedModel, embeddings: torch.Tensor) -> KeysValues:
    """Keys and values of a prefix, with gradients where they are wanted.

    Read in chunks, and never further than to the keys and values of the last layer.

    Args:
        embeddings: Shape (1, n_prefix, width), as the embedding layer returns it.
    """
    # Layers that drop nothing, sliding ones too: masks count keys from the start of the prefix.
    layers = [DynamicLayer() for _ in range(model.config.num_hidden_layers - 1)]
    cache = Cache(layers=[*layers, _LastLayer()])
    for chunk in embeddings.split(CHUNK, dim=1):
        with suppress(_NothingLeftToCompute):
            model.base_model(inputs_embeds=chunk, past_key_values=cache, use_cache=True)
    read = [layer for layer in cache.layers if isinstance(layer, DynamicLayer)]
    return [
        (layer.keys, layer.values)
        for layer in read
        if layer.keys is not None and layer.values is not None
    ]


def prefix_cache(model: PreTrainedModel, prefix: KeysValues) -> Cache | None:
    """A prefix as a model reads it, for any number of rows; None for an empty one."""
    if not prefix:
        return None
    beyond = beyond_reach(model, prefix)
    kinds = kinds_by_layer(model)
    return Cache(
        layers=[
            _ReadOnlyLayer(keys[:, :, beyond:], values[:, :, beyond:])
            if kind == "sliding_attention"
            else _ReadOnlyLayer(keys, values)
            for (keys, values), kind in zip(prefix, kinds, strict=True)
        ]
    )


def prefix_length(prefix: KeysValues) -> int:
    """Tokens of a prefix."""
    return prefix[0][0].shape[2] if prefix else 0


def beyond_reach(model: PreTrainedModel, prefix: KeysValues) -> int:
    """First tokens of a prefix that sliding layers cannot read from behind it."""
    window = getattr(model.config, "sliding_window", None)
    return max(0, prefix_length(prefix) - window + 1) if window else 0


def kinds_by_layer(model: PreTrainedModel) -> list[str]:
    """The kind of attention of each layer: "full_attention" or "sliding_attention".

    Raises:
        ModelError: If a layer has another kind, which cannot read a masked row.
    """
    config = model.config
    kinds = list(getattr(config, "layer_types", None) or ())
    if not kinds:
        slides = getattr(config, "sliding_window", None)
        kinds = ["sliding_attention" if slides else "full_attention"] * config.num_hidden_layers
    strange = set(kinds) - {"full_attention", "sliding_attention"}
    if strange:
        raise ModelError(
            f"labels cannot be scored with {config.model_type!r}: its layers of kind "
            f"{', '.join(sorted(strange))} take no attention mask; use a decoder with plain or "
            "sliding attention"
        )
    return kinds


class _NothingLeftToCompute(Exception):
    """The last layer's keys and values are known; its output is read by nobody."""


class _LastLayer(DynamicLayer):
    """Ends the forward pass as soon as the last layer has its keys and values."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        super().update(key_states, value_states)
        raise _NothingLeftToCompute


class _ReadOnlyLayer(DynamicLayer):
    """Keys and values of the prefix in one layer; what is added is used and forgotten."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.dtype, self.device = keys.dtype, keys.device
        self.keys, self.values = keys, values
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.keys is not None
        assert self.values is not None
        keys = self.keys.expand(key_states.shape[0], -1, -1, -1)
        values = self.values.expand(value_states.shape[0], -1, -1, -1)
        return torch.cat([keys, key_states], dim=-2), torch.cat([values, value_states], dim=-2)

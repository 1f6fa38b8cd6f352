"""The last block's feed-forward layer at the last positions alone, where nothing else is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad
from transformers import PreTrainedModel

from harness.backbones.heads import find_blocks


@contextmanager
def read_at_the_end(model: PreTrainedModel, positions: int) -> Iterator[None]:
    """Inside, nobody reads the model's states but at the last positions.

    A feed-forward layer sees each position by itself, so the last one is computed there only; its
    output is zero elsewhere. Does nothing where the layer is not known to be of that kind, or where
    a recomputation of the activations would run outside.
    """
    layer = _feed_forward(model)
    if layer is None or model.is_activation_checkpointing:
        yield
        return
    before = 0

    def narrow(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        nonlocal before
        before = max(0, given[0].shape[1] - positions)
        return (given[0][:, before:].contiguous(), *given[1:])

    def widen(_: nn.Module, __: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        return pad(output, (0, 0, before, 0))

    hooks = [layer.register_forward_pre_hook(narrow), layer.register_forward_hook(widen)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _feed_forward(model: PreTrainedModel) -> nn.Module | None:
    """`mlp` of the last block, where it is one of transformers' plain ones (a mixture of experts
    gives more than its output)."""
    try:
        block = find_blocks(model, model.config.num_hidden_layers)[-1]
    except LookupError:
        return None
    layer = getattr(block, "mlp", None)
    return layer if type(layer).__name__.endswith("MLP") else None

"""A transformers model as the body of a trainee: parameter groups, files, activation memory."""

from __future__ import annotations

from pathlib import Path

from torch import nn
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import SpecError
from harness.backbones.heads import block_groups, find_blocks


def decoder_groups(body: PreTrainedModel) -> list[list[nn.Parameter]]:
    """Embeddings, each block, and what comes after the blocks, from input to output."""
    return block_groups(body, find_blocks(body, body.config.num_hidden_layers))


def save_transformers(
    body: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> None:
    """Write safetensors, config and tokenizer."""
    body.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_transformers(body: PreTrainedModel, folder: Path) -> None:
    """Copy the weights of a saved body into this one, which keeps its parameters."""
    saved = type(body).from_pretrained(folder, dtype=body.dtype).state_dict()
    body.load_state_dict({name: saved[name] for name in body.state_dict()})


def load_own_body(body: PreTrainedModel, folder: Path, *, prompted: bool) -> None:
    """As `load_transformers`, for a trainee whose body is its own.

    Raises:
        SpecError: If the trainee has a prompt, whose body is the backbone's and frozen.
    """
    if prompted:
        raise SpecError("a trainee with prompt vectors keeps the pretrained body; load only them")
    load_transformers(body, folder)


def checkpoint_activations(body: PreTrainedModel) -> bool:
    """Whether from now on the body keeps only each block's input and recomputes the rest backwards.

    Memory for activations falls to one block's and a step takes about a third longer
    (Chen et al. 2016, arXiv:1604.06174).
    """
    if not body.supports_gradient_checkpointing:
        return False
    body.activation_checkpointing_enable({"use_reentrant": False})
    return True

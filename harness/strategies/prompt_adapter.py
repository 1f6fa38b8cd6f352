"""Trained prompt vectors on disk, in peft's adapter format where that can express them.

peft knows one tensor, `prompt_embeddings`, whose meaning its configuration gives. A prompt behind
or around the input it does not know; that is kept under the names of the prompt module alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from peft import PeftConfig, PrefixTuningConfig, PromptTuningConfig, TaskType
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from advisor.errors import ModelError
from harness.backbones.base import ModelFacts, PromptSpec

WEIGHTS = "adapter_model.safetensors"
_PEFT_NAME = "prompt_embeddings"
_TASK_TYPES = {"decoder": TaskType.CAUSAL_LM, "encoder_decoder": TaskType.SEQ_2_SEQ_LM}


def save_prompt(folder: Path, prompt: nn.Module, spec: PromptSpec, facts: ModelFacts) -> None:
    """Write adapter_model.safetensors and, where peft can read that, adapter_config.json.

    peft puts a prompt before all of the input; here it stands after a start token, if the
    model's tokenizer adds one. Loaded by peft, such a model answers slightly differently.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in prompt.state_dict().items()}
    config = _peft_config(state, spec, facts)
    if config is not None:
        config.save_pretrained(str(folder))
        state = {_PEFT_NAME: next(iter(state.values()))}
    save_file(state, folder / WEIGHTS)


def load_prompt(folder: Path, prompt: nn.Module) -> None:
    """What `save_prompt` wrote, into a prompt module of the same shape.

    Raises:
        ModelError: If the file is missing, damaged or of another shape.
    """
    file = folder / WEIGHTS
    try:
        state = load_file(file)
        if set(state) == {_PEFT_NAME}:
            (name,) = prompt.state_dict()
            state = {name: state[_PEFT_NAME]}
        prompt.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{file} does not hold the saved prompt: {reason}") from error


def _peft_config(
    state: Mapping[str, torch.Tensor], spec: PromptSpec, facts: ModelFacts
) -> PeftConfig | None:
    """The configuration under which peft reads these vectors; None if there is none."""
    vectors = next(iter(state.values()))
    if len(state) > 1 or vectors.ndim != 2 or spec.position != "before":
        return None
    task_type = _TASK_TYPES.get(facts.family, TaskType.FEATURE_EXTRACTION)
    if spec.kind == "prompt":
        return PromptTuningConfig(
            task_type=task_type,
            base_model_name_or_path=facts.name,
            num_virtual_tokens=spec.length,
            token_dim=vectors.shape[1],
            num_transformer_submodules=1,
            inference_mode=True,
        )
    return PrefixTuningConfig(
        task_type=task_type,
        base_model_name_or_path=facts.name,
        num_virtual_tokens=spec.length,
        token_dim=facts.width,
        num_layers=facts.layers,
        num_transformer_submodules=1,
        inference_mode=True,
    )

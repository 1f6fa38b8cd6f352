"""Small trained additions to a frozen body, made, written and read by peft."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from peft import PeftConfig, get_peft_model_state_dict, inject_adapter_in_model
from peft.utils import set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from advisor.errors import ModelError
from harness.backbones.base import Backbone, Trainee
from harness.strategies.trained import TrainedStrategy
from harness.tasks.base import Task

WEIGHTS = "adapter_model.safetensors"
_NAME = "default"  # peft's own
_WRAPPED = "base_model.model."  # where peft's own wrapper keeps the model it wraps


class AdapterStrategy(TrainedStrategy):
    """Trains an adapter and, where the family has one, a head; the body never changes.

    Subclasses give peft's configuration. The saved folder is peft's:
    `peft.PeftModel.from_pretrained(body, folder)` reads it.
    """

    def _config(self, trainee: Trainee) -> PeftConfig:
        raise NotImplementedError

    def _make(self, backbone: Backbone, task: Task, seed: int) -> Trainee:
        trainee = backbone.trainee(task, form=self._form, frozen=True)
        config = self._config(trainee)
        config.base_model_name_or_path = backbone.facts.name
        inject_adapter_in_model(config, trainee.body, adapter_name=_NAME)
        return trainee

    _form = "default"

    def _save(self, trainee: Trainee, folder: Path) -> None:
        """adapter_model.safetensors and adapter_config.json, as peft writes them."""
        injected: dict[str, PeftConfig] = vars(trainee.body)["peft_config"]
        config = copy.copy(injected[_NAME])
        config.inference_mode = True
        config.save_pretrained(str(folder))
        state = _state(trainee.body)
        save_file(
            {f"{_WRAPPED}{k}": v.detach().cpu().contiguous() for k, v in state.items()},
            folder / WEIGHTS,
        )

    def _load(self, trainee: Trainee, folder: Path) -> None:
        file = folder / WEIGHTS
        try:
            state = {k.removeprefix(_WRAPPED): v for k, v in load_file(file).items()}
            missing = set(_state(trainee.body)) ^ set(state)
            if missing:
                raise RuntimeError(f"tensors that do not fit, {min(missing)} the first")
            set_peft_model_state_dict(trainee.body, state)
        except (OSError, SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"{file} does not hold the saved adapter: {reason}") from error


def _state(body: nn.Module) -> dict[str, torch.Tensor]:
    """The adapter's tensors; embeddings are never part of it, so peft need not look for any."""
    return get_peft_model_state_dict(body, save_embedding_layers=False)


def block_layers(trainee: Trainee) -> dict[str, nn.Module]:
    """Name in the body -> linear layer, of those inside its blocks.

    Raises:
        SpecError: If the body is no transformer.
    """
    inside = {id(module) for block in trainee.blocks() for module in block.modules()}
    return {
        name: module
        for name, module in trainee.body.named_modules()
        if id(module) in inside and isinstance(module, nn.Linear | Conv1D)
    }


def named_like(
    layers: dict[str, nn.Module], suffixes: Sequence[str] | None, otherwise: Callable[[str], bool]
) -> list[str]:
    """Names that end in one of peft's suffixes for the architecture, else those that suit."""
    if suffixes is None:
        return [name for name in layers if otherwise(name)]
    return [
        name for name in layers if any(name.endswith(f".{one}") or name == one for one in suffixes)
    ]


def architecture(body: nn.Module) -> str:
    """transformers' model type, by which peft knows what to adapt; "" for other networks."""
    return str(body.config.model_type) if isinstance(body, PreTrainedModel) else ""


def transposed(layers: dict[str, nn.Module]) -> bool:
    """Whether weights are kept as (in, out), as GPT-2's are."""
    return any(isinstance(module, Conv1D) for module in layers.values())

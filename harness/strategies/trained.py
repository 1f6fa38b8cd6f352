"""What strategies that train through `harness.training` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from advisor.errors import ModelError
from harness.backbones.base import Trainee
from harness.strategies.base import FitReport
from harness.train_settings import TrainResult, TrainSettings


def fit_report(trainee: Trainee, settings: TrainSettings, result: TrainResult) -> FitReport:
    """What happened in a training, for the run record."""
    chosen: dict[str, Any] = {
        "best_step": result.best_step,
        "planned_steps": result.full_steps,
        "stopped_early": result.stopped_early,
    }
    if result.batch_size < settings.batch_size:
        chosen["rows_at_once"] = result.batch_size  # memory allowed no more
    return FitReport(
        trained_parameters=sum(p.numel() for p in trainee.parameters() if p.requires_grad),
        underfit=result.underfit,
        curve=result.curve,
        steps=result.steps,
        chosen=chosen,
        flops=result.flops,
    )


def save_module(module: nn.Module, file: Path) -> None:
    """A module's parameters as safetensors."""
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    save_file(state, file)


def load_module(module: nn.Module, file: Path) -> None:
    """What `save_module` wrote, into a module of the same shape.

    Raises:
        ModelError: If the file is missing, damaged or of another shape.
    """
    try:
        module.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{file} does not hold the saved weights: {reason}") from error

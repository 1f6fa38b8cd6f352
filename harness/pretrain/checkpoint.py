"""Where an interrupted pretraining goes on: weights, optimizer, and what the loop had counted."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn

from advisor.errors import OutputError
from harness.files import write_json

FOLDER = "checkpoint"
_TEMPORARY = f".{FOLDER}.tmp"
_WEIGHTS, _OPTIMIZER, _STATE = "weights.safetensors", "optimizer.pt", "state.json"


@dataclass
class State:
    """What the loop knows besides weights and optimizer.

    Random numbers need no state: each step draws its own from the seed and its number.

    Attributes:
        step: Steps taken. losses: Of the steps since the last evaluation.
        step_seconds: Spent in steps; step_cost: tokens (or images) of all steps.
        seconds: Of wall clock spent, the loading included.
        curve: Evaluations; train_loss is the mean since the one before.
        evaluation_seconds: Of each point of the curve.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    step_seconds: float = 0.0
    step_cost: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    evaluation_seconds: list[float] = field(default_factory=list)


def save(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: State) -> None:
    """Replace the checkpoint of a folder; whenever this is cut off, one whole checkpoint is there."""
    place, temporary = folder / f"{FOLDER}-{state.step}", folder / _TEMPORARY
    if place.exists():
        return
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    save_model(model, str(temporary / _WEIGHTS))
    torch.save(optimizer.state_dict(), temporary / _OPTIMIZER)
    write_json(temporary / _STATE, asdict(state))
    temporary.rename(place)
    for older in _places(folder):
        if older != place:
            shutil.rmtree(older)


def load(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> State:
    """Put the last checkpoint into network and optimizer; a new state if there is none.

    Raises:
        OutputError: If it cannot be read.
    """
    places = _places(folder)
    if not places:
        return State()
    place = places[-1]
    device = next(model.parameters()).device
    try:
        load_model(model, str(place / _WEIGHTS), device=str(device))
        found: dict[str, Any] = torch.load(
            place / _OPTIMIZER, weights_only=True, map_location=device
        )
        optimizer.load_state_dict(found)
        return State(**json.loads((place / _STATE).read_text(encoding="utf-8")))
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        SafetensorError,
    ) as error:
        reason = str(error).strip().splitlines()[0]
        raise OutputError(
            f"{place} cannot be read ({reason}). Remove it to begin anew, or name another --out."
        ) from error


def remove(folder: Path) -> None:
    """The pretraining is finished."""
    shutil.rmtree(folder / _TEMPORARY, ignore_errors=True)
    for place in _places(folder):
        shutil.rmtree(place)


def _places(folder: Path) -> list[Path]:
    """Whole checkpoints, the last one last."""
    found = [place for place in folder.glob(f"{FOLDER}-*") if place.name[11:].isdigit()]
    return sorted(found, key=lambda place: int(place.name[11:]))

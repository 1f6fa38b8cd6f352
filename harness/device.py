"""Where models compute, in which number format, and where derived files are kept."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from advisor.errors import SpecError

_CACHE_VARIABLE = "ADAPTATION_ADVISOR_CACHE"


def pick_device(name: str | torch.device | None = None) -> torch.device:
    """The device to compute on.

    Args:
        name: "cpu", "cuda", "cuda:1", …; None or "auto" for a GPU if there is one, else the CPU.

    Raises:
        SpecError: If there is no such device here.
    """
    if isinstance(name, torch.device):
        return name
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name in (None, "auto"):
        return torch.device("cuda" if gpus else "cpu")
    here = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{i}" for i in range(gpus))]
    if name not in here:
        raise SpecError(f"no device {name!r} here. Use {', '.join(here)} or auto.")
    return torch.device(name)


def training_dtype(device: torch.device) -> torch.dtype:
    """Number format of the forward pass in training: bfloat16 on GPUs that have it.

    float32 elsewhere: without the instructions for it, bfloat16 on a CPU is slower by far.
    Weights and optimizer states stay float32 (use this under `torch.autocast`).
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float32


def cache_dir() -> Path:
    """Folder of files that can be made again (converted and exported models); may not exist."""
    given = os.environ.get(_CACHE_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "adaptation-advisor"

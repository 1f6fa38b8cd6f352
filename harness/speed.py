"""How fast this machine is: measured in a second or two, before anything is planned."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from harness.backbones.base import Backbone

_MATRIX = 1024
_LEAST_SECONDS = 0.3
_FIRST_ROWS, _MORE_ROWS = 4, 16


def flops_per_second(device: torch.device) -> float:
    """Floating-point operations a second that float32 matrix products reach here."""
    matrix = torch.rand(_MATRIX, _MATRIX, device=device)
    matrix @ matrix  # the first call warms up
    _wait(device)
    started, products = time.perf_counter(), 0
    while time.perf_counter() - started < _LEAST_SECONDS:
        matrix @ matrix
        _wait(device)
        products += 1
    return products * 2 * _MATRIX**3 / (time.perf_counter() - started)


def seconds_per_row(backbone: Backbone, inputs: Sequence[str | Path]) -> float:
    """Seconds the frozen model needs for one input, in batches."""
    first, rest = inputs[:_FIRST_ROWS], inputs[_FIRST_ROWS : _FIRST_ROWS + _MORE_ROWS]
    took = _time_features(backbone, first)  # includes what is set up on first use
    return _time_features(backbone, rest) / len(rest) if rest else took / len(first)


def _time_features(backbone: Backbone, inputs: Sequence[str | Path]) -> float:
    started = time.perf_counter()
    backbone.features(inputs, pooling=backbone.poolings[0])
    _wait(backbone.device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

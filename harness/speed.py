"""How fast this machine is: measured in a second or two, before anything is planned."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from harness.backbones.base import Backbone
from harness.inference import predict_answers
from harness.tasks.base import Task

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


def seconds_per_row(backbone: Backbone, inputs: Sequence[str | Path], task: Task) -> float:
    """Seconds the model needs for one input, in batches, before it is trained: for its features
    or, of a family that has none to give, for its answers."""
    first, rest = inputs[:_FIRST_ROWS], inputs[_FIRST_ROWS : _FIRST_ROWS + _MORE_ROWS]
    if backbone.poolings:
        reading: Callable[[Any], object] = partial(backbone.features, pooling=backbone.poolings[0])
    else:
        reading = partial(predict_answers, backbone.trainee(task, frozen=True), task=task)
    took = _time(reading, first, backbone.device)  # includes what is set up on first use
    return _time(reading, rest, backbone.device) / len(rest) if rest else took / len(first)


def _time(reading: Callable[[Any], object], inputs: Sequence[Any], device: torch.device) -> float:
    started = time.perf_counter()
    reading(inputs)
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

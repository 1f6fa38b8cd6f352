"""OpenVINO as the fastest way to compute an exported conv net on a CPU."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

_CONVERTERS = "openvino.tools.ovc"


def _openvino() -> Any:
    """The library without its conversion tools, which would tell its maker of every import."""
    kept_out: dict[str, Any] = sys.modules  # None in the place of a module makes its import fail
    kept_out.setdefault(_CONVERTERS, None)
    try:
        import openvino
    finally:
        if kept_out[_CONVERTERS] is None:
            del kept_out[_CONVERTERS]
    return openvino


class OpenVinoModel:
    """An exported network, ready to run in float32 with as many threads as torch has.

    Raises:
        RuntimeError: If the file cannot be read or compiled.
    """

    name = "OpenVINO"

    def __init__(self, file: Path) -> None:
        options = {
            "INFERENCE_PRECISION_HINT": "f32",  # else bf16 where the processor multiplies it
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",  # all threads on one batch
            "ENABLE_CPU_PINNING": False,  # the threads that decode images run beside it
        }
        self._network = _openvino().Core().compile_model(file, "CPU", options)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        computed: np.ndarray = self._network(dict(inputs))[0]
        return computed

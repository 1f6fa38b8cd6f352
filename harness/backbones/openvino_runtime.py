"""OpenVINO as the fastest way to compute an exported conv net on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openvino
import torch


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
        self._network = openvino.Core().compile_model(file, "CPU", options)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return self._network(dict(inputs))[0]

"""Networks as ONNX files, and ONNX Runtime as a way to compute them on a CPU."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from harness.device import cache_dir

OPSET = 17
TOLERANCE = 1e-3
"""Largest difference from torch, relative to the largest feature, that passes as the same."""


class ExportFailed(Exception):
    """A network cannot be computed from its exported file; the message is one line."""


class Engine(Protocol):
    """Computes the one output of an exported network.

    Attributes:
        name: As a reader knows it.
    """

    name: str

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray: ...


class Exported(NamedTuple):
    """A network that is computed by an engine.

    Attributes:
        file: What was exported.
        apart: The largest difference from torch, relative to the largest output.
    """

    file: Path
    engine: Engine
    apart: float


class OnnxModel:
    """An exported network, ready to run with as many threads as torch has."""

    name = "ONNX Runtime"

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        # Threads that spin while they wait would take the cores from those that decode images.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return self._session.run(None, dict(inputs))[0]


def export(model: nn.Module, example: Mapping[str, torch.Tensor], file: Path) -> None:
    """Write a network of one output; batch and, for texts, length stay free.

    Args:
        example: Input name -> tensor; its order is that of `forward`. Dimension 0 is the batch;
            inputs of two dimensions are (batch, length).
    """
    axes = {
        name: {0: "batch", 1: "length"} if tensor.ndim == 2 else {0: "batch"}
        for name, tensor in example.items()
    }
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing warns of every constant shape
            # Tracing takes a second; the newer exporter over twenty for the same network.
            torch.onnx.export(
                model,
                tuple(example.values()),
                file,
                dynamo=False,
                opset_version=OPSET,
                input_names=list(example),
                output_names=["output"],
                dynamic_axes=axes,
            )
    finally:  # the exporter sets all modules to the mode of the outermost: dropout would be on
        for module, mode in modes.items():
            module.training = mode


def quantise(file: Path, target: Path) -> None:
    """Weights as 8-bit integers, activations quantised as they come."""
    prepared = file.with_suffix(".prepared.onnx")
    quant_pre_process(file, prepared, skip_symbolic_shape=True)
    quantize_dynamic(prepared, target, weight_type=QuantType.QInt8)


def exported(
    model: nn.Module,
    sample: Mapping[str, torch.Tensor],
    check: Mapping[str, torch.Tensor],
    engine: Callable[[Path], Engine] = OnnxModel,
) -> Exported:
    """The network's exported file, made on first use, what computes it and how far that is from torch.

    Args:
        sample: What the network is traced with.
        check: Inputs of other sizes on which both must agree.
        engine: What the file is opened with.

    Raises:
        ExportFailed: If it cannot be exported, or the two differ by more than `TOLERANCE`.
    """
    try:
        key = cache_key(model, _fixed_sizes(sample))
        file = cached(key, lambda part: export(model, sample, part))
        opened = engine(file)
        computed = opened({name: value.numpy() for name, value in check.items()})
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise ExportFailed(f"ONNX export failed ({type(error).__name__}: {reason})") from error
    with torch.inference_mode():
        expected = model(*check.values()).numpy()
    apart = difference(expected, computed)
    if apart > TOLERANCE:
        raise ExportFailed(f"{opened.name} differs from torch by {apart:.1e} of the largest output")
    return Exported(file, opened, apart)


def cached(key: str, make: Callable[[Path], None]) -> Path:
    """The exported file of this key, made on first use; appears whole or not at all."""
    target = cache_dir() / "onnx" / f"{key}.onnx"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, suffix=".tmp") as folder:
            part = Path(folder) / target.name
            make(part)
            os.replace(part, target)
    return target


def cache_key(model: nn.Module, *facts: object) -> str:
    """A key that changes with network, weights, versions of the tools and what else is given."""
    content = sha256(
        repr((torch.__version__, onnxruntime.__version__, OPSET, str(model), facts)).encode()
    )
    for name, tensor in model.state_dict().items():
        content.update(name.encode())
        content.update(tensor.cpu().contiguous().numpy().tobytes())
    return content.hexdigest()[:32]


def _fixed_sizes(example: Mapping[str, torch.Tensor]) -> tuple[tuple[int, ...], ...]:
    """What an exported file is bound to: all sizes but those that `export` leaves free."""
    return tuple(tuple(tensor.shape[2:] and tensor.shape[1:]) for tensor in example.values())


def difference(expected: np.ndarray, computed: np.ndarray) -> float:
    """Largest difference of any entry, relative to the largest entry."""
    return float(np.abs(expected - computed).max() / max(1e-12, np.abs(expected).max()))

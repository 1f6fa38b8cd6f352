"""A pretrained model as a backbone keeps it: frozen, on its device, with the fastest equal layers."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from harness.backbones.onednn_linear import OneDnnLinear
from harness.environment import processor

Model = TypeVar("Model", bound=nn.Module)


def frozen(model: Model, device: torch.device) -> Model:
    """The model itself: in evaluation mode, without gradients, on the device.

    On AMD's processors its linear layers multiply by oneDNN (docs/decisions/0011): torch hands
    float32 products to MKL, which was made for another maker's.
    """
    model.eval().requires_grad_(False).to(device)
    if device.type == "cpu" and "AMD" in processor() and torch.backends.mkldnn.is_available():
        for module in model.modules():
            if type(module) is nn.Linear:
                module.__class__ = OneDnnLinear
    return model

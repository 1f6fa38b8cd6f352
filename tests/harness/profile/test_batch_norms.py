from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.profile.batch_norms import (
    Layer,
    divergence,
    mean_shift,
    measure,
    read_layers,
    variance_profile,
)
from tests.harness.tiny_models import save_images, tiny_convnet


def remembering(files: list[Path]):
    """A net whose running statistics are exactly those of some images."""
    backbone = tiny_convnet()
    norms = [m for m in backbone.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    backbone.model.train()
    for module in norms:
        module.momentum = 1.0
    with torch.no_grad():
        backbone.model(backbone.reader.read(files))
    backbone.model.eval()
    return backbone


def layer(means: np.ndarray, variances: np.ndarray, kept: np.ndarray) -> Layer:
    return Layer(means, variances + means**2, np.zeros(len(kept)), kept)


def test_images_the_net_remembers_are_at_distance_nothing(tmp_path: Path) -> None:
    files = save_images(tmp_path, 8)
    found = measure(remembering(files), files)
    assert found.value == pytest.approx(0.0, abs=1e-3)
    assert found.details["kl_all_layers"] == pytest.approx(0.0, abs=1e-3)
    assert (found.word, found.rows) == ("none", 8)
    assert found.error is not None


def test_other_images_are_further_away(tmp_path: Path) -> None:
    files = save_images(tmp_path, 8)
    backbone = remembering(files)
    others = []
    for index in range(8):
        others.append(tmp_path / f"flat-{index}.png")
        ramp = np.tile(np.linspace(0, 30 * index, 64, dtype=np.uint8), (64, 1))
        Image.fromarray(ramp).save(others[-1])
    near, far = measure(backbone, files), measure(backbone, others)
    assert near.value is not None
    assert far.value is not None
    assert far.value > near.value + 0.05
    assert far.details["kl_all_layers"] > near.details["kl_all_layers"]


def test_moments_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    files = save_images(tmp_path, 5)
    backbone = tiny_convnet()
    read = []
    first = next(m for m in backbone.model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    hook = first.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    layers = read_layers(backbone, files)
    hook.remove()
    mean, variance = layers[0].moments(np.arange(5))
    assert mean == pytest.approx(read[0].mean((0, 2, 3)).numpy(), abs=1e-4)
    assert variance == pytest.approx(read[0].var((0, 2, 3), correction=0).numpy(), rel=1e-3)
    backbone.model(torch.zeros(1, 3, 64, 64))
    assert len(layers[0].means) == 5, "the hooks are gone"


def test_a_net_that_never_saw_data_is_not_measured(tmp_path: Path) -> None:
    backbone = tiny_convnet()
    for module in backbone.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    found = measure(backbone, save_images(tmp_path))
    assert (found.value, found.shift, found.word) == (None, None, None)
    assert found.method.startswith("not measured: ")


def test_a_net_without_batch_norms_is_not_measured(tmp_path: Path) -> None:
    backbone = tiny_convnet()
    net = timm.create_model("test_convnext", num_classes=0)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())
    backbone.model = net.eval()
    assert measure(backbone, save_images(tmp_path)).shift is None


@settings(max_examples=30)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_a_factor_common_to_all_channels_does_not_count(seed: int, factor: float) -> None:
    draws = np.random.default_rng(seed)
    variances, kept = draws.uniform(0.5, 2, (6, 12)), draws.uniform(0.5, 2, 12)
    plain = layer(np.zeros((6, 12)), variances, kept)
    scaled = layer(np.zeros((6, 12)), factor * variances, kept)
    every = np.arange(6)
    assert variance_profile([scaled], every) == pytest.approx(variance_profile([plain], every))
    assert 0 <= variance_profile([plain], every) <= 2


def test_divergence_is_the_gaussian_one() -> None:
    kept = np.array([1.0, 4.0])
    means = np.full((3, 2), 2.0)
    found = layer(means, np.full((3, 2), 1.0), kept)
    by_hand = [(1 - 1 - 0 + 4) / 2, (0.25 - 1 - np.log(0.25) + 1) / 2]
    assert divergence([found], np.arange(3)) == pytest.approx(np.mean(by_hand))
    assert mean_shift([found], np.arange(3)) == pytest.approx((4 + 1) / 2)

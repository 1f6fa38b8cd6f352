"""Features that keep places apart, of whole images, and crops whose boxes follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import adaptive_avg_pool2d

from advisor.errors import SpecError
from harness.backbones.base import View
from harness.backbones.heads import grid_of
from harness.backbones.images import ImageReader
from harness.backbones.vit_trainee import pool_patches
from harness.strategies.full_finetune import FullFineTuning
from harness.strategies.probe_views import bundle
from harness.tasks.localization import Localization
from tests.harness.backbones.test_images import CONFIG
from tests.harness.backbones.test_vit import loaded
from tests.harness.tiny_models import save_images, tiny_convnet

TASK = Localization(center=(0.25, 0.25, 0.75, 0.75), scale=(0.2,) * 4)


@pytest.fixture(autouse=True)
def _cache(empty_cache: Path) -> None:
    """Exported networks are made anew."""


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 12), (16, 4), (2, 1)])
def test_a_grid_is_torchs_adaptive_pooling_where_the_sides_allow(height: int, width: int) -> None:
    maps = torch.randn(2, 3, height, width)
    expected = adaptive_avg_pool2d(maps, 4).permute(0, 2, 3, 1).flatten(1)
    torch.testing.assert_close(grid_of(maps), expected)


@given(st.integers(1, 9), st.integers(1, 9))
def test_a_grid_keeps_the_mean_and_what_is_constant(height: int, width: int) -> None:
    maps = torch.rand(1, 2, height, width)
    places = grid_of(maps).reshape(16, 2)
    torch.testing.assert_close(places.mean(dim=0), maps.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(grid_of(torch.ones(1, 2, height, width)), torch.ones(1, 32))


@pytest.mark.parametrize("family", ["convnet", "vit"])
def test_the_probe_reads_what_the_head_reads(family: str, tmp_path: Path) -> None:
    backbone = tiny_convnet() if family == "convnet" else loaded("vit", tmp_path / "model")
    (tmp_path / "images").mkdir()
    files = save_images(tmp_path / "images", 5)
    trainee = backbone.trainee(TASK)
    features = backbone.features(files, pooling="grid")
    assert features.shape == (5, backbone.view_width(View("grid")))
    assert trainee.head.in_features == features.shape[1]
    np.testing.assert_allclose(trainee.represent(files), features, atol=1e-3)
    views = bundle(backbone, "grid")
    assert [view.pooling for view in views] == ["grid", "grid"]
    both = backbone.views(files, views)
    np.testing.assert_allclose(both[:, -features.shape[1] :], features, atol=1e-3)


def test_a_grid_stands_alone_and_loses_no_patch(tmp_path: Path) -> None:
    backbone = tiny_convnet()
    with pytest.raises(SpecError, match="is not extracted together with other views"):
        backbone.views(save_images(tmp_path, 1), [View("grid"), View("mean")])
    vit = loaded("vit", tmp_path / "model")
    with pytest.raises(SpecError, match="of whose patches none must keep its place"):
        FullFineTuning(mask_ratio=0.5)._make(vit, TASK, seed=0)
    with pytest.raises(SpecError, match="5 patches make no square"):
        pool_patches(torch.zeros(1, 6, 8), "grid")
    with pytest.raises(SpecError, match="head of a conv net reads the grid; got pooling 'mean'"):
        backbone.trainee(TASK, pooling="mean")


def test_whole_images_lose_no_edge(tmp_path: Path) -> None:
    pixels = np.zeros((30, 200, 3), dtype=np.uint8)
    pixels[:, :20] = 255  # the centre alone would not show it
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    reader = ImageReader(CONFIG)
    whole, frames = reader.read_framed([tmp_path / "wide.png"])
    assert whole.shape == (1, 3, 48, 32)
    assert frames.tolist() == [[0, 0, 1, 1, 0]]
    assert whole[0, 0, :, 0].min() > 0.9 > whole[0, 0, :, 16].max()
    ((_, batch),) = reader.batches([tmp_path / "wide.png"], 4, whole=True)
    assert torch.equal(batch, whole)
    assert reader.read([tmp_path / "wide.png"])[0, 0, :, 0].max() < 0


@pytest.mark.parametrize("seed", range(6))
def test_a_box_lies_around_its_square_in_every_crop(tmp_path: Path, seed: int) -> None:
    pixels = np.zeros((96, 128, 3), dtype=np.uint8)
    pixels[36:60, 32:64] = 255
    Image.fromarray(pixels).save(tmp_path / "square.png")
    box = torch.tensor([[32 / 128, 36 / 96, 64 / 128, 60 / 96]])
    torch.manual_seed(seed)
    seen, frames = ImageReader(CONFIG).read_framed([tmp_path / "square.png"], augment=True)
    left, upper, right, lower = TASK.in_frame(box, frames)[0].tolist()
    bright = seen[0, 0] > 0
    rows, columns = bright.any(dim=1).nonzero(), bright.any(dim=0).nonzero()
    found = [columns.min() / 32, rows.min() / 48, (columns.max() + 1) / 32, (rows.max() + 1) / 48]
    assert [float(one) for one in found] == pytest.approx([left, upper, right, lower], abs=0.04)


def test_training_crops_and_prediction_does_not(tmp_path: Path) -> None:
    files = save_images(tmp_path, 3)
    trainee = tiny_convnet().trainee(TASK)
    torch.manual_seed(0)
    assert not torch.equal(
        trainee.encode(files, augment=True)["frames"], trainee.encode(files)["frames"]
    )
    torch.testing.assert_close(
        trainee.encode(files)["frames"], torch.tensor([[0.0, 0, 1, 1, 0]]).expand(3, -1)
    )

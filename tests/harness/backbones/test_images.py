"""Image files to pixels: size, range, modes, augmentation, unreadable files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from advisor.errors import DataError
from harness.backbones.images import ImageReader, crop_box, open_rgb
from tests.harness.tiny_models import save_images

CONFIG = {
    "input_size": (3, 48, 32),
    "interpolation": "bicubic",
    "crop_pct": 0.9,
    "crop_mode": "center",
    "mean": (0.5, 0.4, 0.3),
    "std": (0.5, 0.5, 0.25),
}


@pytest.fixture
def reader() -> ImageReader:
    return ImageReader(CONFIG)


def save(folder: Path, pixels: np.ndarray, name: str = "image.png") -> Path:
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def test_pixels_are_normalised_as_the_network_was_trained(tmp_path, reader):
    colour = np.full((90, 70, 3), (255, 0, 127), dtype=np.uint8)
    pixels = reader.read([save(tmp_path, colour)])
    assert pixels.shape == (1, 3, 48, 32)
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    expected = [(1 - 0.5) / 0.5, (0 - 0.4) / 0.5, (127 / 255 - 0.3) / 0.25]
    np.testing.assert_allclose(pixels[0, :, 20, 10], expected, atol=1e-5)


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("side", [5, 33, 200])
def test_every_size_becomes_the_networks(tmp_path, reader, side, augment):
    files = [save(tmp_path, np.zeros((side, 3 * side, 3), dtype=np.uint8))]
    assert reader.read(files, augment=augment).shape == (1, 3, 48, 32)


def test_batches_hold_every_row_once_and_in_order(tmp_path, reader):
    files = save_images(tmp_path, 7)
    rows, parts = zip(*reader.batches(files, 3), strict=True)
    assert [(part.start, min(part.stop, 7)) for part in rows] == [(0, 3), (3, 6), (6, 7)]
    assert torch.equal(torch.cat(parts), reader.read(files))
    assert list(reader.batches([], 3)) == []


def test_grey_deep_and_transparent_images_become_rgb(tmp_path):
    grey = np.linspace(0, 255, 64).reshape(8, 8).astype(np.uint8)
    shallow = np.asarray(open_rgb(save(tmp_path, grey)))
    assert shallow.shape == (8, 8, 3)
    assert np.array_equal(shallow[:, :, 0], grey)
    # An X-ray of 12 bits in 16 would be white almost everywhere if it were clipped at 255.
    deep = (grey.astype(np.uint16) * 16) + 100
    stretched = np.asarray(open_rgb(save(tmp_path, deep)))[:, :, 0].astype(int)
    assert np.abs(stretched - grey).max() <= 1
    assert np.asarray(open_rgb(save(tmp_path, deep * 0 + 7))).max() == 0  # one value only
    alpha = np.dstack([grey, grey, grey, grey])
    assert open_rgb(save(tmp_path, alpha)).mode == "RGB"


def test_photos_are_turned_upright(tmp_path):
    image = Image.new("RGB", (20, 10))
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was held sideways
    image.save(tmp_path / "photo.jpg", exif=exif)
    assert open_rgb(tmp_path / "photo.jpg").size == (10, 20)


def test_augmentation_is_drawn_from_torchs_seed(tmp_path, reader):
    files = save_images(tmp_path, 6)

    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return reader.read(files, augment=True)

    first = drawn(0)
    assert all(torch.equal(drawn(0), first) for _ in range(3))
    assert not torch.equal(drawn(1), first)
    assert not torch.equal(reader.read(files), first)


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.lists(st.floats(0, 0.999), min_size=4, max_size=4),
)
def test_crops_lie_inside_the_image(width, height, draws):
    left, upper, right, lower = crop_box((width, height), draws)
    assert 0 <= left < right <= width * (1 + 1e-9)
    assert 0 <= upper < lower <= height * (1 + 1e-9)


def test_crops_have_the_area_that_was_drawn():
    left, upper, right, lower = crop_box((100, 100), (0.5, 0.5, 0.0, 0.0))
    assert (right - left) * (lower - upper) == pytest.approx(100 * 100 * (0.35 + 1.0) / 2)
    assert right - left == pytest.approx(lower - upper)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n cut short"])
@pytest.mark.parametrize("augment", [False, True])
def test_an_unreadable_file_is_named(tmp_path, reader, content, augment):
    files = save_images(tmp_path, 2)
    broken = tmp_path / "broken.png"
    broken.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.png cannot be read as an image"):
        reader.read([*files, broken], augment=augment)
    with pytest.raises(DataError, match=r"broken\.png cannot be read as an image"):
        list(reader.batches([*files, broken], 1))

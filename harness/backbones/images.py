"""Image files to batches of pixels, as a network expects them; decoded beside the computing."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from timm.data import create_transform
from timm.data.transforms import str_to_pil_interp

from advisor.errors import DataError

THREADS = 4
_AREA = (0.35, 1.0)
_ASPECT = (3 / 4, 4 / 3)
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


class ImageReader:
    """Reads image files for one network.

    Args:
        config: timm's data configuration of the network (`timm.data.resolve_model_data_config`).

    Attributes:
        size: Height and width of what is read, in pixels.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.size: tuple[int, int] = tuple(config["input_size"][1:])
        self._resample = str_to_pil_interp(config["interpolation"])
        self._evaluation = create_transform(
            input_size=config["input_size"],
            interpolation=config["interpolation"],
            crop_pct=config["crop_pct"],
            crop_mode=config["crop_mode"],
            is_training=False,
            normalize=False,  # leaves whole numbers: a quarter of the memory on the way
        )
        self._mean = torch.tensor(config["mean"]).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(config["std"]).view(1, 3, 1, 1) * 255

    def read(self, files: Sequence[Path], *, augment: bool = False) -> torch.Tensor:
        """Normalised pixels, float32, shape (n, 3, height, width), channels last in memory.

        Args:
            augment: A random crop (35–100 % of the area) and flip of each image instead of the
                centre; drawn from torch's default generator, the same whatever the threads do.

        Raises:
            DataError: With the file that cannot be read.
        """
        with ThreadPoolExecutor(THREADS) as threads:
            return self._normalised(list(self._submit(threads, files, augment)))

    def batches(self, files: Sequence[Path], size: int) -> Iterator[tuple[slice, torch.Tensor]]:
        """Rows and their pixels, batch by batch; the next batch is decoded meanwhile.

        Raises:
            DataError: As `read`.
        """
        rows = [slice(start, start + size) for start in range(0, len(files), size)]
        with ThreadPoolExecutor(THREADS) as threads:
            coming = [self._submit(threads, files[part], False) for part in rows[:1]]
            for index, part in enumerate(rows):
                coming += [self._submit(threads, files[p], False) for p in rows[index + 1 :][:1]]
                yield part, self._normalised(list(coming.pop(0)))

    def _submit(
        self, threads: ThreadPoolExecutor, files: Sequence[Path], augment: bool
    ) -> Iterator[torch.Tensor]:
        if not augment:
            return threads.map(lambda file: self._evaluation(open_rgb(file)), files)
        draws = torch.rand(len(files), 5).tolist()
        return threads.map(self._augmented, files, draws)

    def _augmented(self, file: Path, draws: Sequence[float]) -> torch.Tensor:
        image = open_rgb(file)
        box = crop_box(image.size, draws[:4])
        image = image.resize(self.size[::-1], self._resample, box=box)
        if draws[4] < 0.5:
            image = ImageOps.mirror(image)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def _normalised(self, images: list[torch.Tensor]) -> torch.Tensor:
        pixels = torch.stack(images).to(torch.float32, memory_format=torch.channels_last)
        return (pixels - self._mean) / self._std


def open_rgb(file: Path) -> Image.Image:
    """A file as an upright RGB image; deep greys (16 bits, floats) are stretched to their range.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode == "F" or image.mode.startswith("I"):  # conversion would clip at 255
                grey = np.asarray(image, dtype=np.float32)
                spread = float(np.ptp(grey)) or 1.0
                image = Image.fromarray(((grey - grey.min()) / spread * 255).astype(np.uint8))
            return image.convert("RGB")
    except _UNREADABLE as error:
        raise DataError(
            f"{file} cannot be read as an image ({error}). Repair or remove it."
        ) from error


def crop_box(size: tuple[int, int], draws: Sequence[float]) -> tuple[float, float, float, float]:
    """A random crop (Szegedy et al. 2015, section 6): left, upper, right, lower.

    Args:
        size: Width and height of the image.
        draws: Numbers in [0, 1) that choose area, aspect, horizontal and vertical place.
    """
    width, height = size
    area = width * height * (_AREA[0] + draws[0] * (_AREA[1] - _AREA[0]))
    low, high = map(math.log, _ASPECT)
    aspect = math.exp(low + draws[1] * (high - low))
    crop_width = min(width, math.sqrt(area * aspect))
    crop_height = min(height, math.sqrt(area / aspect))
    left, upper = draws[2] * (width - crop_width), draws[3] * (height - crop_height)
    return left, upper, left + crop_width, upper + crop_height

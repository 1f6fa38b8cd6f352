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
from harness.tasks.base import Task

THREADS = 4
_AREA = (0.35, 1.0)
_FRAME_AREA = (0.6, 1.0)  # of crops that must still show what is looked for
_ASPECT = (3 / 4, 4 / 3)
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


Frame = tuple[float, float, float, float, float]
"""Left, upper, right, lower as shares of an image, and 1 if mirrored, else 0."""
WHOLE: Frame = (0.0, 0.0, 1.0, 1.0, 0.0)


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

    def read_framed(
        self, files: Sequence[Path], *, augment: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Whole images, squeezed to the network's shape, so that no place of them is lost.

        Args:
            augment: A random crop (60-100 % of the area) and flip of each image instead.

        Returns:
            Pixels as of `read`, and what of each image they show: left, upper, right and lower
            edge as shares of the image, and 1 if it is mirrored, else 0; float32, shape (n, 5).

        Raises:
            DataError: As `read`.
        """
        draws = torch.rand(len(files), 5) if augment else torch.zeros(len(files), 5)
        frames = [frame(one) if augment else WHOLE for one in draws.tolist()]
        with ThreadPoolExecutor(THREADS) as threads:
            pixels = self._normalised(list(threads.map(self._framed, files, frames)))
        return pixels, torch.tensor(frames, dtype=torch.float32).reshape(-1, 5)

    def batches(
        self, files: Sequence[Path], size: int, *, whole: bool = False
    ) -> Iterator[tuple[slice, torch.Tensor]]:
        """Rows and their pixels, batch by batch; the next batch is decoded meanwhile.

        Args:
            whole: Images as of `read_framed` instead of their centre.

        Raises:
            DataError: As `read`.
        """
        rows = [slice(start, start + size) for start in range(0, len(files), size)]
        with ThreadPoolExecutor(THREADS) as threads:

            def submitted(part: slice) -> Iterator[torch.Tensor]:
                if whole:
                    return threads.map(lambda file: self._framed(file, WHOLE), files[part])
                return self._submit(threads, files[part], False)

            coming = [submitted(part) for part in rows[:1]]
            for index, part in enumerate(rows):
                coming += [submitted(part) for part in rows[index + 1 :][:1]]
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
        return self._cut(image, crop_box(image.size, draws[:4]), mirrored=draws[4] < 0.5)

    def _framed(self, file: Path, seen: Frame) -> torch.Tensor:
        image = open_rgb(file)
        left, upper, right, lower, mirrored = seen
        box = (
            left * image.width,
            upper * image.height,
            min(right * image.width, image.width),
            min(lower * image.height, image.height),
        )
        return self._cut(image, box, mirrored=bool(mirrored))

    def _cut(
        self, image: Image.Image, box: tuple[float, float, float, float], *, mirrored: bool
    ) -> torch.Tensor:
        image = image.resize(self.size[::-1], self._resample, box=box)
        if mirrored:
            image = ImageOps.mirror(image)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def _normalised(self, images: list[torch.Tensor]) -> torch.Tensor:
        pixels = torch.stack(images).to(torch.float32, memory_format=torch.channels_last)
        return (pixels - self._mean) / self._std


def read_pixels(
    reader: ImageReader,
    files: Sequence[Path],
    task: Task,
    device: torch.device,
    augment: bool,
) -> dict[str, torch.Tensor]:
    """A batch of images as a head for a task is to see them.

    Returns:
        "pixels"; where the head reads a grid, they are of whole images and "frames" tells what
        of them is seen. Only such a task says what a crop makes of its targets.
    """
    if task.head == "grid":
        pixels, frames = reader.read_framed(files, augment=augment)
        return {"pixels": pixels.to(device, non_blocking=True), "frames": frames.to(device)}
    pixels = reader.read(files, augment=augment and task.mirrors)
    return {"pixels": pixels.to(device, non_blocking=True)}


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


def frame(draws: Sequence[float]) -> Frame:
    """A random crop of any image, as shares of its width and height, mirrored or not.

    Args:
        draws: Five numbers in [0, 1).
    """
    return (*crop_box((1, 1), draws[:4], area=_FRAME_AREA), float(draws[4] < 0.5))


def crop_box(
    size: tuple[int, int], draws: Sequence[float], *, area: tuple[float, float] = _AREA
) -> tuple[float, float, float, float]:
    """A random crop (Szegedy et al. 2015, section 6): left, upper, right, lower.

    Args:
        size: Width and height of the image.
        draws: Numbers in [0, 1) that choose area, aspect, horizontal and vertical place.
        area: Smallest and largest share of the image's area.
    """
    width, height = size
    chosen = width * height * (area[0] + draws[0] * (area[1] - area[0]))
    low, high = map(math.log, _ASPECT)
    aspect = math.exp(low + draws[1] * (high - low))
    crop_width = min(width, math.sqrt(chosen * aspect))
    crop_height = min(height, math.sqrt(chosen / aspect))
    left, upper = draws[2] * (width - crop_width), draws[3] * (height - crop_height)
    return left, upper, left + crop_width, upper + crop_height

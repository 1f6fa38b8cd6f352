"""Shifted copies of an image folder: the same pictures, worse.

Kinds and strengths are those of Hendrycks and Dietterich 2019, "Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations" (arXiv:1903.12261), section 3, whose images
are 224 pixels wide; larger pictures are first brought down to that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from advisor.errors import DataError, SpecError, UnknownName

SIDE = 224
SEVERITIES = (1, 2, 3, 4, 5)
_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)
_BLUR = (1, 2, 3, 4, 6)
_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)
_PIXELS = (0.6, 0.5, 0.4, 0.3, 0.25)


def _gaussian_noise(image: Image.Image, severity: int, draw: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float64) / 255
    noisy = pixels + draw.normal(scale=_NOISE[severity - 1], size=pixels.shape)
    return _from_unit(noisy)


def _gaussian_blur(image: Image.Image, severity: int, draw: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(_BLUR[severity - 1]))


def _contrast(image: Image.Image, severity: int, draw: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float64) / 255
    mean = pixels.mean(axis=(0, 1), keepdims=True)
    return _from_unit((pixels - mean) * _CONTRAST[severity - 1] + mean)


def _pixelate(image: Image.Image, severity: int, draw: np.random.Generator) -> Image.Image:
    share = _PIXELS[severity - 1]
    size = max(1, int(image.width * share)), max(1, int(image.height * share))
    small = image.resize(size, Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.NEAREST)


CORRUPTIONS: dict[str, Callable[[Image.Image, int, np.random.Generator], Image.Image]] = {
    "gaussian_noise": _gaussian_noise,
    "gaussian_blur": _gaussian_blur,
    "contrast": _contrast,
    "pixelate": _pixelate,
}


def corrupt_folder(source: Path, target: Path, *, severity: int = 3, seed: int = 0) -> int:
    """A copy of a folder of images in which each image suffers one corruption, in turn.

    Args:
        target: Made by this call, all of it or nothing; an existing one is left as it is.
        severity: 1 (mild) to 5. seed: Draws the noise.

    Returns:
        Number of images in the copy.

    Raises:
        SpecError: For another severity.
        DataError: If there are no images, or one cannot be read.
    """
    if severity not in SEVERITIES:
        raise SpecError(f"severity must be between 1 and 5; got {severity}.")
    kinds = list(CORRUPTIONS)

    def change(number: int, file: Path) -> Image.Image:
        return corrupted(file, kinds[number % len(kinds)], severity, seed=seed + number)

    return _copied(source, target, change)


def coarse_folder(source: Path, target: Path, *, side: int) -> int:
    """A copy of a folder of images brought down to so many pixels on their short side.

    Args:
        target: Made by this call, all of it or nothing; an existing one is left as it is.

    Returns:
        Number of images in the copy.

    Raises:
        SpecError: For a side below 1.
        DataError: If there are no images, or one cannot be read.
    """
    if side < 1:
        raise SpecError(f"the side must be at least 1 pixel; got {side}.")
    return _copied(source, target, lambda number, file: _shrunk(_opened(file), side))


def _copied(source: Path, target: Path, change: Callable[[int, Path], Image.Image]) -> int:
    """Every image of a folder changed, as PNG, in the same folders; whole or not at all."""
    files = sorted(one for one in source.rglob("*") if one.suffix.lower() in _SUFFIXES)
    if not files:
        raise DataError(f"{source} holds no images to corrupt.")
    if target.exists():
        return len(files)
    making = target.with_name(f".{target.name}.tmp")
    for number, file in enumerate(files):
        place = (making / file.relative_to(source)).with_suffix(".png")
        place.parent.mkdir(parents=True, exist_ok=True)
        change(number, file).save(place)
    making.rename(target)
    return len(files)


def corrupted(file: Path, kind: str, severity: int, *, seed: int) -> Image.Image:
    """One image after a corruption, at most 224 pixels on its short side.

    Raises:
        UnknownName: For an unknown kind.
        DataError: If the file cannot be read.
    """
    if kind not in CORRUPTIONS:
        raise UnknownName("corruption", kind, CORRUPTIONS)
    return CORRUPTIONS[kind](_shrunk(_opened(file), SIDE), severity, np.random.default_rng(seed))


def _opened(file: Path) -> Image.Image:
    try:
        with Image.open(file) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{file} cannot be read as an image: {error}.") from None


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """At most so many pixels on its short side."""
    shrink = side / min(image.size)
    if shrink >= 1:
        return image
    size = max(1, round(image.width * shrink)), max(1, round(image.height * shrink))
    return image.resize(size, Image.Resampling.BICUBIC)


def _from_unit(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))

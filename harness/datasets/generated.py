"""Made images whose answer is known exactly. They are synthetic and no medical data.

Fractures: one or two bright shafts (a bright rim around a darker marrow, as bone absorbs X-rays)
in soft tissue and noise; across one of them runs a thin dark line of random place, angle and
width, and the box is around it. What a network learns of it says whether it can tell places, not
whether it can read radiographs.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from advisor.errors import OutputError, SpecError
from harness.datasets.boxes import BOXES

SIDE = 112
"""Width and height in pixels."""
TEST_EVERY = 5
"""Every fifth image is a test image."""
MARGIN = 5.0
"""Pixels between the line and its box."""
_QUALITY = 90
_README = """# Generated fractures

Synthetic images, not medical data: made by `harness generate fractures --images {images} --seed {seed}`.
{train} training and {test} test images of {side} x {side} pixels, one box each around the dark line
across a bright shaft (boxes.csv, pixels).
"""

Box = tuple[float, float, float, float]


def write_fractures(folder: Path, *, images: int, seed: int) -> None:
    """Write train/, test/, boxes.csv and README.md; the same arguments write the same images.

    Raises:
        SpecError: For fewer than 10 images, or a negative seed.
        OutputError: If the folder is there already, or cannot be written.
    """
    if images < 2 * TEST_EVERY:
        raise SpecError(f"images must be at least {2 * TEST_EVERY}; got {images}.")
    if seed < 0:
        raise SpecError(f"seed must be at least 0; got {seed}.")
    if folder.exists():
        raise OutputError(f"{folder} is there already. Name a new folder with --out.")
    part = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(part, ignore_errors=True)
        for name in ("train", "test"):
            (part / name).mkdir(parents=True)
        rows = ["file,x_min,y_min,x_max,y_max"]
        for index in range(images):
            pixels, box = fracture(np.random.default_rng((seed, index)))
            name = f"{'test' if index % TEST_EVERY == 0 else 'train'}/{index:05d}.jpg"
            Image.fromarray(pixels).save(part / name, quality=_QUALITY)
            rows.append(",".join([name, *(f"{edge:.1f}" for edge in box)]))
        (part / BOXES).write_text("\n".join(rows) + "\n", encoding="utf-8")
        test = math.ceil(images / TEST_EVERY)
        told = _README.format(images=images, seed=seed, train=images - test, test=test, side=SIDE)
        (part / "README.md").write_text(told, encoding="utf-8")
        part.rename(folder)
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder} ({error.strerror}). Name another --out."
        ) from None


def fracture(draw: np.random.Generator) -> tuple[np.ndarray, Box]:
    """An image and the box around its fracture.

    Returns:
        Greys, uint8, shape (112, 112), and x_min, y_min, x_max, y_max in pixels, inside it.
    """
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    tilt = draw.uniform(-0.6, 0.6)  # of the shafts, from upright, in radians
    radius = draw.uniform(6, 12)
    middle = draw.uniform(0.3, 0.7, size=2) * SIDE
    # across: distance from the axis of the first shaft; along: place on it
    across = (columns - middle[0]) * math.cos(tilt) - (rows - middle[1]) * math.sin(tilt)
    along = (columns - middle[0]) * math.sin(tilt) + (rows - middle[1]) * math.cos(tilt)
    bone = _shaft(across, radius, draw)
    if draw.random() < 0.5:  # radius and ulna, tibia and fibula
        apart = draw.choice((-1.0, 1.0)) * (radius + draw.uniform(10, 20))
        bone = np.maximum(bone, _shaft(across - apart, radius * draw.uniform(0.5, 0.8), draw))
    place = draw.uniform(-0.2, 0.2) * SIDE
    line, box = _line(across, along, radius, place, tilt, middle, draw)
    tissue = 45 + 25 * np.exp(-((across / (3.5 * radius)) ** 2)) + _clouds(draw)
    grey = tissue + bone - line * draw.uniform(0.5, 0.9) * bone + draw.normal(0, 5, tissue.shape)
    return np.clip(grey, 0, 255).astype(np.uint8), box


def _shaft(across: np.ndarray, radius: float, draw: np.random.Generator) -> np.ndarray:
    """Brightness a shaft adds: a soft edge, a bright rim, a darker inside."""
    inside = 1 / (1 + np.exp((np.abs(across) - radius) / 0.8))
    marrow = np.exp(-((across / (0.6 * radius)) ** 2))
    return draw.uniform(90, 130) * inside * (1 - draw.uniform(0.2, 0.45) * marrow)


def _line(
    across: np.ndarray,
    along: np.ndarray,
    radius: float,
    place: float,
    tilt: float,
    middle: np.ndarray,
    draw: np.random.Generator,
) -> tuple[np.ndarray, Box]:
    """How much of the bone is missing at each pixel, in [0, 1], and the box around the line."""
    slope = math.tan(draw.uniform(-0.9, 0.9))
    jag, waves = draw.uniform(0, 1.5), draw.uniform(0.3, 0.8)
    half = draw.uniform(0.5, 1.3)
    ends = np.linspace(-radius, radius, 33)

    def course(at: np.ndarray) -> np.ndarray:
        return place + slope * at + jag * np.sin(waves * at)

    far = np.abs(along - course(across)) / (half * math.hypot(1.0, slope))
    line = np.exp(-(far**2)) * (np.abs(across) <= radius + 1)
    x = middle[0] + ends * math.cos(tilt) + course(ends) * math.sin(tilt)
    y = middle[1] - ends * math.sin(tilt) + course(ends) * math.cos(tilt)
    low = np.clip([x.min() - MARGIN, y.min() - MARGIN], 0, SIDE)
    high = np.clip([x.max() + MARGIN, y.max() + MARGIN], 0, SIDE)
    return line, (float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _clouds(draw: np.random.Generator) -> np.ndarray:
    """Soft tissue: smooth noise of two sizes."""
    total = np.zeros((SIDE, SIDE), dtype=np.float32)
    for cells, strength in ((5, 12.0), (14, 6.0)):
        coarse = Image.fromarray(draw.normal(0, strength, (cells, cells)).astype(np.float32))
        total += np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return total

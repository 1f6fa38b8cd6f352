"""How long texts are in tokens, and how large images are in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from harness.backbones.base import TokenCounter


@dataclass(frozen=True)
class TextLengths:
    """In tokens of the model, without special ones; nothing is cut.

    Attributes:
        beyond_window: Share of texts longer than the model's window, in [0, 1].
        rows: Texts that were counted.
    """

    mean: float
    median: float
    p95: float
    longest: int
    beyond_window: float
    rows: int


@dataclass(frozen=True)
class ImageSizes:
    """In pixels.

    Attributes:
        width, height: Medians; smallest, largest: of the shorter sides.
        upscaled: Share of images whose shorter side is below what the network reads, in [0, 1].
        grey: Share of images with one channel, in [0, 1].
        rows: Images that were opened.
    """

    width: int
    height: int
    smallest: int
    largest: int
    upscaled: float
    grey: float
    rows: int


def text_lengths(counter: TokenCounter, texts: Sequence[str], window: int | None) -> TextLengths:
    """Of at least one text."""
    counts = counter.token_counts(texts)
    return TextLengths(
        mean=float(counts.mean()),
        median=float(np.median(counts)),
        p95=float(np.percentile(counts, 95)),
        longest=int(counts.max()),
        beyond_window=0.0 if window is None else float(np.mean(counts > window)),
        rows=len(texts),
    )


def image_sizes(files: Sequence[Path], side: int | None) -> ImageSizes:
    """Of at least one image; only headers are read.

    Args:
        side: What the network reads, in pixels.
    """
    sizes, grey = [], 0
    for file in files:
        with Image.open(file) as image:
            sizes.append(image.size)
            grey += len(image.getbands()) == 1 and image.mode != "P"
    pixels = np.array(sizes)
    shorter = pixels.min(axis=1)
    return ImageSizes(
        width=int(np.median(pixels[:, 0])),
        height=int(np.median(pixels[:, 1])),
        smallest=int(shorter.min()),
        largest=int(shorter.max()),
        upscaled=0.0 if side is None else float(np.mean(shorter < side)),
        grey=grey / len(files),
        rows=len(files),
    )

"""Small texts and images made in code, with something to learn in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SUBJECTS = ("the cat", "a dog", "our teacher", "the old farmer", "my sister", "a young bird")
VERBS = ("sees", "follows", "remembers", "paints", "carries", "forgets")
OBJECTS = ("the river", "a red house", "the garden", "an apple", "the long road", "a letter")


def sentences(count: int, seed: int = 0) -> list[str]:
    draw = np.random.default_rng(seed)
    return [
        f"{draw.choice(SUBJECTS)} {draw.choice(VERBS)} {draw.choice(OBJECTS)}.".capitalize()
        for _ in range(count)
    ]


def write_text(file: Path, documents: int = 40, lines: int = 4) -> Path:
    """Documents of lines of three sentences, blank lines between them."""
    draws = iter(sentences(documents * lines * 3))
    text = [
        "\n".join(" ".join(next(draws) for _ in range(3)) for _ in range(lines))
        for _ in range(documents)
    ]
    file.write_text("\n\n".join(text) + "\n", encoding="utf-8")
    return file


def write_images(folder: Path, count: int = 48, side: int = 40) -> Path:
    """Gratings of random direction and colour, in folders two deep."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    for number in range(count):
        angle, colour = draw.uniform(0, np.pi), draw.uniform(40, 255, 3)
        wave = 0.5 + 0.5 * np.sin((rows * np.sin(angle) + columns * np.cos(angle)) / 3)
        file = folder / f"part{number % 2}" / "inner" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((wave[..., None] * colour).astype(np.uint8)).save(file)
    return folder

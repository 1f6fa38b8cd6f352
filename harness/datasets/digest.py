"""A data set's content in one hash: the same content gives the same digest, wherever it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.datasets.base import Split
from harness.text_pair import TextPair


def content_digest(label_names: Sequence[str], splits: Sequence[Split | None]) -> str:
    """sha256 (hex) over the label names and, per split, over every input and target in order.

    Each piece is preceded by its length, so that no two contents run together to the same
    bytes. Paths, ids and groups do not enter; of an image, its bytes do.
    """
    digest = hashlib.sha256()

    def add(piece: bytes) -> None:
        digest.update(len(piece).to_bytes(8, "big"))
        digest.update(piece)

    add(len(label_names).to_bytes(8, "big"))
    for name in label_names:
        add(name.encode())
    for split in splits:
        add(b"absent" if split is None else len(split).to_bytes(8, "big"))
        if split is None:
            continue
        for item in split.inputs:
            for piece in _pieces(item):
                add(piece)
        for piece in _target_pieces(split.targets):
            add(piece)
    return digest.hexdigest()


def _target_pieces(targets: np.ndarray) -> list[bytes]:
    """Class indices or numbers in one piece, texts one by one."""
    if targets.dtype.kind == "U":
        return [str(target).encode("utf-8", "surrogatepass") for target in targets]
    return [targets.astype(">i8" if targets.dtype.kind == "i" else ">f8").tobytes()]


def _pieces(item: str | Path) -> list[bytes]:
    """The bytes of an image file, of a text, or of each text of a pair."""
    if isinstance(item, Path):
        return [item.read_bytes()]
    texts = (item.first, item.second) if isinstance(item, TextPair) else (item,)
    return [text.encode("utf-8", "surrogatepass") for text in texts]

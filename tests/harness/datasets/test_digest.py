"""The digest follows content, and nothing but content."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.datasets.base import Split
from harness.datasets.digest import content_digest

NAMES = ("ham", "spam")


def split(inputs: tuple[str | Path, ...], targets: tuple[int, ...], prefix: str = "row") -> Split:
    return Split(
        inputs, np.array(targets, dtype=np.int64), tuple(f"{prefix}{i}" for i in range(len(inputs)))
    )


BASE = split(("one", "two"), (0, 1))


def test_every_part_of_the_content_counts() -> None:
    variants = [
        (NAMES, (BASE, BASE, None)),
        (("spam", "ham"), (BASE, BASE, None)),
        (NAMES, (BASE, BASE, BASE)),
        (NAMES, (BASE, split((), ()), None)),
        (NAMES, (split(("one", "two"), (1, 1)), BASE, None)),
        (NAMES, (split(("two", "one"), (0, 1)), BASE, None)),
        (NAMES, (split(("onetwo", ""), (0, 1)), BASE, None)),
        (NAMES, (split(("one", "two "), (0, 1)), BASE, None)),
    ]
    digests = [content_digest(*variant) for variant in variants]
    assert len(set(digests)) == len(variants)
    assert all(len(digest) == 64 for digest in digests)


def test_names_of_rows_do_not_count() -> None:
    assert content_digest(NAMES, [BASE]) == content_digest(
        NAMES, [split(("one", "two"), (0, 1), "x")]
    )


def test_of_images_the_bytes_count_and_the_path_does_not(tmp_path: Path) -> None:
    for name, data in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(data)
    a, b, c = (content_digest(NAMES, [split((tmp_path / name,), (0,))]) for name in "abc")
    assert a == b != c

